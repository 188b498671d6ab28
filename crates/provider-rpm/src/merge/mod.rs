//! Making one set of index files of several, or of one that leads to other hosts.
//!
//! Everything is copied as a stream: the list of packages is read twice, once to decide which
//! packages there will be and once to write them, the other lists are read once. What stays in memory is
//! a few hundred bytes for each package.

mod advisories;
mod catalogue;
mod groups;
mod lists;
mod modules;
mod packages;
mod part;
mod sources;

use artifact_core::{AssemblyContext, AssemblyError, DocumentError, Generation, Output, Signer};

use self::catalogue::Catalogue;
use self::part::Parts;
use self::sources::Sources;
use crate::repomd;
use crate::route::{INDEX, REPODATA};

/// Makes the set that `generations` are together, the earlier ones having precedence.
pub(crate) fn assemble(
    generations: &mut [Box<dyn Generation>],
    context: &AssemblyContext<'_>,
    output: &mut dyn Output,
) -> Result<(), AssemblyError> {
    let signer = context.signer.ok_or_else(|| {
        DocumentError::Unsigned("this installation has no key to sign an index with".to_owned())
    })?;
    let mut sources = Sources::read(generations, context)?;
    let root = sources.root().to_owned();
    let catalogue = Catalogue::of(&mut sources)?;
    let mut parts = Parts::new(&root, output);
    packages::write(&mut sources, &catalogue, &mut parts)?;
    drop(catalogue);
    groups::write(&mut sources, &mut parts)?;
    advisories::write(&mut sources, &mut parts)?;
    modules::write(&mut sources, &mut parts)?;
    let index = repomd::write(&parts.made, context.changed_at.as_seconds());
    publish(index.as_bytes(), signer, context, &mut parts)
}

/// Signs the index and stores it, itself last.
fn publish(
    index: &[u8],
    signer: &dyn Signer,
    context: &AssemblyContext<'_>,
    parts: &mut Parts<'_>,
) -> Result<(), AssemblyError> {
    let signature = signer.sign_openpgp_armored(index, context.changed_at)?;
    let key = signer.public_keys()?.openpgp_armored;
    let path = |suffix: &str| format!("{REPODATA}/{INDEX}{suffix}");
    parts.fixed(&path(".asc"), "application/pgp-signature", &signature)?;
    parts.fixed(&path(".key"), "application/pgp-keys", &key)?;
    parts.fixed(&path(""), "application/xml", index)
}
