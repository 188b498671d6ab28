//! YAML through JSON: read into JSON text, written from it.
//!
//! Indexes in YAML are JSON with fewer quotes. Turning them into JSON text once lets the readers
//! of [`crate::json`] do the rest, for either syntax alike.
//!
//! Invariants: aliases, which make bombs of small documents, are refused, and so are equal keys,
//! which readers understand differently; nothing nests deeper than
//! [`json::Reader::MAX_DEPTH`](crate::json::Reader::MAX_DEPTH); the result is less than five times as
//! long as the input.
//!
//! ```
//! let json = formats::yaml::to_json("version: 1.10\nnames: [a, ~]\n")?;
//! assert_eq!(json, r#"{"version":"1.10","names":["a",null]}"#);
//! assert_eq!(formats::yaml::from_json(&json)?, "version: \"1.10\"\nnames:\n- \"a\"\n- null\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod quote;
mod reader;
mod writer;

pub use quote::quote;
pub use reader::{YamlError, to_json};
pub use writer::from_json;
