//! The provider registry protocol.

use artifact_core::{Class, Origin, Target};

use super::{
    ARCHIVES, DOWNLOAD, Document, MIRROR, REGISTRY, SIGNATURE, SUMS, VERSIONS, discovered, file,
    owned,
};
use crate::name::{Package, Platform, ProviderName, Release, is_file_name};
use artifact_core::{BlobId, Variant};

/// What follows the name of a provider.
pub(super) fn target(namespace: &str, kind: &str, rest: &[&str]) -> Option<Target> {
    let name = ProviderName::parse(namespace, kind)?;
    let (version, rest) = match rest {
        ["versions"] => return versions(&name, REGISTRY),
        [version, rest @ ..] => (version, rest),
        [] => return None,
    };
    let release = name.release(version)?;
    let (what, os, arch, rest) = match rest {
        ["archives"] => return archives(&release),
        [what, os, arch, rest @ ..] => (*what, os, arch, rest),
        _ => return None,
    };
    let package = release.package(Platform::parse(os, arch)?);
    let target = match (what, rest) {
        ("download", []) => download(&package),
        ("package", [filename]) => zip(&package, filename),
        ("sums", [shasum, filename]) => sums(&package, shasum, filename),
        ("signature", [shasum, filename]) => signature(&package, shasum, filename),
        _ => None,
    };
    owned(target, versions(&name, REGISTRY), packages(&release))
}

pub(super) fn versions(name: &ProviderName, variant: Variant) -> Option<Target> {
    let document = Document { kind: VERSIONS, variant, class: Class::Mutable };
    discovered(document, &name.versions_path(), name.full())
}

/// The packages of a release for all platforms.
pub(super) fn archives(release: &Release) -> Option<Target> {
    owned(packages(release), versions(&release.provider, REGISTRY), packages(release))
}

/// The same, wherever it comes from. Which platform's document stands for all is what the list of
/// versions says, so that whoever has this has the version.
fn packages(release: &Release) -> Option<Target> {
    let document = Document { kind: ARCHIVES, variant: MIRROR, class: Class::Immutable };
    let origin = Origin::listed(versions(&release.provider, REGISTRY)?);
    document.at(&release.archives_path(), origin, Some(release.provider.full()))
}

fn download(package: &Package) -> Option<Target> {
    let document = Document { kind: DOWNLOAD, variant: REGISTRY, class: Class::Immutable };
    discovered(document, &package.download_path(), package.release.provider.full())
}

fn zip(package: &Package, filename: &str) -> Option<Target> {
    let name = package.release.provider.full();
    let path = package.zip_path(filename);
    file(&path, download(package)?, name, Some("application/zip"))
}

/// The checksums of the version of a package. Their path has the digest of the package, so that
/// checksums that were fetched with one description of it are never used with another.
pub(crate) fn sums(package: &Package, shasum: &str, filename: &str) -> Option<Target> {
    let path = package.sums_path(shasum, filename);
    beside(package, Document { kind: SUMS, variant: REGISTRY, class: Class::Immutable }, &path)
        .filter(|_| is_digest(shasum) && is_file_name(filename))
}

/// The signature of the checksums.
pub(crate) fn signature(package: &Package, shasum: &str, filename: &str) -> Option<Target> {
    let path = package.signature_path(shasum, filename);
    beside(package, Document { kind: SIGNATURE, variant: REGISTRY, class: Class::Immutable }, &path)
        .filter(|_| is_digest(shasum) && is_file_name(filename))
}

fn beside(package: &Package, document: Document, path: &str) -> Option<Target> {
    let origin = Origin::listed(download(package)?);
    document.at(path, origin, Some(package.release.provider.full()))
}

/// One spelling: lower case.
fn is_digest(text: &str) -> bool {
    text.parse::<BlobId>().is_ok_and(|digest| digest.to_hex() == text)
}
