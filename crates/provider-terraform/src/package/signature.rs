//! The detached signature of the checksums.

use artifact_core::SourceDocument;

use crate::document::Unreadable;

/// The tag of an OpenPGP signature packet (RFC 9580, section 5).
const SIGNATURE: u8 = 2;

/// Whether this begins like a binary signature. Clients refuse an armoured one, and an error page
/// must not be kept as one; whether it is valid is for the client to find out with the keys.
pub(crate) fn check(document: &SourceDocument<'_>) -> Result<(), Unreadable> {
    let first = document.body.first().copied().unwrap_or_default();
    let tag = match first {
        0xc0.. => Some(first & 0x3f),
        0x80..0xc0 => Some((first & 0x3f) >> 2),
        _ => None,
    };
    if tag == Some(SIGNATURE) {
        return Ok(());
    }
    Err(Unreadable::Other("the signature of the checksums is not a binary OpenPGP signature"))
}
