//! Where a redirect leads and what goes along.
//!
//! Whether the place may be asked at all is decided anew by [`crate::destination`].

use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use url::Url;

/// One request in a chain of redirects.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Hop {
    pub(crate) url: Url,
    pub(crate) method: Method,
    /// Whether the request's own body goes along.
    pub(crate) has_body: bool,
    /// A token for the origin of `url`, instead of the remote's credential.
    pub(crate) token: Option<HeaderValue>,
}

/// A `Location` that is no URL.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error("the redirect names no usable location")]
pub(crate) struct BadLocation;

/// The next hop after `hop` was answered by `status` and `headers`; nothing if the answer is final.
pub(crate) fn next(
    hop: &Hop,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Option<Hop>, BadLocation> {
    let keeps_method = match status.as_u16() {
        301..=303 => hop.method == Method::GET || hop.method == Method::HEAD,
        307 | 308 => true,
        _ => return Ok(None),
    };
    let Some(location) = headers.get(LOCATION) else {
        return Ok(None);
    };
    let location = location.to_str().map_err(|_| BadLocation)?;
    let mut url = hop.url.join(location).map_err(|_| BadLocation)?;
    url.set_fragment(None);
    // Stores that sign their URLs refuse a second proof, and others must not see it.
    let token = hop.token.clone().filter(|_| url.origin() == hop.url.origin());
    Ok(Some(if keeps_method {
        Hop { url, token, ..hop.clone() }
    } else {
        Hop { url, method: Method::GET, has_body: false, token }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(method: Method, status: u16, location: Option<&'static str>) -> Option<Hop> {
        let has_body = method == Method::POST;
        let hop =
            Hop { url: "https://a.example/x/y?q".parse().unwrap(), method, has_body, token: None };
        let mut headers = HeaderMap::new();
        if let Some(location) = location {
            headers.insert(LOCATION, HeaderValue::from_static(location));
        }
        next(&hop, StatusCode::from_u16(status).unwrap(), &headers).unwrap()
    }

    #[test]
    fn locations_are_resolved_against_the_hop() {
        for (location, expected) in [
            ("https://b.example/z", "https://b.example/z"),
            ("//b.example/z", "https://b.example/z"),
            ("/z?signed=1#part", "https://a.example/z?signed=1"),
            ("z", "https://a.example/x/z"),
        ] {
            let hop = follow(Method::GET, 302, Some(location)).unwrap();
            assert_eq!(hop.url.as_str(), expected);
        }
    }

    #[test]
    fn the_method_survives_where_the_status_says_so() {
        for (status, method, expected, has_body) in [
            (301, Method::GET, Method::GET, false),
            (303, Method::HEAD, Method::HEAD, false),
            (302, Method::POST, Method::GET, false),
            (303, Method::POST, Method::GET, false),
            (307, Method::POST, Method::POST, true),
            (308, Method::POST, Method::POST, true),
        ] {
            let hop = follow(method, status, Some("/z")).unwrap();
            assert_eq!((hop.method, hop.has_body), (expected, has_body), "{status}");
        }
    }

    #[test]
    fn other_answers_are_final() {
        for status in [200, 201, 300, 304, 305, 404] {
            assert_eq!(follow(Method::GET, status, Some("/z")), None, "{status}");
        }
        assert_eq!(follow(Method::GET, 302, None), None);
    }

    #[test]
    fn an_unusable_location_is_an_error() {
        let url = "https://a.example/".parse().unwrap();
        let hop = Hop { url, method: Method::GET, has_body: false, token: None };
        for location in [&b"https://[broken"[..], b"\xff\xfe"] {
            let mut headers = HeaderMap::new();
            headers.insert(LOCATION, HeaderValue::from_bytes(location).unwrap());
            assert_eq!(next(&hop, StatusCode::FOUND, &headers), Err(BadLocation));
        }
    }
}
