//! Reading JSON by spans, so that a document can be edited without being rebuilt.
//!
//! A tree of a 40 MB package index costs ten times its size and forgets how its
//! unknown fields were written. [`Reader`] walks the text once instead, checks all of it and
//! says where things are; [`Splice`] copies the text around what has to change.
//!
//! Invariants: the whole grammar of RFC 8259 is enforced, also in what is skipped; nothing
//! nests deeper than [`Reader::MAX_DEPTH`]; no allocation is made for a value that is not
//! decoded.
//!
//! ```
//! use formats::json::{Reader, Splice};
//!
//! let text = r#"{"a": 1, "b": {"url": "x"}}"#;
//! let mut url = None;
//! let mut reader = Reader::new(text);
//! reader.object(|key, value| {
//!     if !key.is("b") {
//!         return Ok(()); // left alone, therefore skipped
//!     }
//!     value.object(|key, value| {
//!         if key.is("url") {
//!             url = Some(value.skip()?);
//!         }
//!         Ok(())
//!     })?;
//!     Ok(())
//! })?;
//! reader.finish()?;
//!
//! let mut splice = Splice::new(text);
//! let mut edited = String::new();
//! if let Some(span) = url {
//!     edited.push_str(splice.up_to(span));
//!     edited.push_str("null");
//! }
//! edited.push_str(splice.rest());
//! assert_eq!(edited, r#"{"a": 1, "b": {"url": null}}"#);
//! # Ok::<(), formats::json::JsonError>(())
//! ```

mod reader;
mod scalar;
mod splice;
mod text;

pub use reader::{JsonError, Kind, Reader};
pub use splice::{Span, Splice};
pub use text::{Text, quote};
