//! The tags of parts in little room: most are a hash in quoted hexadecimal digits.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// What a tag that is no hash begins with; no Base64 does.
const VERBATIM: char = '=';

/// The short form of `tag`.
pub(super) fn shortened(tag: &str) -> String {
    let hash = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).and_then(hash);
    match hash {
        Some(bytes) => STANDARD_NO_PAD.encode(bytes),
        None => format!("{VERBATIM}{tag}"),
    }
}

/// The tag of a short form; `None` if it is none.
pub(super) fn tag(short: &str) -> Option<String> {
    if let Some(tag) = short.strip_prefix(VERBATIM) {
        return Some(tag.to_owned());
    }
    let bytes: [u8; 16] = STANDARD_NO_PAD.decode(short).ok()?.try_into().ok()?;
    Some(format!("\"{:032x}\"", u128::from_be_bytes(bytes)))
}

fn hash(hex: &str) -> Option<[u8; 16]> {
    let is_plain =
        hex.len() == 32 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !is_plain {
        return None;
    }
    u128::from_str_radix(hex, 16).ok().map(u128::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tag_comes_back_and_hashes_are_short() {
        let hash = format!("\"{}\"", "0123456789abcdef".repeat(2));
        assert_eq!(shortened(&hash).len(), 22);
        let upper = hash.to_uppercase();
        for text in [hash.as_str(), &upper, "\"00\"", "bare", "", "\"", "=", "\"1-2\""] {
            assert_eq!(tag(&shortened(text)).as_deref(), Some(text), "{text}");
        }
        let zero = format!("\"{}\"", "0".repeat(32));
        assert_eq!(tag(&shortened(&zero)), Some(zero));
        for text in ["", "AAAA", "not base64"] {
            assert_eq!(tag(text), None, "{text}");
        }
    }
}
