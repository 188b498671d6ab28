use artifact_core::{Digests, Facts, FileFact, Timestamp};
use url::Url;

use super::{CoreMetadata, FileRow, Page};
use crate::filename::Sidecar;
use crate::route::file_path;

/// What a page says of its files and of what lies beside them. A file that is listed under the
/// name of a sidecar is that file.
pub(crate) fn facts(page: &Page) -> Facts {
    let mut facts = Facts::default();
    for file in &page.files {
        facts.files.insert(file_path(&page.project, &file.filename), file_fact(file));
    }
    for file in &page.files {
        for sidecar in Sidecar::ALL {
            let Some(fact) = sidecar_fact(file, sidecar) else { continue };
            let filename = format!("{}{}", file.filename, sidecar.suffix());
            facts.files.entry(file_path(&page.project, &filename)).or_insert(fact);
        }
    }
    facts
}

fn file_fact(file: &FileRow) -> FileFact {
    FileFact {
        document: file.document,
        url: file.url.to_string(),
        digests: file.hashes.digests(),
        size: file.size,
        published_at: published_at(file),
    }
}

fn sidecar_fact(file: &FileRow, sidecar: Sidecar) -> Option<FileFact> {
    let (url, digests) = match sidecar {
        Sidecar::Metadata => {
            let digests = match file.core_metadata.as_ref()? {
                CoreMetadata::No => return None,
                CoreMetadata::Yes => Digests::new(),
                CoreMetadata::Hashed(hashes) => hashes.digests(),
            };
            (beside(&file.url, sidecar), digests)
        }
        Sidecar::Provenance => (file.provenance.clone()?, Digests::new()),
        Sidecar::Signature if file.gpg_sig == Some(true) => {
            (beside(&file.url, sidecar), Digests::new())
        }
        Sidecar::Signature => return None,
    };
    Some(FileFact {
        document: file.document,
        url: url.to_string(),
        digests,
        size: None,
        // A sidecar is as old as its file, so that one rule about age judges both alike.
        published_at: published_at(file),
    })
}

/// The URL of a sidecar: the suffix belongs to the path, in front of a signed URL's query.
fn beside(url: &Url, sidecar: Sidecar) -> Url {
    let mut beside = url.clone();
    beside.set_path(&format!("{}{}", url.path(), sidecar.suffix()));
    beside
}

fn published_at(file: &FileRow) -> Option<Timestamp> {
    file.upload_time.as_deref().and_then(Timestamp::from_rfc3339)
}
