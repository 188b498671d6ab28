//! What a request means.

use artifact_core::{
    Class, DocumentKind, ErrorKind, Origin, Owner, PackageRequest, Reject, RepoPath, Route, Shape,
    Target, Variant,
};
use http::Method;

use crate::ProjectName;
use crate::filename::Sidecar;
use crate::negotiate::{Format, negotiate};

/// The list of all projects.
pub(crate) const PROJECT_LIST: DocumentKind = DocumentKind("project-list");
/// The page of one project.
pub(crate) const PROJECT: DocumentKind = DocumentKind("project");
/// The JSON description of a project or of one of its versions.
pub(crate) const RELEASE: DocumentKind = DocumentKind("release");

/// What we ask an upstream index for: JSON if it has it, HTML if not.
const INDEX_ACCEPT: &str = "application/vnd.pypi.simple.v1+json, \
                            application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01";

const PROVENANCE: &str = "application/vnd.pypi.integrity.v1+json";

pub(crate) fn classify(request: &PackageRequest<'_>) -> Result<Route, Reject> {
    if request.method != Method::GET && request.method != Method::HEAD {
        return Err(Reject::new(
            ErrorKind::MethodNotAllowed,
            "this is the URL of an index, packages cannot be uploaded here",
        ));
    }
    let segments: Vec<&str> = request.path.segments().collect();
    match (segments.as_slice(), request.path.is_directory()) {
        (["simple"], false) => Ok(redirect("simple/", request)),
        (["simple"], true) => Ok(Route::Serve(project_list(negotiated(request))?)),
        (["simple", name], is_directory) => simple(name, is_directory, request),
        (["packages", name, filename], false) => {
            Ok(Route::Serve(file(&project_name(name)?, filename)?))
        }
        (["pypi", name, "json"], false) => release(name, None, request),
        (["pypi", name, version, "json"], false) => release(name, Some(version), request),
        _ => Err(Reject::not_found("nothing is here, the index is below simple/")),
    }
}

fn simple(name: &str, is_directory: bool, request: &PackageRequest<'_>) -> Result<Route, Reject> {
    let project = project_name(name)?;
    if !is_directory {
        return Ok(redirect(&format!("{project}/"), request));
    }
    if project.as_str() != name {
        return Ok(redirect(&format!("../{project}/"), request));
    }
    Ok(Route::Serve(project_page(&project, negotiated(request))?))
}

fn release(
    name: &str,
    version: Option<&str>,
    request: &PackageRequest<'_>,
) -> Result<Route, Reject> {
    let project = project_name(name)?;
    let below = version.map_or_else(|| "json".to_owned(), |version| format!("{version}/json"));
    if project.as_str() != name {
        let up = if version.is_some() { "../../" } else { "../" };
        let location = format!("{up}{project}/{}", artifact_core::encode_path(&below));
        return Ok(redirect(&location, request));
    }
    let path = own_path(&format!("pypi/{project}/{below}"))?;
    Ok(Route::Serve(Target {
        origin: Origin::Upstream(path.to_encoded()),
        path,
        source: Variant::SOURCE,
        class: Class::Mutable,
        shape: Shape::Document { kind: RELEASE, variant: Format::Json.variant() },
        package: Some(project.to_string()),
        owner: Owner::First,
        content_type: Some("application/json"),
        accept: Some("application/json"),
        html_allowed: false,
    }))
}

fn project_list(format: Format) -> Result<Target, Reject> {
    index("simple/", PROJECT_LIST, format, None)
}

fn project_page(project: &ProjectName, format: Format) -> Result<Target, Reject> {
    index(&format!("simple/{project}/"), PROJECT, format, Some(project))
}

fn index(
    path: &str,
    kind: DocumentKind,
    format: Format,
    project: Option<&ProjectName>,
) -> Result<Target, Reject> {
    Ok(Target {
        path: own_path(path)?,
        source: Variant::SOURCE,
        class: Class::Mutable,
        shape: Shape::Document { kind, variant: format.variant() },
        origin: Origin::Upstream(path.to_owned()),
        package: project.map(ToString::to_string),
        owner: Owner::First,
        content_type: Some(format.content_type()),
        accept: Some(INDEX_ACCEPT),
        html_allowed: true,
    })
}

/// A file or one of its sidecars. Where it comes from is for the project's page to say.
fn file(project: &ProjectName, filename: &str) -> Result<Target, Reject> {
    let sidecar = Sidecar::of(filename);
    Ok(Target {
        path: own_path(&file_path(project, filename))?,
        source: Variant::SOURCE,
        class: Class::Immutable,
        shape: Shape::File,
        origin: Origin::listed(project_page(project, Format::Json)?),
        package: Some(project.to_string()),
        owner: Owner::First,
        content_type: Some(match sidecar {
            Some(Sidecar::Provenance) => PROVENANCE,
            Some(Sidecar::Signature) => "application/pgp-signature",
            Some(Sidecar::Metadata) | None => "application/octet-stream",
        }),
        accept: (sidecar == Some(Sidecar::Provenance)).then_some(PROVENANCE),
        html_allowed: false,
    })
}

/// The canonical path of a file.
pub(crate) fn file_path(project: &ProjectName, filename: &str) -> String {
    format!("packages/{project}/{filename}")
}

fn project_name(name: &str) -> Result<ProjectName, Reject> {
    name.parse().map_err(|_| Reject::not_found("this is not the name of a Python project"))
}

/// A path of our own making can only fail by its length: normalising never adds a character.
fn own_path(path: &str) -> Result<RepoPath, Reject> {
    RepoPath::from_decoded(path).map_err(|error| Reject::bad_request(error.to_string()))
}

fn negotiated(request: &PackageRequest<'_>) -> Format {
    negotiate(request.query, request.headers)
}

fn redirect(location: &str, request: &PackageRequest<'_>) -> Route {
    let location = match request.query {
        Some(query) => format!("{location}?{query}"),
        None => location.to_owned(),
    };
    Route::Redirect { location }
}

#[cfg(test)]
mod tests {
    use artifact_core::RepositoryKind;
    use http::HeaderMap;
    use proptest::prelude::*;

    use super::*;

    fn classified(path: &str, query: Option<&str>) -> Result<Route, Reject> {
        request(&Method::GET, path, query)
    }

    fn request(method: &Method, path: &str, query: Option<&str>) -> Result<Route, Reject> {
        let path = RepoPath::from_decoded(path).unwrap();
        let headers = HeaderMap::new();
        let kind = RepositoryKind::Remote;
        classify(&PackageRequest {
            kind,
            method,
            path: &path,
            query,
            headers: &headers,
            remote: None,
        })
    }

    fn target(path: &str) -> Target {
        match classified(path, None) {
            Ok(Route::Serve(target)) => target,
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn a_project_page_is_a_mutable_document_with_html_as_default() {
        let page = target("simple/foo-bar/");
        assert_eq!(page.path.as_str(), "simple/foo-bar/");
        assert_eq!(page.class, Class::Mutable);
        assert_eq!(page.package.as_deref(), Some("foo-bar"));
        assert_eq!(page.origin, Origin::Upstream("simple/foo-bar/".to_owned()));
        assert_eq!(page.shape, Shape::Document { kind: PROJECT, variant: Variant::new("html") });
        assert!(page.html_allowed);
    }

    #[test]
    fn the_project_list_belongs_to_no_package() {
        let list = target("simple/");
        assert_eq!(list.package, None);
        assert!(matches!(list.shape, Shape::Document { kind: PROJECT_LIST, .. }));
    }

    #[test]
    fn every_spelling_ends_at_one_page() {
        for (path, query, location) in [
            ("simple", None, "simple/"),
            ("simple/foo-bar-baz", None, "foo-bar-baz/"),
            ("simple/Foo.Bar_baz", None, "foo-bar-baz/"),
            ("simple/Foo.Bar_baz/", None, "../foo-bar-baz/"),
            ("simple/foo", Some("format=x&y=1"), "foo/?format=x&y=1"),
            ("pypi/Foo/json", None, "../foo/json"),
            ("pypi/Foo/1!0+a/json", None, "../../foo/1!0%2Ba/json"),
        ] {
            let expected = Route::Redirect { location: location.to_owned() };
            assert_eq!(classified(path, query), Ok(expected), "{path}");
        }
    }

    #[test]
    fn a_file_is_found_through_the_page_of_its_project() {
        for spelling in ["foo-bar", "Foo_Bar"] {
            let file = target(&format!("packages/{spelling}/foo_bar-1.0+x.tar.gz"));
            assert_eq!(file.path.as_str(), "packages/foo-bar/foo_bar-1.0+x.tar.gz");
            assert_eq!(file.class, Class::Immutable);
            assert_eq!(file.package.as_deref(), Some("foo-bar"));
            let Origin::Index { index, .. } = file.origin else { panic!("{:?}", file.origin) };
            assert_eq!(index.path.as_str(), "simple/foo-bar/");
            assert!(!file.html_allowed);
        }
    }

    #[test]
    fn sidecars_are_files_of_the_same_project() {
        for (suffix, content_type) in [
            (".metadata", "application/octet-stream"),
            (".provenance", PROVENANCE),
            (".asc", "application/pgp-signature"),
        ] {
            let sidecar = target(&format!("packages/foo/foo-1.0-py3-none-any.whl{suffix}"));
            assert_eq!(sidecar.content_type, Some(content_type));
            assert!(matches!(sidecar.origin, Origin::Index { .. }));
        }
    }

    #[test]
    fn what_is_no_route_is_not_found() {
        for path in [
            "",
            "foo",
            "simple/-foo/",
            "simple/foo/bar",
            "packages/foo",
            "packages/foo/",
            "packages/foo/a.whl/",
            "packages/-/a.whl",
            "pypi/foo/json/",
            "pypi/foo",
        ] {
            let kind = classified(path, None).unwrap_err().kind;
            assert_eq!(kind, ErrorKind::NotFound, "{path}");
        }
    }

    #[test]
    fn an_index_cannot_be_written() {
        for (method, path) in [(Method::POST, ""), (Method::POST, "legacy/"), (Method::PUT, "a")] {
            let kind = request(&method, path, None).unwrap_err().kind;
            assert_eq!(kind, ErrorKind::MethodNotAllowed);
        }
    }

    proptest! {
        #[test]
        fn classification_is_total_deterministic_and_canonical(
            path in "(simple|packages|pypi|[a-z]{1,4})?(/[A-Za-z0-9._!+ -]{1,12}){0,4}/?",
            query in proptest::option::of("[ -~]{0,20}"),
        ) {
            let Ok(path) = RepoPath::from_decoded(&path) else { return Ok(()) };
            let first = classified(path.as_str(), query.as_deref());
            prop_assert_eq!(&first, &classified(path.as_str(), query.as_deref()));
            // The path that a target is cached under means that target again.
            if let Ok(Route::Serve(target)) = first {
                let again = classified(target.path.as_str(), query.as_deref());
                prop_assert_eq!(again, Ok(Route::Serve(target)));
            }
        }
    }
}
