//! The text of an index: records of lines, each line a letter, a colon and a value, a blank line
//! behind each record.

use artifact_core::DocumentError;

use crate::layout::PACKAGE;

/// Ten times what the largest distribution has for one architecture.
const MOST_RECORDS: usize = 250_000;
/// What file systems and paths of ours have room for.
const LONGEST_NAME: usize = 255;

/// What an index says of one package.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Record<'a> {
    /// All its lines, the last one with its end.
    pub(super) text: &'a [u8],
    /// The architecture, which clients make the URL of.
    pub(super) architecture: Option<&'a str>,
    /// The size of the package in bytes.
    pub(super) size: Option<u64>,
    name: &'a str,
    version: &'a str,
}

impl Record<'_> {
    /// The name of the package's file.
    pub(super) fn file_name(&self) -> String {
        format!("{}-{}{PACKAGE}", self.name, self.version)
    }
}

/// The records of an index, in their order, up to the first that cannot be read.
pub(super) fn records(text: &[u8]) -> impl Iterator<Item = Result<Record<'_>, DocumentError>> {
    let mut rest = text;
    let mut count = 0;
    std::iter::from_fn(move || {
        let block = next_block(&mut rest)?;
        count += 1;
        let read = if count > MOST_RECORDS {
            Err(format!("it lists more than {MOST_RECORDS} packages"))
        } else {
            read(block).map_err(|reason| format!("its package number {count} {reason}"))
        };
        if read.is_err() {
            rest = &[];
        }
        Some(read.map_err(|reason| {
            DocumentError::Malformed(format!("the index is unreadable: {reason}"))
        }))
    })
}

/// The next lines before a blank one.
fn next_block<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    while let Some(after) = rest.strip_prefix(b"\n") {
        *rest = after;
    }
    if rest.is_empty() {
        return None;
    }
    let mut end = 0;
    for line in rest.split_inclusive(|byte| *byte == b'\n') {
        if line == b"\n" {
            break;
        }
        end += line.len();
    }
    let (block, after) = rest.split_at(end);
    *rest = after;
    Some(block)
}

fn read(block: &[u8]) -> Result<Record<'_>, &'static str> {
    let (mut name, mut version, mut architecture, mut size) = (None, None, None, None);
    for line in block.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let [letter, b':', value @ ..] = line else { return Err("has a line without a letter") };
        let field = match letter {
            b'P' => &mut name,
            b'V' => &mut version,
            b'A' => &mut architecture,
            b'S' => &mut size,
            _ => continue,
        };
        // Which of two would count depends on who reads.
        if field.replace(value).is_some() {
            return Err("says something twice");
        }
    }
    Ok(Record {
        text: block,
        name: clean(name.ok_or("has no name")?)?,
        version: clean(version.ok_or("has no version")?)?,
        architecture: architecture.map(clean).transpose()?,
        size: size.and_then(number),
    })
}

/// A part of a path that stays within its directory, and one line.
fn clean(value: &[u8]) -> Result<&str, &'static str> {
    const UNCLEAN: &str = "has a name, version or architecture that cannot be part of a path";
    let text = std::str::from_utf8(value).map_err(|_| UNCLEAN)?;
    let is_unclean = |c: char| c == '/' || c == '\\' || c.is_control() || c.is_whitespace();
    let is_clean = !text.is_empty()
        && text.len() <= LONGEST_NAME
        && text != "."
        && text != ".."
        && !text.contains(is_unclean);
    if is_clean { Ok(text) } else { Err(UNCLEAN) }
}

/// Zero stands for a size that nobody knew.
fn number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok().filter(|size| *size > 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(text: &str) -> Result<Vec<Record<'_>>, DocumentError> {
        records(text.as_bytes()).collect()
    }

    #[test]
    fn records_are_given_with_their_very_text() {
        let text = "C:Q1abc=\nP:a\nV:1.0-r0\nA:x86_64\nS:12\nT:it: has colons\n\n\nP:b\nV:2\n";
        let found = all(text).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].file_name(), "a-1.0-r0.apk");
        assert_eq!((found[0].architecture, found[0].size), (Some("x86_64"), Some(12)));
        assert!(found[0].text.starts_with(b"C:") && found[0].text.ends_with(b"colons\n"));
        assert_eq!(found[1].text, b"P:b\nV:2\n");
        assert_eq!((found[1].architecture, found[1].size), (None, None));
        assert_eq!(all("").unwrap(), []);
        assert_eq!(all("\n\n").unwrap(), []);
    }

    #[test]
    fn what_no_client_could_read_is_refused() {
        for (text, reason) in [
            ("P:a\n", "has no version"),
            ("V:1\n", "has no name"),
            ("P:a\nV:1\nno letter\n", "has a line without a letter"),
            ("P:a\nP:b\nV:1\n", "says something twice"),
            ("P:..\nV:1\n", "cannot be part of a path"),
            ("P:../../etc\nV:1\n", "cannot be part of a path"),
            ("P:a\nV:1/2\n", "cannot be part of a path"),
            ("P:a\nV:1\nA:..\n", "cannot be part of a path"),
            ("P:a b\nV:1\n", "cannot be part of a path"),
            ("P:a\nV:\n", "cannot be part of a path"),
            ("P:a\nV:1\r\n", "cannot be part of a path"),
        ] {
            let error = all(text).unwrap_err();
            assert!(error.to_string().contains(reason), "{text:?}: {error}");
        }
        let many = "P:a\nV:1\n\n".repeat(MOST_RECORDS + 1);
        assert!(all(&many).unwrap_err().to_string().contains("more than 250000 packages"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "([PVAST]:[a-z0-9./]{0,4}\n|\n|x){0,20}") {
            if let Ok(found) = all(&text) {
                let lines = |text: &[u8]| text.split(|b| *b == b'\n').filter(|l| !l.is_empty()).count();
                let read: usize = found.iter().map(|record| lines(record.text)).sum();
                prop_assert_eq!(read, lines(text.as_bytes()));
            }
        }
    }
}
