//! What an index says of the files that it lists.

use artifact_core::{Facts, FileFact, Timestamp};

use super::link::{File, Link};
use super::unite::{Selection, Shown};
use crate::layout::PROVENANCE;

/// The facts of every chart and of the provenance beside it, by their paths below the repository
/// that has them; where several have one, those of the first.
pub(super) fn of(selection: &Selection<'_>) -> Facts {
    let mut facts = Facts::default();
    for (position, _) in selection.sources.iter().enumerate() {
        for shown in selection.charts.values().flatten().filter(|shown| shown.source == position) {
            for link in &shown.links {
                if let Link::File(file) = link {
                    add(&mut facts, shown, file);
                }
            }
        }
    }
    facts
}

fn add(facts: &mut Facts, shown: &Shown<'_>, file: &File) {
    let path = file.path.as_str();
    let provenance = FileFact {
        document: shown.source,
        url: file.provenance_url().into(),
        ..FileFact::default()
    };
    facts.files.entry(format!("{path}{PROVENANCE}")).or_insert(provenance);
    let chart = FileFact {
        document: shown.source,
        url: file.url.as_str().to_owned(),
        digests: shown.version.digest.iter().cloned().collect(),
        size: None,
        published_at: shown.version.created.as_deref().and_then(published),
    };
    facts.files.entry(path.to_owned()).or_insert(chart);
}

/// The moment of publication, unless it is the one that Go writes for "never".
fn published(created: &str) -> Option<Timestamp> {
    Timestamp::from_rfc3339(created).filter(|moment| *moment > Timestamp::EPOCH)
}
