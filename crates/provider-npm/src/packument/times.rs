//! `time`, when it cannot stay as it is.

use std::collections::HashSet;

use artifact_core::Timestamp;

use super::read::{Moment, Packument};
use super::select::Selection;

const MODIFIED: &str = "modified";

/// The members of the new `time`, keys and values as they were written.
#[derive(Debug)]
pub(super) struct Times<'t> {
    pub(super) members: Vec<(&'t str, &'t str)>,
}

impl<'t> Times<'t> {
    /// The moments of what is shown, each from the document that the version is shown from;
    /// `None` when no document knows any.
    pub(super) fn of(selection: &Selection<'_, 't>) -> Option<Self> {
        let knows_any = selection.sources.iter().any(|source| source.packument.times.is_some());
        if !knows_any {
            return None;
        }
        let mut members = Vec::with_capacity(selection.shown.len() + 2);
        let mut seen = HashSet::new();
        for (index, source) in selection.sources.iter().enumerate() {
            let packument = source.packument;
            for moment in packument.times.iter().flatten() {
                if !is_shown(moment, index, selection) || !seen.insert(moment.of.as_ref()) {
                    continue;
                }
                let value = if moment.of == MODIFIED {
                    modified(selection)
                } else {
                    Some(moment.value.of(packument.text))
                };
                let key = moment.key.of(packument.text);
                members.extend(value.map(|value| (key, value)));
            }
        }
        Some(Self { members })
    }
}

fn is_shown(moment: &Moment<'_>, source: usize, selection: &Selection<'_, '_>) -> bool {
    let label = moment.of.as_ref();
    match selection.by_label.get(label).and_then(|at| selection.shown.get(*at)) {
        Some(shown) => shown.source == source,
        None => !selection.hidden.contains_key(label),
    }
}

/// The latest `modified` of all documents, as it was written.
pub(super) fn modified<'t>(selection: &Selection<'_, 't>) -> Option<&'t str> {
    let mut latest: Option<(Option<Timestamp>, &str)> = None;
    for source in &selection.sources {
        let Some(moment) = moment_of_change(source.packument) else { continue };
        let at = moment.text.as_deref().and_then(Timestamp::from_rfc3339);
        if latest.is_none_or(|(known, _)| at > known) {
            latest = Some((at, moment.value.of(source.packument.text)));
        }
    }
    latest.map(|(_, written)| written)
}

fn moment_of_change<'p, 't>(packument: &'p Packument<'t>) -> Option<&'p Moment<'t>> {
    packument.times.iter().flatten().find(|moment| moment.of == MODIFIED)
}
