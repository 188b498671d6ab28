//! The module registry protocol.

use artifact_core::{Class, Target};

use super::{Document, MODULE_DOWNLOAD, MODULE_VERSIONS, REGISTRY, discovered, file, owned};
use crate::name::{ModuleName, ModuleRelease};

/// What follows the name of a module.
pub(super) fn target([namespace, name, system]: [&str; 3], rest: &[&str]) -> Option<Target> {
    let name = ModuleName::parse(namespace, name, system)?;
    let (version, rest) = match rest {
        ["versions"] => return versions(&name),
        [version, rest @ ..] => (version, rest),
        [] => return None,
    };
    let release = name.release(version)?;
    let target = match rest {
        ["download"] => download(&release),
        ["archive", filename] => archive(&release, filename),
        _ => None,
    };
    owned(target, versions(&name), download(&release))
}

fn versions(name: &ModuleName) -> Option<Target> {
    let document = Document { kind: MODULE_VERSIONS, variant: REGISTRY, class: Class::Mutable };
    discovered(document, &name.versions_path(), name.full())
}

fn download(release: &ModuleRelease) -> Option<Target> {
    let document = Document { kind: MODULE_DOWNLOAD, variant: REGISTRY, class: Class::Immutable };
    discovered(document, &release.download_path(), release.module.full())
}

fn archive(release: &ModuleRelease, filename: &str) -> Option<Target> {
    let path = release.archive_path(filename);
    file(&path, download(release)?, release.module.full(), None)
}
