//! What a packument says of the tarballs it lists.

use std::collections::HashMap;

use artifact_core::{Algorithm, Digest, Digests, Facts, FileFact, Timestamp};

use super::manifest::Version;
use super::read::Packument;
use super::select::{Admits, Selection, Shown};
use crate::name::is_tarball_file;

/// The facts of every tarball that is shown, by the path that we link to and, where upstream
/// calls the file differently, by upstream's name too: lock files made against upstream have that.
pub(super) fn of(selection: &Selection<'_, '_>, admits: Admits<'_>) -> Facts {
    let published: Vec<_> =
        selection.sources.iter().map(|source| published(source.packument)).collect();
    let mut files = HashMap::with_capacity(selection.shown.len());
    let mut aliases = Vec::new();
    for shown in &selection.shown {
        let Some(source) = selection.sources.get(shown.source) else { continue };
        let Some(url) = &shown.url else { continue };
        let times = published.get(shown.source);
        let fact = FileFact {
            document: source.index,
            url: url.as_str().to_owned(),
            digests: digests(shown.version),
            size: None,
            published_at: times.and_then(|times| times.get(&*shown.version.label).copied()),
        };
        if let Some(alias) = alias(selection, shown).filter(|alias| admits(alias)) {
            aliases.push((alias, fact.clone()));
        }
        files.insert(shown.path.clone(), fact);
    }
    for (alias, fact) in aliases {
        files.entry(alias).or_insert(fact);
    }
    Facts { files, ..Facts::default() }
}

/// The path of a tarball under upstream's own name, unless that is the standard one.
fn alias(selection: &Selection<'_, '_>, shown: &Shown<'_, '_>) -> Option<String> {
    let file = shown.url.as_ref()?.path_segments()?.next_back()?;
    if !is_tarball_file(file) {
        return None;
    }
    Some(selection.name.tarball_path(file)).filter(|path| *path != shown.path)
}

fn published<'p>(packument: &'p Packument<'_>) -> HashMap<&'p str, Timestamp> {
    let moments = packument.times.iter().flatten();
    moments
        .filter_map(|moment| {
            Some((moment.of.as_ref(), Timestamp::from_rfc3339(moment.text.as_deref()?)?))
        })
        .collect()
}

/// The digests of a version's tarball. What cannot be read is left out.
fn digests(version: &Version<'_>) -> Digests {
    let mut digests = integrity(version.integrity.as_deref().unwrap_or_default());
    let shasum = version.shasum.as_deref();
    if let Some(sha1) = shasum.and_then(|sum| Digest::from_hex(Algorithm::Sha1, sum).ok())
        && digests.get(Algorithm::Sha1).is_none()
    {
        digests.insert(sha1);
    }
    digests
}

/// Reads Subresource Integrity metadata. Several digests of one algorithm are alternatives, which
/// nothing can be verified against; that algorithm is then left out.
fn integrity(metadata: &str) -> Digests {
    let all: Vec<Digest> = metadata.split_ascii_whitespace().filter_map(digest).collect();
    let is_sole = |digest: &&Digest| {
        all.iter().all(|other| other.algorithm() != digest.algorithm() || other == *digest)
    };
    all.iter().filter(is_sole).cloned().collect()
}

fn digest(expression: &str) -> Option<Digest> {
    let (algorithm, rest) = expression.split_once('-')?;
    let value = rest.split('?').next()?;
    Digest::from_base64(algorithm.parse().ok()?, value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integrity_is_read_as_browsers_do() {
        let sha1 = "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=";
        let other = "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBww=";
        assert_eq!(
            integrity(&format!("{sha1}?x sha384-AAAA md9-A"))
                .get(Algorithm::Sha1)
                .unwrap()
                .to_hex(),
            "da39a3ee5e6b4b0d3255bfef95601890afd80709"
        );
        assert!(integrity(&format!("{sha1} {sha1}")).get(Algorithm::Sha1).is_some());
        assert!(integrity(&format!("{sha1} {other}")).is_empty());
        for bad in ["", "sha512", "sha512-", "sha512-!!", "sha1-AAAA", "-"] {
            assert!(integrity(bad).is_empty(), "{bad}");
        }
    }
}
