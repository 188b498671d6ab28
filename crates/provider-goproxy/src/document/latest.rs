//! What is known of a latest version.

use std::borrow::Cow;

use artifact_core::{DocumentError, SourceDocument};
use bytes::Bytes;
use formats::json::Reader;
use formats::version::GoVersion;

use super::{Admits, Unreadable, is_admitted, text_of};

/// The description of a version.
#[derive(Debug)]
pub(super) struct Latest<'t> {
    version: Cow<'t, str>,
}

/// How much a version counts as the latest one: releases before pre-releases before commits, of which the
/// newest counts.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
enum Rank<'t> {
    Commit(&'t str, GoVersion<'t>),
    PreRelease(GoVersion<'t>),
    Release(GoVersion<'t>),
}

impl<'t> Latest<'t> {
    pub(super) fn read(text: &'t str) -> Result<Self, Unreadable> {
        let mut version = None;
        let mut reader = Reader::new(text);
        reader.object(|key, value| {
            // As Go reads it: whatever the case, and the last one counts.
            if key.decoded().eq_ignore_ascii_case("version") {
                version = Some(value.string()?.decoded());
            }
            Ok::<(), Unreadable>(())
        })?;
        reader.finish()?;
        let version = version.filter(|version| GoVersion::parse(version).is_some());
        version.map(|version| Self { version }).ok_or(Unreadable::Version)
    }

    fn rank(&self) -> Option<Rank<'_>> {
        let version = GoVersion::parse(&self.version)?;
        Some(match version.pseudo_time() {
            Some(time) => Rank::Commit(time, version),
            None if version.is_release() => Rank::Release(version),
            None => Rank::PreRelease(version),
        })
    }
}

/// The document that describes the latest of all versions, as it is; of equal ones the first.
pub(super) fn rewrite(
    documents: &[SourceDocument<'_>],
    admits: Admits<'_>,
) -> Result<Bytes, DocumentError> {
    let mut best: Option<(Latest<'_>, &Bytes)> = None;
    for document in documents {
        let latest = Latest::read(text_of(document)?)?;
        let is_better = best.as_ref().is_none_or(|(best, _)| latest.rank() > best.rank());
        if is_better && is_admitted(document, &latest.version, admits) {
            best = Some((latest, document.body));
        }
    }
    best.map(|(_, body)| body.clone()).ok_or(DocumentError::AllDenied)
}
