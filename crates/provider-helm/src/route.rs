//! What a request means.

use artifact_core::{
    Class, DocumentKind, ErrorKind, Origin, Owner, PackageRequest, Reject, RepoPath, Route, Shape,
    Target, Variant,
};
use http::Method;

use crate::layout::{self, CHART, INDEX, PROVENANCE};

/// The index of a repository.
pub(crate) const INDEX_KIND: DocumentKind = DocumentKind("index");
/// The index as JSON, which is YAML too and read much faster.
pub(crate) const JSON: Variant = Variant::new("json");
/// The index as YAML in block style.
pub(crate) const YAML: Variant = Variant::new("yaml");

pub(crate) const JSON_TYPE: &str = "application/json";
pub(crate) const YAML_TYPE: &str = "application/yaml";

pub(crate) fn classify(request: &PackageRequest<'_>) -> Result<Route, Reject> {
    if request.method != Method::GET && request.method != Method::HEAD {
        return Err(Reject::new(ErrorKind::MethodNotAllowed, "charts cannot be uploaded here"));
    }
    let path = request.path;
    if path.is_directory() {
        return Err(Reject::not_found("nothing is here, the index is index.yaml"));
    }
    if path.as_str() == INDEX {
        return Ok(Route::Serve(index(variant(request.query))?));
    }
    if layout::is_reserved(path) {
        let Some(name) = layout::external_chart(path) else {
            return Err(Reject::not_found("the index lists no chart under this path"));
        };
        return Ok(Route::Serve(chart(path, Some(name), None)?));
    }
    let chart_path = path.as_str().strip_suffix(PROVENANCE).unwrap_or(path.as_str());
    if chart_path.ends_with(CHART) {
        return Ok(Route::Serve(chart(path, None, Some(path.to_encoded()))?));
    }
    Ok(Route::Serve(other(path)))
}

/// Helm keeps the query of a repository's URL for everything that it asks of it, so unknown
/// parameters mean nothing anywhere.
fn variant(query: Option<&str>) -> Variant {
    let wants_yaml = query.is_some_and(|query| query.split('&').any(|pair| pair == "format=yaml"));
    if wants_yaml { YAML } else { JSON }
}

fn index(variant: Variant) -> Result<Target, Reject> {
    let content_type = if variant == YAML { YAML_TYPE } else { JSON_TYPE };
    Ok(Target {
        path: RepoPath::from_decoded(INDEX)
            .map_err(|error| Reject::bad_request(error.to_string()))?,
        source: Variant::SOURCE,
        class: Class::Mutable,
        shape: Shape::Document { kind: INDEX_KIND, variant },
        origin: Origin::Upstream(INDEX.to_owned()),
        package: None,
        owner: Owner::First,
        content_type: Some(content_type),
        accept: None,
        html_allowed: false,
    })
}

/// A chart or its provenance. Where the index does not list it, it may still lie under its own
/// path at upstream.
fn chart(path: &RepoPath, name: Option<&str>, unlisted: Option<String>) -> Result<Target, Reject> {
    let is_provenance = path.as_str().ends_with(PROVENANCE);
    Ok(Target {
        path: path.clone(),
        source: Variant::SOURCE,
        class: Class::Immutable,
        shape: Shape::File,
        origin: Origin::Index { index: Box::new(index(JSON)?), unlisted },
        package: name.map(str::to_owned),
        owner: Owner::First,
        content_type: Some(if is_provenance { "text/plain" } else { "application/gzip" }),
        accept: None,
        html_allowed: false,
    })
}

/// Anything else that lies beside an index, such as `artifacthub-repo.yml`.
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
    use artifact_core::RepositoryKind;
    use http::HeaderMap;
    use proptest::prelude::*;

    use super::*;

    fn classified(path: &str, query: Option<&str>) -> Result<Route, Reject> {
        request(&Method::GET, path, query)
    }

    fn request(method: &Method, path: &str, query: Option<&str>) -> Result<Route, Reject> {
        let path = RepoPath::from_decoded(path).unwrap();
        let (kind, headers) = (RepositoryKind::Remote, HeaderMap::new());
        let remote = None;
        classify(&PackageRequest { kind, method, path: &path, query, headers: &headers, remote })
    }

    fn target(path: &str, query: Option<&str>) -> Target {
        match classified(path, query) {
            Ok(Route::Serve(target)) => target,
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn the_index_is_json_unless_yaml_is_asked_for() {
        for (query, variant, content_type) in [
            (None, JSON, JSON_TYPE),
            (Some(""), JSON, JSON_TYPE),
            (Some("format=json"), JSON, JSON_TYPE),
            (Some("format=other&x=format=yaml"), JSON, JSON_TYPE),
            (Some("format=yaml"), YAML, YAML_TYPE),
            (Some("token=x&format=yaml"), YAML, YAML_TYPE),
        ] {
            let index = target("index.yaml", query);
            assert_eq!(index.shape, Shape::Document { kind: INDEX_KIND, variant }, "{query:?}");
            assert_eq!(index.content_type, Some(content_type));
            assert_eq!(index.class, Class::Mutable);
            assert_eq!(index.source, Variant::SOURCE);
            assert_eq!(index.origin, Origin::Upstream("index.yaml".to_owned()));
        }
    }

    #[test]
    fn a_chart_is_looked_up_in_the_index_and_then_under_its_own_path() {
        for path in ["a-1.0.0.tgz", "charts/a-1.0.0+b.tgz", "a-1.0.0.tgz.prov"] {
            let chart = target(path, Some("format=yaml"));
            assert_eq!(chart.class, Class::Immutable);
            let Origin::Index { index, unlisted } = chart.origin else { panic!("{path}") };
            assert_eq!(index.path.as_str(), "index.yaml");
            assert_eq!(unlisted, Some(path.replace('+', "%2B")));
        }
    }

    #[test]
    fn a_chart_from_elsewhere_is_looked_up_in_the_index_only() {
        for path in ["_ext/a/1.0.0/x.tgz", "_ext/a/1.0.0/x.tgz.prov"] {
            let chart = target(path, None);
            assert_eq!(chart.package.as_deref(), Some("a"));
            assert!(matches!(chart.origin, Origin::Index { unlisted: None, .. }));
        }
    }

    #[test]
    fn other_files_are_passed_through_and_asked_for_again() {
        for path in ["artifacthub-repo.yml", "README.md", "sub/index.yaml", "x.tgz.sig", "x.prov"] {
            let file = target(path, None);
            assert_eq!((file.class, file.shape), (Class::Mutable, Shape::File));
            assert_eq!(file.origin, Origin::Upstream(path.to_owned()));
        }
    }

    #[test]
    fn what_is_no_route_is_not_found() {
        for path in [
            "",
            "charts/",
            "index.yaml/",
            "_ext",
            "_ext/a",
            "_ext/a/1/x",
            "_ext/a/x.tgz",
            "_ext/a/1/b/x.tgz",
            "_ext/a/1/x.prov",
            "_m",
            "_m/x/a.tgz",
            "_m/index.yaml",
        ] {
            assert_eq!(classified(path, None).unwrap_err().kind, ErrorKind::NotFound, "{path}");
        }
    }

    #[test]
    fn charts_cannot_be_written() {
        for (method, path) in [(Method::POST, "api/charts"), (Method::PUT, "a-1.tgz")] {
            let kind = request(&method, path, None).unwrap_err().kind;
            assert_eq!(kind, ErrorKind::MethodNotAllowed);
        }
    }

    proptest! {
        #[test]
        fn classification_is_total_deterministic_and_canonical(
            path in "(_ext|_m|index\\.yaml|charts|[a-z]{1,4})?(/[A-Za-z0-9._!+ :-]{1,12}){0,4}(\\.tgz)?(\\.prov)?/?",
            query in prop::option::of("[ -~]{0,20}"),
        ) {
            let Ok(path) = RepoPath::from_decoded(&path) else { return Ok(()) };
            let first = classified(path.as_str(), query.as_deref());
            prop_assert_eq!(&first, &classified(path.as_str(), query.as_deref()));
            if let Ok(Route::Serve(target)) = first {
                let again = classified(target.path.as_str(), query.as_deref());
                prop_assert_eq!(again, Ok(Route::Serve(target)));
            }
        }
    }
}
