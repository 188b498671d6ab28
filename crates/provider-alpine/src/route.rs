//! What a request means.

use artifact_core::{
    Class, DocumentKind, ErrorKind, KeyKind, Origin, Owner, PackageRequest, Reject, RepoPath,
    RepositoryKind, Route, Shape, Target, Variant,
};
use http::Method;

use crate::layout::{self, INDEX, PACKAGE};

/// The index of one architecture.
pub(crate) const INDEX_KIND: DocumentKind = DocumentKind("apkindex");
/// The index as clients read it.
pub(crate) const ARCHIVE: Variant = Variant::new("archive");
pub(crate) const ARCHIVE_TYPE: &str = "application/gzip";

pub(crate) fn classify(request: &PackageRequest<'_>) -> Result<Route, Reject> {
    if request.method != Method::GET && request.method != Method::HEAD {
        return Err(Reject::new(ErrorKind::MethodNotAllowed, "packages cannot be uploaded here"));
    }
    let (path, is_remote) = (request.path, request.kind == RepositoryKind::Remote);
    let Some(name) = path.file_name().filter(|_| !path.is_directory()) else {
        return Err(Reject::not_found(
            "nothing is here, indexes are {repository}/{architecture}/APKINDEX.tar.gz",
        ));
    };
    if name == INDEX {
        return Ok(Route::Serve(index(path)));
    }
    if name.ends_with(PACKAGE) {
        return Ok(Route::Serve(package(path)?));
    }
    if !is_remote && is_our_key(path) {
        return Ok(Route::PublicKey(KeyKind::Rsa));
    }
    if !is_remote && is_new_index(name) {
        return Err(Reject::not_found(
            "a virtual repository has indexes of the second format only, without v3 in its line",
        ));
    }
    Ok(Route::Serve(other(path)))
}

/// `keys/artifactapi-{8 digits}.rsa.pub`. Our key under any other name would be of no use.
fn is_our_key(path: &RepoPath) -> bool {
    let digits = path
        .as_str()
        .strip_prefix("keys/artifactapi-")
        .and_then(|rest| rest.strip_suffix(".rsa.pub"));
    digits.is_some_and(|digits| {
        digits.len() == 8 && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Whether this is an index of the third format, which nobody could merge and sign for its members.
fn is_new_index(name: &str) -> bool {
    matches!(name, "Packages.adb" | "Packages.adb.gz")
}

fn index(path: &RepoPath) -> Target {
    Target {
        path: path.clone(),
        source: Variant::SOURCE,
        class: Class::Mutable,
        shape: Shape::Document { kind: INDEX_KIND, variant: ARCHIVE },
        origin: Origin::Upstream(path.to_encoded()),
        package: None,
        owner: Owner::First,
        content_type: Some(ARCHIVE_TYPE),
        accept: None,
        html_allowed: false,
    }
}

/// A package. Upstream may have more of them than it lists.
fn package(path: &RepoPath) -> Result<Target, Reject> {
    let own = path.to_encoded();
    let origin = match layout::index_of(path) {
        None => Origin::Upstream(own),
        Some(listed_by) => {
            let listed_by = RepoPath::from_decoded(&listed_by)
                .map_err(|error| Reject::bad_request(error.to_string()))?;
            Origin::Index { index: Box::new(index(&listed_by)), unlisted: Some(own) }
        }
    };
    Ok(Target {
        class: Class::Immutable,
        origin,
        content_type: Some("application/octet-stream"),
        ..other(path)
    })
}

/// Anything else that lies in a mirror, such as indexes of the third format, images and lists.
fn other(path: &RepoPath) -> Target {
    Target {
        path: path.clone(),
        source: Variant::SOURCE,
        class: Class::Mutable,
        shape: Shape::File,
        origin: Origin::Upstream(path.to_encoded()),
        package: None,
        owner: Owner::First,
        content_type: None,
        accept: None,
        html_allowed: false,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use proptest::prelude::*;

    use super::*;

    fn request(kind: RepositoryKind, method: &Method, path: &str) -> Result<Route, Reject> {
        let path = RepoPath::from_decoded(path).unwrap();
        let (headers, query, remote) = (HeaderMap::new(), None, None);
        classify(&PackageRequest { kind, method, path: &path, query, headers: &headers, remote })
    }

    fn target(path: &str) -> Target {
        let served = |kind| match request(kind, &Method::GET, path) {
            Ok(Route::Serve(target)) => target,
            other => panic!("{path}: {other:?}"),
        };
        let target = served(RepositoryKind::Remote);
        assert_eq!(target, served(RepositoryKind::Virtual), "{path}");
        target
    }

    #[test]
    fn an_index_is_a_mutable_document_wherever_it_is() {
        for path in ["v3.22/main/x86_64/APKINDEX.tar.gz", "x86/APKINDEX.tar.gz", "APKINDEX.tar.gz"]
        {
            let index = target(path);
            assert_eq!(index.shape, Shape::Document { kind: INDEX_KIND, variant: ARCHIVE });
            assert_eq!(index.class, Class::Mutable);
            assert_eq!(index.origin, Origin::Upstream(path.to_owned()));
        }
    }

    #[test]
    fn a_package_is_looked_up_in_the_index_beside_it_and_then_under_its_own_path() {
        let package = target("v3.22/main/x86_64/g++-14.2.0-r6.apk");
        assert_eq!(package.class, Class::Immutable);
        assert_eq!(package.shape, Shape::File);
        let Origin::Index { index, unlisted } = package.origin else { panic!("no index") };
        assert_eq!(*index, target("v3.22/main/x86_64/APKINDEX.tar.gz"));
        assert_eq!(unlisted.as_deref(), Some("v3.22/main/x86_64/g%2B%2B-14.2.0-r6.apk"));
    }

    #[test]
    fn no_index_lists_packages_for_every_architecture() {
        let package = target("v3.22/main/noarch/a-1.apk");
        assert_eq!(package.origin, Origin::Upstream("v3.22/main/noarch/a-1.apk".to_owned()));
        assert_eq!(package.class, Class::Immutable);
    }

    #[test]
    fn the_rest_of_a_mirror_passes_through() {
        for path in ["MIRRORS.txt", "v3.22/releases/x86_64/latest-releases.yaml", "last-updated"] {
            let file = target(path);
            assert_eq!((file.class, file.shape), (Class::Mutable, Shape::File));
            assert_eq!(file.origin, Origin::Upstream(path.to_owned()));
        }
    }

    #[test]
    fn an_index_of_the_third_format_is_upstreams_alone() {
        for path in ["v3.22/main/x86_64/Packages.adb", "x86/Packages.adb.gz"] {
            let remote = request(RepositoryKind::Remote, &Method::GET, path);
            assert!(matches!(remote, Ok(Route::Serve(_))));
            let refusal = request(RepositoryKind::Virtual, &Method::GET, path).unwrap_err();
            assert_eq!(refusal.kind, ErrorKind::NotFound);
        }
    }

    #[test]
    fn our_key_is_there_under_its_name_where_we_sign() {
        let key = "keys/artifactapi-0123abcd.rsa.pub";
        let ours = Ok(Route::PublicKey(KeyKind::Rsa));
        assert_eq!(request(RepositoryKind::Virtual, &Method::GET, key), ours);
        assert_ne!(request(RepositoryKind::Remote, &Method::GET, key), ours);
        for other in [
            "keys/artifactapi-0123ABCD.rsa.pub",
            "keys/artifactapi-0123abc.rsa.pub",
            "keys/alpine-devel@example.org-0123abcd.rsa.pub",
            "v3.22/keys/artifactapi-0123abcd.rsa.pub",
        ] {
            assert_ne!(request(RepositoryKind::Virtual, &Method::GET, other), ours, "{other}");
        }
    }

    #[test]
    fn there_is_nothing_in_directories_and_nothing_can_be_written() {
        for path in ["", "v3.22/", "v3.22/main/x86_64/", "APKINDEX.tar.gz/"] {
            let refusal = request(RepositoryKind::Remote, &Method::GET, path).unwrap_err();
            assert_eq!(refusal.kind, ErrorKind::NotFound, "{path}");
        }
        for method in [Method::PUT, Method::POST, Method::DELETE] {
            let refusal = request(RepositoryKind::Remote, &method, "x86/a-1.apk").unwrap_err();
            assert_eq!(refusal.kind, ErrorKind::MethodNotAllowed);
        }
    }

    proptest! {
        #[test]
        fn classification_is_total_deterministic_and_canonical(
            path in "([A-Za-z0-9._+~ -]{1,12}/){0,3}(APKINDEX.tar.gz|[a-z+]{1,4}-1.apk|[ -~]{0,9})/?",
            kind in prop::sample::select(vec![RepositoryKind::Remote, RepositoryKind::Virtual]),
        ) {
            let Ok(path) = RepoPath::from_decoded(&path) else { return Ok(()) };
            let first = request(kind, &Method::GET, path.as_str());
            prop_assert_eq!(&first, &request(kind, &Method::GET, path.as_str()));
            if let Ok(Route::Serve(target)) = first {
                let again = request(kind, &Method::GET, target.path.as_str());
                prop_assert_eq!(again, Ok(Route::Serve(target)));
            }
        }
    }
}
