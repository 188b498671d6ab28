//! What a request means.

use artifact_core::{
    Class, DocumentKind, Origin, Owner, PackageRequest, Reject, RepositoryKind, Route, Shape,
    Target, Variant,
};
use http::HeaderMap;
use http::header::ACCEPT;

/// The listing of a hosted directory.
pub(crate) const LISTING: DocumentKind = DocumentKind("listing");
/// The listing as a page for people.
pub(crate) const HTML: Variant = Variant::new("html");
/// The listing as data.
pub(crate) const JSON: Variant = Variant::new("json");

/// The longest query in bytes; it is part of a key.
const MAX_QUERY: usize = 2048;

/// Extensions under which HTML is what was asked for. Under any other it is a login or error
/// page, which must not be kept as the file.
const HTML_EXTENSIONS: [&str; 4] = ["html", "htm", "xhtml", "shtml"];

pub(crate) fn classify(request: &PackageRequest<'_>) -> Result<Route, Reject> {
    if request.kind == RepositoryKind::Local {
        return Ok(Route::Serve(hosted(request)));
    }
    let query = request.query.map(canonical_query).transpose()?.unwrap_or_default();
    let is_directory = request.path.is_directory();
    Ok(Route::Serve(Target {
        origin: Origin::Upstream(format!("{}{query}", request.path.to_encoded())),
        class: if is_directory { Class::Generic } else { Class::Immutable },
        html_allowed: is_directory || is_html(request),
        source: Variant::named(query),
        ..plain(request)
    }))
}

/// A hosted file or directory. A query selects nothing here.
fn hosted(request: &PackageRequest<'_>) -> Target {
    if !request.path.is_directory() {
        return plain(request);
    }
    let variant = listing_variant(request.headers);
    Target {
        class: Class::Generated,
        content_type: None,
        html_allowed: true,
        shape: Shape::Document { kind: LISTING, variant },
        ..plain(request)
    }
}

fn plain(request: &PackageRequest<'_>) -> Target {
    Target {
        path: request.path.clone(),
        source: Variant::SOURCE,
        class: Class::Immutable,
        shape: Shape::File,
        origin: Origin::Upstream(request.path.to_encoded()),
        package: None,
        owner: Owner::First,
        content_type: None,
        accept: None,
        html_allowed: true,
    }
}

fn is_html(request: &PackageRequest<'_>) -> bool {
    let name = request.path.file_name().unwrap_or_default();
    let extension = name.rsplit_once('.').map(|(_, extension)| extension).unwrap_or_default();
    HTML_EXTENSIONS.iter().any(|html| html.eq_ignore_ascii_case(extension))
}

/// Data for those who name JSON and not HTML, the page for everyone else.
pub(crate) fn listing_variant(headers: &HeaderMap) -> Variant {
    let accepts = |media_type: &str| {
        let texts = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        texts.flat_map(|text| text.split(',')).any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(media_type));
            is_named && !parts.any(|parameter| matches!(parameter, "q=0" | "q=0.0"))
        })
    };
    if accepts("application/json") && !accepts("text/html") { JSON } else { HTML }
}

/// The query with its question mark, as it goes to upstream and into the key: order and
/// spelling are upstream's business and stay, only what a URL may not carry is encoded and
/// escapes are written in upper case. Without a query it is empty.
fn canonical_query(raw: &str) -> Result<String, Reject> {
    if raw.is_empty() {
        return Ok(String::new());
    }
    if raw.len() > MAX_QUERY {
        return Err(Reject::bad_request("the query is longer than 2048 bytes"));
    }
    let mut canonical = String::with_capacity(raw.len() + 1);
    canonical.push('?');
    let bytes = raw.as_bytes();
    let mut digits_of_escape = 0;
    for (index, byte) in bytes.iter().enumerate() {
        if digits_of_escape > 0 {
            digits_of_escape -= 1;
            canonical.push(char::from(byte.to_ascii_uppercase()));
        } else if is_escape(bytes.get(index..).unwrap_or_default()) {
            digits_of_escape = 2;
            canonical.push('%');
        } else if byte.is_ascii_graphic() && !matches!(byte, b'"' | b'#' | b'<' | b'>' | b'%') {
            canonical.push(char::from(*byte));
        } else {
            canonical.push_str(percent_encoding::percent_encode_byte(*byte));
        }
    }
    Ok(canonical)
}

fn is_escape(bytes: &[u8]) -> bool {
    matches!(bytes, [b'%', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use artifact_core::RepoPath;
    use http::Method;
    use proptest::prelude::*;

    use super::*;

    fn target(kind: RepositoryKind, path: &str, query: Option<&str>) -> Target {
        match classified(kind, path, query) {
            Ok(Route::Serve(target)) => target,
            other => panic!("{path}: {other:?}"),
        }
    }

    fn classified(kind: RepositoryKind, path: &str, query: Option<&str>) -> Result<Route, Reject> {
        let path = RepoPath::from_decoded(path).unwrap();
        let headers = HeaderMap::new();
        let method = &Method::GET;
        classify(&PackageRequest {
            kind,
            method,
            path: &path,
            query,
            headers: &headers,
            remote: None,
        })
    }

    #[test]
    fn a_remote_file_is_immutable_and_opaque() {
        let file = target(RepositoryKind::Remote, "dir/a b+c.tar.gz", None);
        assert_eq!(file.class, Class::Immutable);
        assert_eq!(file.shape, Shape::File);
        assert_eq!(file.source, Variant::SOURCE);
        assert_eq!(file.origin, Origin::Upstream("dir/a%20b%2Bc.tar.gz".to_owned()));
        assert_eq!((file.package, file.content_type), (None, None));
    }

    #[test]
    fn a_remote_directory_is_passed_on_and_never_kept_for_ever() {
        for path in ["", "dir/"] {
            let directory = target(RepositoryKind::Remote, path, None);
            assert_eq!(directory.class, Class::Generic, "{path:?}");
            assert_eq!(directory.shape, Shape::File);
            assert!(directory.html_allowed);
        }
    }

    #[test]
    fn html_is_a_file_only_where_the_name_says_so() {
        for (path, allowed) in
            [("a.html", true), ("a.HTM", true), ("a.tar.gz", false), ("kubectl", false)]
        {
            assert_eq!(target(RepositoryKind::Remote, path, None).html_allowed, allowed, "{path}");
        }
    }

    #[test]
    fn a_query_selects_the_content() {
        for (query, canonical) in [
            (None, ""),
            (Some(""), ""),
            (Some("b=2&a=1"), "?b=2&a=1"),
            (Some("v=a%2fb+c"), "?v=a%2Fb+c"),
            (Some("v=ä \"<>#%zz%"), "?v=%C3%A4%20%22%3C%3E%23%25zz%25"),
        ] {
            let file = target(RepositoryKind::Remote, "a.zip", query);
            assert_eq!(file.source.as_str(), canonical, "{query:?}");
            assert_eq!(file.origin, Origin::Upstream(format!("a.zip{canonical}")), "{query:?}");
            assert_eq!(file.path.as_str(), "a.zip");
        }
    }

    #[test]
    fn an_endless_query_is_refused() {
        let query = "x".repeat(MAX_QUERY + 1);
        assert!(classified(RepositoryKind::Remote, "a", Some(&query)).is_err());
    }

    #[test]
    fn a_hosted_directory_is_a_listing_and_a_hosted_file_has_no_query() {
        let listing = target(RepositoryKind::Local, "dir/", Some("x=1"));
        assert_eq!(listing.shape, Shape::Document { kind: LISTING, variant: HTML });
        assert_eq!(listing.class, Class::Generated);
        let file = target(RepositoryKind::Local, "dir/a", Some("x=1"));
        assert_eq!(file.source, Variant::SOURCE);
        assert_eq!(file.shape, Shape::File);
    }

    #[test]
    fn a_listing_is_data_only_for_those_who_ask_for_data() {
        for (accept, variant) in [
            ("application/json", JSON),
            ("application/json;q=0.9, */*;q=0.1", JSON),
            ("text/html, application/json", HTML),
            ("application/json;q=0", HTML),
            ("*/*", HTML),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, accept.parse().unwrap());
            assert_eq!(listing_variant(&headers), variant, "{accept}");
        }
    }

    proptest! {
        #[test]
        fn a_canonical_query_stays_as_it_is(raw in "[ -~ä%]{1,40}") {
            let canonical = canonical_query(&raw).unwrap();
            let again = canonical_query(canonical.strip_prefix('?').unwrap()).unwrap();
            prop_assert_eq!(again, canonical);
        }

        #[test]
        fn classification_is_total_and_deterministic(
            path in "[ -~ä/]{0,40}",
            query in proptest::option::of("[ -~ä]{0,40}"),
        ) {
            let Ok(path) = RepoPath::from_decoded(&path) else { return Ok(()) };
            for kind in RepositoryKind::ALL {
                let first = classified(kind, path.as_str(), query.as_deref());
                prop_assert!(matches!(&first, Ok(Route::Serve(target)) if target.path == path));
                prop_assert_eq!(first, classified(kind, path.as_str(), query.as_deref()));
            }
        }
    }
}
