//! What a request means.

use artifact_core::{
    Class, DocumentKind, ErrorKind, KeyKind, MEMBERS, Origin, Owner, PackageRequest, Reject,
    Remote, RepoPath, RepositoryKind, Route, Shape, Target, Variant,
};
use http::Method;

use crate::mirrors;

/// The document that names the files of an index.
pub(crate) const REPOMD: DocumentKind = DocumentKind("repomd");
/// A list of mirrors, in any form.
pub(crate) const MIRROR_LIST: DocumentKind = DocumentKind("mirror-list");
/// A `*.repo` file.
pub(crate) const REPO_FILE: DocumentKind = DocumentKind("repo-file");

/// The variant of every document: each has one form.
pub(crate) const PLAIN: Variant = Variant::new("plain");

/// The directory of index files.
pub(crate) const REPODATA: &str = "repodata";
/// The directory of packages that the index finds on other hosts.
pub(crate) const FOREIGN: &str = "_ext";
/// The index document in [`REPODATA`].
pub(crate) const INDEX: &str = "repomd.xml";

/// The longest query that may select a document.
const MAX_QUERY: usize = 512;

pub(crate) fn classify(request: &PackageRequest<'_>) -> Result<Route, Reject> {
    if request.method != Method::GET && request.method != Method::HEAD {
        return Err(Reject::new(ErrorKind::MethodNotAllowed, "packages cannot be uploaded here"));
    }
    if request.path.is_directory() || request.path.as_str().is_empty() {
        return Err(Reject::not_found("directories are not listed, ask for repodata/repomd.xml"));
    }
    let segments: Vec<&str> = request.path.segments().collect();
    // Those that there are have been served by now.
    if request.kind == RepositoryKind::Virtual && segments.contains(&MEMBERS) {
        return Err(Reject::not_found("this virtual repository has no such member"));
    }
    match segments.as_slice() {
        [root @ .., REPODATA, name] => part_of_set(&joined(root), name, request),
        [.., name] if is_our_key(name, request.kind) => Ok(Route::PublicKey(KeyKind::OpenPgp)),
        [.., name] => match foreign_root(&segments) {
            Some(_) if request.kind == RepositoryKind::Virtual => {
                Err(Reject::not_found("packages of members are below _m/ and the member's name"))
            }
            Some(root) => Ok(Route::Serve(foreign_package(&joined(root), request)?)),
            None => Ok(Route::Serve(beside(name, request)?)),
        },
        [] => Err(Reject::not_found("nothing is here")),
    }
}

fn is_our_key(name: &str, kind: RepositoryKind) -> bool {
    kind == RepositoryKind::Virtual && matches!(name, "gpgkey.asc" | "gpgkeys.asc")
}

/// The directory whose index finds a package elsewhere: `{root}_ext/{8 hex}/…`.
fn foreign_root<'p, 's>(segments: &'p [&'s str]) -> Option<&'p [&'s str]> {
    let at = segments.iter().position(|segment| *segment == FOREIGN)?;
    let [_, key, _, ..] = segments.get(at..)? else { return None };
    let is_key = key.len() == 8 && key.bytes().all(|byte| byte.is_ascii_hexdigit());
    segments.get(..at).filter(|_| is_key)
}

/// A file in `repodata`, which belongs to the set that the index document names.
fn part_of_set(root: &str, name: &str, request: &PackageRequest<'_>) -> Result<Route, Reject> {
    let is_virtual = request.kind == RepositoryKind::Virtual;
    if is_virtual && name == "repomd.xml.key" {
        return Ok(Route::PublicKey(KeyKind::OpenPgp));
    }
    let index = index_document(root, request.remote)?;
    let mut target = match name {
        INDEX => index.clone(),
        _ => set_file(request.path.clone(), &index, request.remote),
    };
    if is_virtual {
        target.shape = Shape::Assembled { index: Box::new(index) };
    }
    Ok(Route::Serve(target))
}

/// The index document of the repository in the directory `root`, which is empty or ends with a slash.
pub(crate) fn index_document(root: &str, remote: Option<&Remote>) -> Result<Target, Reject> {
    let path = own_path(&format!("{root}{REPODATA}/{INDEX}"))?;
    Ok(Target {
        content_type: Some("application/xml"),
        shape: Shape::Document { kind: REPOMD, variant: PLAIN },
        ..plain_file(path, Class::Mutable, remote)
    })
}

/// A file of the set of `index`. Names that begin with a digest never mean other bytes.
pub(crate) fn set_file(path: RepoPath, index: &Target, remote: Option<&Remote>) -> Target {
    let is_hashed = path.file_name().is_some_and(begins_with_digest);
    let class = if is_hashed { Class::Immutable } else { Class::Mutable };
    let unlisted = mirrors::list_of(remote).is_none().then(|| path.to_encoded());
    Target {
        origin: Origin::Index { index: Box::new(index.clone()), unlisted },
        ..plain_file(path, class, remote)
    }
}

fn begins_with_digest(name: &str) -> bool {
    name.split_once('-').is_some_and(|(digest, _)| {
        matches!(digest.len(), 32 | 40 | 56 | 64 | 96 | 128)
            && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// A package for which only the index knows the host.
fn foreign_package(root: &str, request: &PackageRequest<'_>) -> Result<Target, Reject> {
    let index = index_document(root, request.remote)?;
    Ok(Target {
        origin: Origin::listed(index),
        ..plain_file(request.path.clone(), Class::Immutable, request.remote)
    })
}

/// What is neither in `repodata` nor on another host.
fn beside(name: &str, request: &PackageRequest<'_>) -> Result<Target, Reject> {
    let path = request.path.clone();
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    if let Some(list) = mirrors::list_of(request.remote).filter(|list| list.path == path) {
        return Ok(list);
    }
    if mirrors::is_list_name(name) {
        return mirror_list(request);
    }
    Ok(match extension {
        Some("rpm" | "drpm") => Target {
            content_type: Some("application/x-rpm"),
            ..plain_file(path, Class::Immutable, request.remote)
        },
        Some("repo") => Target {
            shape: Shape::Document { kind: REPO_FILE, variant: PLAIN },
            content_type: Some("text/plain; charset=utf-8"),
            ..plain_file(path, Class::Mutable, request.remote)
        },
        _ => plain_file(path, Class::Mutable, request.remote),
    })
}

/// A list of mirrors that clients ask for, one for each query.
fn mirror_list(request: &PackageRequest<'_>) -> Result<Target, Reject> {
    let target = plain_file(request.path.clone(), Class::Mutable, request.remote);
    let shape = Shape::Document { kind: MIRROR_LIST, variant: PLAIN };
    let query = request.query.unwrap_or_default();
    if query.is_empty() || mirrors::list_of(request.remote).is_some() {
        return Ok(Target { shape, ..target });
    }
    if query.len() > MAX_QUERY || !query.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Reject::bad_request("the query of a list of mirrors is too long"));
    }
    Ok(Target {
        shape,
        source: Variant::named(query.to_owned()),
        origin: Origin::Upstream(format!("{}?{query}", target.path.to_encoded())),
        ..target
    })
}

/// A file below the root of upstream, or below the mirror that upstream's list names.
fn plain_file(path: RepoPath, class: Class, remote: Option<&Remote>) -> Target {
    let origin = match mirrors::list_of(remote) {
        Some(list) => Origin::listed(list),
        None => Origin::Upstream(path.to_encoded()),
    };
    let html_allowed = path.file_name().is_some_and(|name| {
        let extension = name.rsplit_once('.').map(|(_, extension)| extension);
        extension.is_some_and(|end| end.eq_ignore_ascii_case("html") || end == "htm")
    });
    Target {
        path,
        source: Variant::SOURCE,
        class,
        shape: Shape::File,
        origin,
        package: None,
        owner: Owner::First,
        content_type: None,
        accept: None,
        html_allowed,
    }
}

/// The directory that an index document is the index of: empty, or ending with a slash.
pub(crate) fn root_of(index: &RepoPath) -> &str {
    let file = format!("{REPODATA}/{INDEX}");
    index.as_str().strip_suffix(file.as_str()).unwrap_or_default()
}

fn joined(segments: &[&str]) -> String {
    segments.iter().flat_map(|segment| [*segment, "/"]).collect()
}

/// A path of our own making can only fail by its length.
fn own_path(path: &str) -> Result<RepoPath, Reject> {
    RepoPath::from_decoded(path).map_err(|error| Reject::bad_request(error.to_string()))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use proptest::prelude::*;

    use super::*;

    const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn classified(
        kind: RepositoryKind,
        base_url: &str,
        path: &str,
        query: Option<&str>,
    ) -> Result<Route, Reject> {
        let path = RepoPath::from_decoded(path).unwrap();
        let headers = HeaderMap::new();
        let remote = (!base_url.is_empty()).then(|| Remote::new(base_url));
        let request = PackageRequest {
            kind,
            method: &Method::GET,
            path: &path,
            query,
            headers: &headers,
            remote: remote.as_ref(),
        };
        classify(&request)
    }

    const PLAIN_URL: &str = "https://host.example/pub";
    const LIST_URL: &str = "https://host.example/metalink?repo=fedora-40&arch=x86_64";

    fn target(kind: RepositoryKind, base_url: &str, path: &str) -> Target {
        match classified(kind, base_url, path, None) {
            Ok(Route::Serve(target)) => target,
            other => panic!("{path}: {other:?}"),
        }
    }

    fn on_remote(path: &str) -> Target {
        target(RepositoryKind::Remote, PLAIN_URL, path)
    }

    #[test]
    fn an_index_document_is_mutable_wherever_it_lies() {
        for root in ["", "9/BaseOS/x86_64/os/", "repodata/"] {
            let index = on_remote(&format!("{root}repodata/repomd.xml"));
            assert_eq!(index.class, Class::Mutable);
            assert_eq!(index.shape, Shape::Document { kind: REPOMD, variant: PLAIN });
            assert_eq!(root_of(&index.path), root);
        }
    }

    #[test]
    fn parts_are_found_through_their_index_and_immutable_by_their_digest() {
        for (name, class) in [
            (format!("{SHA256}-primary.xml.gz"), Class::Immutable),
            (format!("{}-filelists.xml.zst", &SHA256[..40]), Class::Immutable),
            ("primary.xml.gz".to_owned(), Class::Mutable),
            ("abc-primary.xml.gz".to_owned(), Class::Mutable),
            ("repomd.xml.asc".to_owned(), Class::Mutable),
            ("repomd.xml.key".to_owned(), Class::Mutable),
        ] {
            let part = on_remote(&format!("os/repodata/{name}"));
            assert_eq!(part.class, class, "{name}");
            assert_eq!(part.shape, Shape::File);
            let Origin::Index { index, unlisted } = part.origin else { panic!("{name}") };
            assert_eq!(index.path.as_str(), "os/repodata/repomd.xml");
            assert_eq!(unlisted.as_deref(), Some(format!("os/repodata/{name}").as_str()));
        }
    }

    #[test]
    fn packages_are_immutable_and_need_no_index() {
        for path in ["Packages/a/a b+c-1.0-1.x86_64.rpm", "drpms/a.drpm", "a.rpm"] {
            let package = on_remote(path);
            assert_eq!(package.class, Class::Immutable);
            let encoded = RepoPath::from_decoded(path).unwrap().to_encoded();
            assert_eq!(package.origin, Origin::Upstream(encoded));
        }
    }

    #[test]
    fn packages_on_other_hosts_are_only_where_the_index_says() {
        let package = on_remote("os/_ext/0123abcd/Packages/a.rpm");
        let Origin::Index { index, unlisted } = package.origin else { panic!("no index") };
        assert_eq!(index.path.as_str(), "os/repodata/repomd.xml");
        assert_eq!(unlisted, None);
        assert!(matches!(on_remote("os/_ext/0123abcz/a.rpm").origin, Origin::Upstream(_)));
        let merged = classified(RepositoryKind::Virtual, "", "_ext/0123abcd/a.rpm", None);
        assert_eq!(merged.unwrap_err().kind, ErrorKind::NotFound);
    }

    #[test]
    fn the_set_of_a_virtual_is_assembled_whoever_is_asked() {
        for base_url in ["", PLAIN_URL, LIST_URL] {
            for name in [INDEX, "repomd.xml.asc", "x-primary.xml.gz"] {
                let path = format!("os/repodata/{name}");
                let found = target(RepositoryKind::Virtual, base_url, &path);
                let Shape::Assembled { index } = found.shape else { panic!("{name}") };
                assert_eq!(index.path.as_str(), "os/repodata/repomd.xml");
                assert!(matches!(index.shape, Shape::Document { kind: REPOMD, .. }));
            }
        }
    }

    #[test]
    fn our_key_is_where_clients_look_for_it() {
        for path in
            ["repodata/repomd.xml.key", "a/repodata/repomd.xml.key", "gpgkey.asc", "a/gpgkeys.asc"]
        {
            let key = classified(RepositoryKind::Virtual, "", path, None);
            assert_eq!(key, Ok(Route::PublicKey(KeyKind::OpenPgp)), "{path}");
            assert!(matches!(on_remote(path).shape, Shape::File), "upstream's own on a remote");
        }
    }

    #[test]
    fn members_are_not_asked_for_files_of_one_that_does_not_exist() {
        for path in ["_m/one/a.rpm", "9/os/_m/one/a.rpm", "a/_m", "a/_m/one"] {
            let rejected = classified(RepositoryKind::Virtual, "", path, None).unwrap_err();
            assert_eq!(rejected.kind, ErrorKind::NotFound, "{path}");
        }
        assert!(matches!(on_remote("_m/one/a.rpm").origin, Origin::Upstream(_)));
    }

    #[test]
    fn behind_a_list_of_mirrors_everything_is_where_the_list_says() {
        for path in ["Packages/a.rpm", "repodata/repomd.xml", "RPM-GPG-KEY", "x.repo"] {
            let found = target(RepositoryKind::Remote, LIST_URL, path);
            let Origin::Index { index, unlisted: None } = found.origin else { panic!("{path}") };
            assert_eq!(index.path.as_str(), "metalink");
            assert_eq!(index.origin, Origin::Elsewhere(LIST_URL.to_owned()));
        }
        let part = target(RepositoryKind::Remote, LIST_URL, "repodata/primary.xml.gz");
        let Origin::Index { index, unlisted: None } = part.origin else { panic!("no index") };
        assert!(matches!(index.origin, Origin::Index { .. }));
    }

    #[test]
    fn lists_of_mirrors_differ_by_query() {
        let listed = |query| classified(RepositoryKind::Remote, PLAIN_URL, "metalink", query);
        let Ok(Route::Serve(plain)) = listed(None) else { panic!("no list") };
        let Ok(Route::Serve(asked)) = listed(Some("repo=a&arch=b")) else { panic!("no list") };
        assert_eq!(plain.source, Variant::SOURCE);
        assert_eq!(asked.source.as_str(), "repo=a&arch=b");
        assert_eq!(asked.origin, Origin::Upstream("metalink?repo=a&arch=b".to_owned()));
        assert!(listed(Some(&"a".repeat(600))).is_err());
    }

    #[test]
    fn directories_and_writes_are_refused() {
        for path in ["", "Packages/", "repodata/"] {
            let rejected = classified(RepositoryKind::Remote, PLAIN_URL, path, None).unwrap_err();
            assert_eq!(rejected.kind, ErrorKind::NotFound, "{path:?}");
        }
        let path = RepoPath::from_decoded("a.rpm").unwrap();
        let request = PackageRequest {
            kind: RepositoryKind::Remote,
            method: &Method::PUT,
            path: &path,
            query: None,
            headers: &HeaderMap::new(),
            remote: None,
        };
        assert_eq!(classify(&request).unwrap_err().kind, ErrorKind::MethodNotAllowed);
    }

    proptest! {
        #[test]
        fn classification_is_total_deterministic_and_canonical(
            path in "(repodata|_m|_ext|metalink|[a-z]{1,4})?(/(repodata|_m|_ext|0123abcd|repomd.xml|[A-Za-z0-9._+ -]{1,8})){0,5}(\\.rpm|\\.repo|/)?",
            query in proptest::option::of("[ -~]{0,20}"),
            is_virtual in any::<bool>(),
            base_url in prop_oneof![Just(PLAIN_URL), Just(LIST_URL)],
        ) {
            let Ok(path) = RepoPath::from_decoded(&path) else { return Ok(()) };
            let kind = if is_virtual { RepositoryKind::Virtual } else { RepositoryKind::Remote };
            let query = query.as_deref();
            let first = classified(kind, base_url, path.as_str(), query);
            prop_assert_eq!(&first, &classified(kind, base_url, path.as_str(), query));
            // The path that a target is cached under means that target again.
            if let Ok(Route::Serve(target)) = first {
                let again = classified(kind, base_url, target.path.as_str(), query);
                prop_assert_eq!(again, Ok(Route::Serve(target)));
            }
        }
    }
}
