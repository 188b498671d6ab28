//! Where repositories hang: the one place that builds a repository's address.

use artifact_core::{MountPoint, RepositoryKind};

/// The root of a registry.
pub const REGISTRY_ROOT: &str = "/v2";

/// What the first segments of a path say of the repository that it addresses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mount {
    /// Its kind, below `/api/v1`.
    Package(RepositoryKind),
    /// Nothing but its mount point: below `/v2`, whatever its kind.
    Registry,
    /// Nothing at all: the client's host stands for the repository, whose name it never sees.
    Root,
}

impl Mount {
    /// The mount point.
    pub const fn point(self) -> MountPoint {
        match self {
            Self::Package(_) => MountPoint::Package,
            Self::Registry | Self::Root => MountPoint::Registry,
        }
    }

    /// Whether a repository of that kind, mounted at that point, can be addressed in this way.
    pub fn addresses(self, point: MountPoint, kind: RepositoryKind) -> bool {
        match self {
            Self::Package(addressed) => point == MountPoint::Package && addressed == kind,
            Self::Registry | Self::Root => point == MountPoint::Registry,
        }
    }
}

/// The path of a repository below our origin, without a trailing slash.
pub fn mount_path(point: MountPoint, kind: RepositoryKind, name: &str) -> String {
    match point {
        MountPoint::Package => format!("/api/v1/{kind}/{name}"),
        MountPoint::Registry => format!("{REGISTRY_ROOT}/{name}"),
    }
}

/// The URL of a repository under `origin`, without a trailing slash.
pub fn mount_url(origin: &str, point: MountPoint, kind: RepositoryKind, name: &str) -> String {
    format!("{}{}", origin.trim_end_matches('/'), mount_path(point, kind, name))
}

/// Splits a request path into mount, repository name and the still encoded rest without its
/// leading slash; `None` for a path that addresses no repository.
pub fn parse_mount(path: &str) -> Option<(Mount, &str, &str)> {
    if let Some(rest) = path.strip_prefix("/v2/") {
        // What begins with an underscore is about the registry as a whole.
        let (name, rest) = rest.split_once('/').unwrap_or((rest, ""));
        let is_name = !name.is_empty() && !name.starts_with('_');
        return is_name.then_some((Mount::Registry, name, rest));
    }
    let (kind, rest) = path.strip_prefix("/api/v1/")?.split_once('/')?;
    let kind = RepositoryKind::ALL.into_iter().find(|candidate| candidate.name() == kind)?;
    let (name, rest) = rest.split_once('/').unwrap_or((rest, ""));
    (!name.is_empty()).then_some((Mount::Package(kind), name, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_path_parses_back() {
        for kind in RepositoryKind::ALL {
            let path = format!("{}/a/b%2Fc", mount_path(MountPoint::Package, kind, "name"));
            assert_eq!(parse_mount(&path), Some((Mount::Package(kind), "name", "a/b%2Fc")));
            let path = format!("{}/a/b", mount_path(MountPoint::Registry, kind, "name"));
            assert_eq!(parse_mount(&path), Some((Mount::Registry, "name", "a/b")));
        }
        let remote = Mount::Package(RepositoryKind::Remote);
        assert_eq!(parse_mount("/api/v1/remote/name"), Some((remote, "name", "")));
        assert_eq!(parse_mount("/v2/name"), Some((Mount::Registry, "name", "")));
    }

    #[test]
    fn other_paths_address_no_repository() {
        for path in [
            "/",
            "/api/v1/remote",
            "/api/v1/remote/",
            "/api/v1/other/n/x",
            "/api/v2/remotes",
            "/v2",
            "/v2/",
            "/v2//x",
            "/v2/_catalog",
        ] {
            assert_eq!(parse_mount(path), None, "{path}");
        }
    }

    #[test]
    fn a_repository_is_found_only_where_its_type_is_mounted() {
        let remote = Mount::Package(RepositoryKind::Remote);
        assert!(remote.addresses(MountPoint::Package, RepositoryKind::Remote));
        assert!(!remote.addresses(MountPoint::Package, RepositoryKind::Local));
        assert!(!remote.addresses(MountPoint::Registry, RepositoryKind::Remote));
        for mount in [Mount::Registry, Mount::Root] {
            assert!(mount.addresses(MountPoint::Registry, RepositoryKind::Local));
            assert!(!mount.addresses(MountPoint::Package, RepositoryKind::Local));
        }
    }
}
