//! Module streams: YAML documents one after the other, of which each is taken once.
//!
//! They are told apart by their keys alone, line by line, and copied as they are: what is in them
//! is for the installers, which judge every document for itself.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};

use artifact_core::AssemblyError;
use ring::digest::{SHA256, digest};

use super::part::Parts;
use super::sources::Sources;
use crate::failure::{in_reading, malformed};

const WHAT: &str = "the list of modules";
const KIND: [&str; 1] = ["modules"];
/// The most bytes of one document.
const MAX_DOCUMENT: usize = 16 << 20;
/// The most documents.
const MAX_DOCUMENTS: usize = 200_000;

pub(super) fn write(sources: &mut Sources<'_>, parts: &mut Parts<'_>) -> Result<(), AssemblyError> {
    let mut streams = Vec::new();
    for position in 0..sources.count() {
        streams.extend(sources.open(position, &KIND)?);
    }
    if streams.is_empty() {
        return Ok(());
    }
    let mut streams = Some(streams);
    parts.compressed("modules", "modules.yaml.gz", &mut |out| {
        let mut known = HashSet::new();
        for stream in streams.take().unwrap_or_default() {
            copy(stream, &mut known, out)?;
        }
        Ok(())
    })
}

/// Stands for what a document speaks of.
type Key = [u8; 32];

fn hashed(key: &str) -> Key {
    let mut hashed = [0; 32];
    hashed.copy_from_slice(digest(&SHA256, key.as_bytes()).as_ref());
    hashed
}

/// Copies the documents that are not known yet.
fn copy(
    stream: impl Read,
    known: &mut HashSet<Key>,
    out: &mut dyn Write,
) -> Result<(), AssemblyError> {
    let mut lines = BufReader::new(stream);
    loop {
        let (document, is_last) = next_document(&mut lines)?;
        let is_content = document.lines().any(|line| {
            let line = line.trim();
            !line.is_empty() && !line.starts_with(['#', '%'])
        });
        if is_content && known.insert(hashed(&key(&document))) {
            if known.len() > MAX_DOCUMENTS {
                return Err(malformed(WHAT, "too many documents").into());
            }
            for piece in ["---\n", &document, "...\n"] {
                out.write_all(piece.as_bytes())?;
            }
        }
        if is_last {
            return Ok(());
        }
    }
}

/// The lines up to the next mark between documents, and whether the stream ends there. What is on
/// the line of a mark belongs to the document that it begins.
fn next_document(lines: &mut impl BufRead) -> Result<(String, bool), AssemblyError> {
    let mut document = String::new();
    loop {
        let room = MAX_DOCUMENT.saturating_sub(document.len()) as u64 + 1;
        let mut line = Vec::new();
        let read = lines.by_ref().take(room).read_until(b'\n', &mut line);
        read.map_err(|error| in_reading(WHAT, error))?;
        if document.len() + line.len() > MAX_DOCUMENT {
            return Err(malformed(WHAT, "a document that is too large").into());
        }
        let line = std::str::from_utf8(&line).map_err(|_| malformed(WHAT, "not UTF-8"))?;
        if line.is_empty() {
            return Ok((document, true));
        }
        let is_mark =
            |mark: &str| line.strip_prefix(mark).is_some_and(|rest| rest.trim_end().is_empty());
        if is_mark("---") || is_mark("...") {
            return Ok((document, false));
        }
        if line.starts_with("--- ") || line.starts_with("... ") {
            return Err(malformed(WHAT, "a document that begins on the line of its mark").into());
        }
        // Directives count for one document of one stream, and would be in the middle here.
        if line.starts_with('%') {
            continue;
        }
        document.push_str(line);
        if !line.ends_with('\n') {
            document.push('\n');
        }
    }
}

/// What makes a document the same as another: its kind and what it speaks of. Defaults belong to a
/// module, everything else to one build of a stream.
fn key(document: &str) -> String {
    let kind = value(document, "document:").unwrap_or_default();
    let names: &[&str] = match kind {
        "modulemd-defaults" => &["module:"],
        "modulemd" | "modulemd-stream" => &["name:", "stream:", "version:", "context:", "arch:"],
        "modulemd-packager" => &["name:", "stream:"],
        _ => return document.to_owned(),
    };
    let data = document.split_once("\ndata:\n").map(|(_, data)| data).unwrap_or_default();
    let first = names.first().and_then(|name| field(data, name));
    if first.is_none() {
        return document.to_owned();
    }
    let values = names.iter().map(|name| field(data, name).unwrap_or_default());
    values.fold(kind.to_owned(), |key, value| format!("{key}\n{value}"))
}

fn value<'d>(text: &'d str, name: &str) -> Option<&'d str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(unquoted)
}

/// A field of the mapping `data`, which is indented by as much as its first line.
fn field<'d>(data: &'d str, name: &str) -> Option<&'d str> {
    let first = data.lines().find(|line| !line.trim().is_empty())?;
    let indent = first.len() - first.trim_start_matches(' ').len();
    let inside = data.lines().take_while(|line| line.is_empty() || line.starts_with(' '));
    let mut fields = inside.filter_map(|line| line.get(indent..));
    fields.find_map(|line| line.strip_prefix(name)).map(unquoted)
}

fn unquoted(value: &str) -> &str {
    value.trim().trim_matches(['"', '\''])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(members: &[&str]) -> Result<String, AssemblyError> {
        let mut known = HashSet::new();
        let mut out = Vec::new();
        for member in members {
            copy(member.as_bytes(), &mut known, &mut out)?;
        }
        Ok(String::from_utf8(out).unwrap())
    }

    const STREAM: &str = "document: modulemd\nversion: 2\ndata:\n  name: nginx\n  stream: \"1.20\"\n  \
                          version: 1\n  context: c\n  arch: x86_64\n  summary: >-\n    --- no mark\n";
    const DEFAULTS: &str =
        "document: modulemd-defaults\nversion: 1\ndata:\n  module: nginx\n  stream: \"1.20\"\n";

    #[test]
    fn each_document_is_taken_once() {
        let one = format!("%YAML 1.2\n---\n{STREAM}...\n---\n{DEFAULTS}...\n");
        let other_defaults = DEFAULTS.replace("1.20", "1.22");
        let same = STREAM.replace("\"1.20\"", "'1.20'").replace("no mark", "later text");
        let newer = STREAM.replace("version: 1\n", "version: 2\n");
        let two = format!("---\n{other_defaults}---\n{same}\n---\n{newer}");
        let text = merged(&[&one, &two]).unwrap();
        assert_eq!(text, format!("---\n{STREAM}...\n---\n{DEFAULTS}...\n---\n{newer}...\n"));
        assert_eq!(merged(&[&text]).unwrap(), text, "a merge of one is itself");
    }

    #[test]
    fn what_is_not_understood_is_kept_unless_it_is_the_same() {
        let text = merged(&["---\na: 1\n---\nb: 1\n", "a: 1\n"]).unwrap();
        assert_eq!(text, "---\na: 1\n...\n---\nb: 1\n...\n");
    }

    #[test]
    fn hostile_streams_are_refused() {
        assert!(merged(&[&"x".repeat(MAX_DOCUMENT + 2)]).is_err());
        assert!(merged(&["--- a: 1\n"]).is_err());
        let mut out = Vec::new();
        assert!(copy(&b"\xff\n"[..], &mut HashSet::new(), &mut out).is_err());
    }
}
