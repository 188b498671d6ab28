//! Lists of versions: one a line, of which only the first word counts.

use std::collections::BTreeSet;

use artifact_core::{DocumentError, SourceDocument};
use bytes::Bytes;
use formats::version::GoVersion;

use super::{Admits, Unreadable, is_admitted, text_of};

/// Makes sure that `go` would see at least one of the lines, if there are any.
pub(super) fn check(text: &str) -> Result<(), Unreadable> {
    let is_empty = text.trim().is_empty();
    if is_empty || text.lines().any(|line| version_of(line).is_some()) {
        Ok(())
    } else {
        Err(Unreadable::Versionless)
    }
}

pub(super) fn rewrite(
    documents: &[SourceDocument<'_>],
    admits: Admits<'_>,
) -> Result<Bytes, DocumentError> {
    let texts = documents.iter().map(text_of).collect::<Result<Vec<_>, _>>()?;
    for text in &texts {
        check(text)?;
    }
    match (documents, texts.as_slice()) {
        ([document], [text]) => filtered(document, text, admits),
        _ => united(documents, &texts, admits),
    }
}

/// The lines of one list as they are, without those of refused versions.
fn filtered(
    document: &SourceDocument<'_>,
    text: &str,
    admits: Admits<'_>,
) -> Result<Bytes, DocumentError> {
    let is_shown = |line: &&str| {
        version_of(line).is_none_or(|(_, version)| is_admitted(document, version, admits))
    };
    let lines = || text.split_inclusive('\n');
    let shown: String = lines().filter(is_shown).collect();
    if shown.len() == text.len() {
        return Ok(document.body.clone());
    }
    let has_version = shown.lines().any(|line| version_of(line).is_some());
    if has_version { Ok(shown.into()) } else { Err(DocumentError::AllDenied) }
}

/// The versions of all lists, oldest first.
fn united(
    documents: &[SourceDocument<'_>],
    texts: &[&str],
    admits: Admits<'_>,
) -> Result<Bytes, DocumentError> {
    let mut versions = BTreeSet::new();
    let mut denied = false;
    for (document, text) in documents.iter().zip(texts) {
        for (version, label) in text.lines().filter_map(version_of) {
            if versions.contains(&(version, label)) {
                continue;
            }
            if is_admitted(document, label, admits) {
                versions.insert((version, label));
            } else {
                denied = true;
            }
        }
    }
    if versions.is_empty() && denied {
        return Err(DocumentError::AllDenied);
    }
    Ok(versions.into_iter().flat_map(|(_, label)| [label, "\n"]).collect::<String>().into())
}

/// The version that a line names, and how it is written.
fn version_of(line: &str) -> Option<(GoVersion<'_>, &str)> {
    let label = line.split_whitespace().next()?;
    Some((GoVersion::parse(label)?, label))
}
