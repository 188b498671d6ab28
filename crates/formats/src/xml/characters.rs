//! What may stand where, character by character.

/// Where and why something is refused: the offset within it and one lower-case phrase.
pub(super) type Refusal = (usize, &'static str);

/// The longest name.
const MAX_NAME: usize = 256;

/// The length of the name at the beginning of `bytes`: ASCII, with at most one colon inside.
pub(super) fn name(bytes: &[u8]) -> Result<usize, Refusal> {
    let is_start = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    let is_part = |byte: &u8| is_start(byte) || byte.is_ascii_digit() || b"-.:".contains(byte);
    let length = bytes.iter().take(MAX_NAME + 1).take_while(|byte| is_part(byte)).count();
    let name = bytes.get(..length).unwrap_or_default();
    if !name.first().is_some_and(is_start) {
        return Err((0, "a name is missing"));
    }
    if length > MAX_NAME {
        return Err((0, "a name is too long"));
    }
    if bytes.get(length).is_some_and(|byte| !byte.is_ascii()) {
        return Err((length, "a name with characters that are not ASCII"));
    }
    let parts = name.split(|byte| *byte == b':');
    let is_qualified = parts.clone().all(|part| part.first().is_some_and(is_start));
    if !is_qualified || parts.count() > 2 {
        return Err((0, "a name with a misplaced colon"));
    }
    Ok(length)
}

/// The length of the white space at the beginning of `bytes`.
pub(super) fn white_space(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| is_white(**byte)).count()
}

pub(super) fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Checks text between tags.
pub(super) fn content(text: &str) -> Result<(), Refusal> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(next) = next_special(bytes, at) {
        match bytes.get(next) {
            Some(b'&') => at = next + reference(bytes.get(next..).unwrap_or_default(), next)?,
            Some(b'>') if bytes.get(..next).is_some_and(|before| before.ends_with(b"]]")) => {
                return Err((next, "\"]]>\" in a text"));
            }
            _ => at = next + character(text, next)?,
        }
    }
    Ok(())
}

/// Checks the value of an attribute, without its quotes.
pub(super) fn value(text: &str) -> Result<(), Refusal> {
    if let Some(at) = memchr::memchr(b'<', text.as_bytes()) {
        return Err((at, "a \"<\" in the value of an attribute"));
    }
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(next) = next_special(bytes, at) {
        let length = match bytes.get(next) {
            Some(b'&') => reference(bytes.get(next..).unwrap_or_default(), next)?,
            _ => character(text, next)?,
        };
        at = next + length;
    }
    Ok(())
}

/// Checks text in which only characters count, such as a comment.
pub(super) fn characters(text: &str) -> Result<(), Refusal> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(next) = next_special(bytes, at) {
        at = next + character(text, next)?;
    }
    Ok(())
}

/// The next byte that needs a closer look.
fn next_special(bytes: &[u8], from: usize) -> Option<usize> {
    let left = bytes.get(from..)?;
    let special =
        |byte: &u8| *byte < 0x20 && !is_white(*byte) || matches!(*byte, b'&' | b'>' | 0xEF);
    left.iter().position(special).map(|at| from + at)
}

/// Checks the character at `at`, of which the first byte is suspicious, and gives its length.
fn character(text: &str, at: usize) -> Result<usize, Refusal> {
    match text.get(at..).and_then(|left| left.chars().next()) {
        Some(found) if is_character(found) => Ok(found.len_utf8()),
        _ => Err((at, "a character that XML does not allow")),
    }
}

/// Whether XML 1.0 allows a character.
fn is_character(found: char) -> bool {
    match found {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        _ => found >= ' ',
    }
}

/// Checks the reference at the beginning of `bytes` and gives its length.
fn reference(bytes: &[u8], at: usize) -> Result<usize, Refusal> {
    let refusal = (at, "a reference to an unknown entity");
    let length = bytes.iter().take(12).position(|byte| *byte == b';').ok_or(refusal)?;
    let name = bytes.get(1..length).and_then(|name| std::str::from_utf8(name).ok());
    match name.and_then(referenced) {
        Some(_) => Ok(length + 1),
        None => Err(refusal),
    }
}

/// The character that an entity or a character reference stands for.
pub(super) fn referenced(name: &str) -> Option<char> {
    let number = |digits: &str, radix| {
        let all_digits = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
        let code = all_digits.then(|| u32::from_str_radix(digits, radix).ok()).flatten()?;
        char::from_u32(code).filter(|found| is_character(*found))
    };
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => match (name.strip_prefix("#x"), name.strip_prefix('#')) {
            (Some(digits), _) => number(digits, 16),
            (None, Some(digits)) => number(digits, 10),
            (None, None) => None,
        },
    }
}
