//! Where repositories hang: the one place that builds a repository's address.

use artifact_core::RepositoryKind;

/// The path of a repository below our origin, without a trailing slash.
pub fn mount_path(kind: RepositoryKind, name: &str) -> String {
    format!("/api/v1/{kind}/{name}")
}

/// The URL of a repository under `origin`, without a trailing slash.
pub fn mount_url(origin: &str, kind: RepositoryKind, name: &str) -> String {
    format!("{}{}", origin.trim_end_matches('/'), mount_path(kind, name))
}

/// Splits a request path into kind, repository name and the still encoded rest without its
/// leading slash; `None` for a path that addresses no repository.
pub fn parse_mount(path: &str) -> Option<(RepositoryKind, &str, &str)> {
    let (kind, rest) = path.strip_prefix("/api/v1/")?.split_once('/')?;
    let kind = RepositoryKind::ALL.into_iter().find(|candidate| candidate.name() == kind)?;
    let (name, rest) = rest.split_once('/').unwrap_or((rest, ""));
    (!name.is_empty()).then_some((kind, name, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_path_parses_back() {
        for kind in RepositoryKind::ALL {
            let path = format!("{}/a/b%2Fc", mount_path(kind, "name"));
            assert_eq!(parse_mount(&path), Some((kind, "name", "a/b%2Fc")));
        }
        assert_eq!(parse_mount("/api/v1/remote/name"), Some((RepositoryKind::Remote, "name", "")));
    }

    #[test]
    fn other_paths_address_no_repository() {
        for path in
            ["/", "/api/v1/remote", "/api/v1/remote/", "/api/v1/other/n/x", "/api/v2/remotes"]
        {
            assert_eq!(parse_mount(path), None, "{path}");
        }
    }
}
