//! Version numbers as the clients of some package types order them.
//!
//! An index that is merged out of several has to be ordered as its readers would order it, and
//! readers differ in what they accept. Invariant: nothing here panics or overflows, whatever the text.

mod go;
mod lenient;

pub use go::GoVersion;
pub use lenient::LenientVersion;

/// Whether `text` is a list of identifiers of letters, digits and hyphens, joined by dots.
fn are_identifiers(text: &str) -> bool {
    text.split('.').all(|identifier| {
        !identifier.is_empty()
            && identifier.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}

/// Whether `text` may follow a hyphen: identifiers, of which the numeric ones have no leading zero.
fn is_pre_release(text: &str) -> bool {
    are_identifiers(text) && !text.split('.').any(|part| is_digits(part) && has_leading_zero(part))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn has_leading_zero(digits: &str) -> bool {
    digits.len() > 1 && digits.starts_with('0')
}
