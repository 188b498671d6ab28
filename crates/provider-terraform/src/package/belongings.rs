//! What belongs to the description of a package.

use std::collections::HashMap;

use artifact_core::{
    Digests, Facts, FileFact, Inspection, Origin, Part, Presence, SourceDocument, Target,
};

use super::Description;
use super::sums::Sums;
use crate::document::Unreadable;
use crate::route;

/// The checksums and the signature are parts, so that no description is kept that they do not
/// vouch for, and companions, so that they are read with it.
pub(super) fn inspection(description: &Description<'_>) -> Result<Inspection, Unreadable> {
    let [sums, signature] = beside(description)?;
    let companions = [&sums, &signature]
        .map(|(target, url)| Target { origin: Origin::Elsewhere(url.clone()), ..target.clone() });
    let parts = [sums, signature].map(|(target, url)| Part {
        target,
        fact: FileFact { url, ..FileFact::default() },
        presence: Presence::BeforeServing,
    });
    let mut facts = facts(description);
    facts.files.retain(|path, _| *path == description.zip_path());
    Ok(Inspection { companions: companions.into(), parts: parts.into(), facts })
}

/// Where everything is that the description links to.
pub(super) fn facts(description: &Description<'_>) -> Facts {
    let zip = FileFact {
        url: description.zip.url.to_string(),
        digests: Digests::from_iter([description.shasum.into()]),
        ..FileFact::default()
    };
    let mut files = HashMap::from([(description.zip_path(), zip)]);
    for (target, url) in beside(description).into_iter().flatten() {
        files.insert(target.path.to_string(), FileFact { url, ..FileFact::default() });
    }
    Facts { files, ..Facts::default() }
}

/// The checksums among `documents`, all of which belong to one description.
pub(super) fn checksums_of<'d>(documents: &[SourceDocument<'d>]) -> Result<Sums<'d>, Unreadable> {
    let sums = documents.iter().find(|document| document.kind == route::SUMS);
    Sums::read(sums.ok_or(Unreadable::Other("the checksums are missing"))?.body)
}

/// The checksums and the signature with their upstream addresses.
fn beside(description: &Description<'_>) -> Result<[(Target, String); 2], Unreadable> {
    let (package, shasum) = (&description.package, description.shasum.to_hex());
    let sums = route::sums(package, &shasum, &description.sums_name());
    let signature = route::signature(package, &shasum, &description.signature_name());
    let too_long = Unreadable::Other("a file name is too long");
    let (sums, signature) = sums.zip(signature).ok_or(too_long)?;
    Ok([
        (sums, description.sums.url.to_string()),
        (signature, description.signature.url.to_string()),
    ])
}
