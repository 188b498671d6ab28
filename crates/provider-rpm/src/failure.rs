//! From the failures of readers to those of documents.

use std::fmt::Display;

use artifact_core::{AssemblyError, DocumentError};
use formats::compression::CompressionError;
use formats::xml::{StreamError, XmlError};

/// The document or part called `what` cannot be understood.
pub(crate) fn malformed(what: &str, reason: impl Display) -> DocumentError {
    DocumentError::Malformed(format!("{what}: {reason}"))
}

/// For `map_err` on the walk over an element of `what`.
pub(crate) fn in_xml(what: &str) -> impl Fn(XmlError) -> DocumentError + '_ {
    move |error| malformed(what, error)
}

/// For `map_err` on the stream of `what`: its own faults are upstream's, those of its source ours.
pub(crate) fn in_stream(what: &str) -> impl Fn(StreamError) -> AssemblyError + '_ {
    move |error| match error {
        StreamError::Io(error) => in_reading(what, error),
        error => malformed(what, error).into(),
    }
}

/// The same for a stream that is no XML.
pub(crate) fn in_reading(what: &str, error: std::io::Error) -> AssemblyError {
    match CompressionError::of(&error) {
        Some(fault) => malformed(what, fault).into(),
        None => AssemblyError::Io(error),
    }
}
