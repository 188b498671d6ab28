//! Anchors out of untrusted HTML pages, and text into HTML that we write.
//!
//! Index pages are the oldest index format there is, and they come from anyone. They are
//! tokenized by the rules of HTML5, never by patterns, and read in bounded memory.
//!
//! Invariant: nothing of a foreign page is ever sent on as markup. Pages are taken apart
//! into texts here and written anew with [`escape`].

mod escape;
mod reader;

pub use escape::escape;
pub use reader::{Anchor, Head, HtmlError, Limits, Page, read, scan};
