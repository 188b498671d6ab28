//! The grammar of strings, numbers and literals: how far one reaches, or what is wrong.

/// The reason why a scalar is refused, and how many bytes into it.
pub(super) type Refusal = (usize, &'static str);

/// The length of the string that `bytes` start with, quotes included, and whether it has escapes.
pub(super) fn string(bytes: &[u8]) -> Result<(usize, bool), Refusal> {
    let mut escaped = false;
    let mut at = 1;
    loop {
        let left = bytes.get(at..).unwrap_or_default();
        at += left.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f)).count();
        match bytes.get(at) {
            Some(b'"') => return Ok((at + 1, escaped)),
            Some(b'\\') => at += escape(bytes.get(at + 1..).unwrap_or_default(), at)?,
            Some(_) => return Err((at, "a control character in a string")),
            None => return Err((at, "a string without an end")),
        }
        escaped = true;
    }
}

/// The length of an escape, given what follows its backslash at `at`.
fn escape(after: &[u8], at: usize) -> Result<usize, Refusal> {
    match after {
        [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Ok(2),
        [b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) => {
            Ok(6)
        }
        _ => Err((at, "an unknown escape")),
    }
}

/// The length of the number that `bytes` start with.
pub(super) fn number(bytes: &[u8]) -> Result<usize, Refusal> {
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    let whole = digits(bytes, at)?;
    if whole > 1 && bytes.get(at) == Some(&b'0') {
        return Err((at, "a number with a leading zero"));
    }
    at += whole;
    if bytes.get(at) == Some(&b'.') {
        at += 1;
        at += digits(bytes, at)?;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1;
        at += usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
        at += digits(bytes, at)?;
    }
    Ok(at)
}

fn digits(bytes: &[u8], at: usize) -> Result<usize, Refusal> {
    let left = bytes.get(at..).unwrap_or_default();
    match left.iter().take_while(|byte| byte.is_ascii_digit()).count() {
        0 => Err((at, "a number without digits")),
        count => Ok(count),
    }
}

/// The length of the literal that `bytes` start with.
pub(super) fn literal(bytes: &[u8]) -> Result<usize, Refusal> {
    let known =
        ["true", "false", "null"].into_iter().find(|literal| bytes.starts_with(literal.as_bytes()));
    known.map(str::len).ok_or((0, "not a value"))
}

/// The number of white space bytes that `bytes` start with.
pub(super) fn white_space(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count()
}
