//! Cursors: positions that look like nothing, so that nobody builds on their inside.

use std::fmt::Write;

use crate::Problem;

/// An opaque, URL-safe cursor for a position.
pub fn encode_cursor(position: &str) -> String {
    position.bytes().fold(String::with_capacity(position.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The position behind a cursor; a 400 for a text that we did not make.
pub fn decode_cursor(cursor: &str) -> Result<String, Problem> {
    decode(cursor).ok_or_else(|| Problem::bad_request("the cursor is not one of this server"))
}

fn decode(cursor: &str) -> Option<String> {
    let nibbles: Option<Vec<u8>> =
        cursor.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let bytes: Option<Vec<u8>> = nibbles?
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(high << 4 | low),
            _ => None,
        })
        .collect();
    String::from_utf8(bytes?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_position() {
        for position in ["", "a/b c", "grüße/\u{1f980}"] {
            assert_eq!(decode_cursor(&encode_cursor(position)).as_deref(), Ok(position));
        }
    }

    #[test]
    fn a_text_that_is_no_cursor_is_a_bad_request() {
        for text in ["6", "zz", "ff", "é"] {
            assert_eq!(decode_cursor(text).map_err(|problem| problem.status), Err(400), "{text}");
        }
    }
}
