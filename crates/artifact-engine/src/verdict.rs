//! What the head of upstream's answer means for us: a pure decision.

use artifact_core::ports::UpstreamResponse;
use artifact_core::{Algorithm, Digest, Digests, Error, ErrorKind};
use http::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED, RETRY_AFTER,
};
use http::{HeaderMap, StatusCode};
use std::time::Duration;

/// What to do with an answer.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Its body is the file.
    Body,
    /// Our copy is confirmed.
    Confirmed,
    /// It is no answer that may be stored or passed on.
    Refused(Error),
}

/// What was asked, as far as it decides what may be answered.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about the request")]
pub(crate) struct Asked {
    /// Whether validators were sent.
    pub(crate) conditional: bool,
    /// Whether HTML can be right.
    pub(crate) html_allowed: bool,
    /// Whether a 403 means that the file does not exist.
    pub(crate) forbidden_means_missing: bool,
    /// Whether a 303, which was not followed, means that the file does not exist.
    pub(crate) see_other_means_missing: bool,
    /// Whether the remote has a credential.
    pub(crate) authenticated: bool,
}

/// Judges a head.
pub(crate) fn judge(response: &UpstreamResponse, asked: Asked) -> Verdict {
    let status = response.status;
    match status {
        StatusCode::OK if !asked.html_allowed && is_html(&response.headers) => {
            Verdict::Refused(Error::new(
                ErrorKind::Upstream,
                "the upstream registry sent a web page where a package file was expected",
            ))
        }
        StatusCode::OK => Verdict::Body,
        StatusCode::NOT_MODIFIED if asked.conditional => Verdict::Confirmed,
        _ => Verdict::Refused(refusal(status, &response.headers, asked)),
    }
}

fn refusal(status: StatusCode, headers: &HeaderMap, asked: Asked) -> Error {
    let absent = || Error::new(ErrorKind::NotFound, "the upstream registry does not have it");
    match status.as_u16() {
        404 => absent(),
        303 if asked.see_other_means_missing => absent(),
        403 if asked.forbidden_means_missing => absent(),
        410 => Error::new(ErrorKind::Gone, "the upstream registry has withdrawn it"),
        401 | 403 if asked.authenticated => Error::new(
            ErrorKind::UpstreamAuth,
            "the upstream registry refused the credential of this remote",
        ),
        401 | 403 => Error::new(
            ErrorKind::UpstreamAuth,
            "the upstream registry wants a credential that this remote does not have",
        ),
        429 => Error::new(
            ErrorKind::UpstreamRateLimited,
            "the upstream registry asked us to slow down",
        )
        .with_retry_after(retry_after(headers)),
        451 => Error::new(
            ErrorKind::LegalReasons,
            "withheld by the upstream registry for legal reasons",
        ),
        other => Error::new(
            ErrorKind::Upstream,
            format!("the upstream registry answered with status {other}"),
        ),
    }
}

fn retry_after(headers: &HeaderMap) -> Duration {
    let seconds = text(headers, &RETRY_AFTER).and_then(|value| value.parse().ok()).unwrap_or(30);
    Duration::from_secs(seconds).clamp(Duration::from_secs(1), Duration::from_secs(900))
}

fn is_html(headers: &HeaderMap) -> bool {
    text(headers, &CONTENT_TYPE)
        .is_some_and(|value| value.trim_start().to_ascii_lowercase().starts_with("text/html"))
}

/// A header as text.
pub(crate) fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// The validator with which a broken transfer can be resumed: a strong entity tag, else the
/// date, and only where upstream says that it serves ranges.
pub(crate) fn resume_validator(headers: &HeaderMap) -> Option<String> {
    if !text(headers, &ACCEPT_RANGES)?.eq_ignore_ascii_case("bytes")
        || headers.contains_key(CONTENT_ENCODING)
    {
        return None;
    }
    let strong = text(headers, &ETAG).filter(|tag| tag.starts_with('"'));
    strong.or_else(|| text(headers, &LAST_MODIFIED)).map(ToOwned::to_owned)
}

/// Digests that upstream states in its headers: RFC 9530, `Content-MD5` and the checksum
/// headers of other artifact servers. A plain `ETag` is never read as a digest.
pub(crate) fn stated_digests(headers: &HeaderMap) -> Digests {
    let mut digests = Digests::new();
    for (name, algorithm) in [
        ("x-checksum-sha256", Algorithm::Sha256),
        ("x-checksum-sha512", Algorithm::Sha512),
        ("x-checksum-sha1", Algorithm::Sha1),
        ("x-checksum-md5", Algorithm::Md5),
    ] {
        if let Some(digest) = text(headers, &HeaderName::from_static(name))
            .and_then(|value| Digest::from_hex(algorithm, value).ok())
        {
            digests.insert(digest);
        }
    }
    let md5 = text(headers, &HeaderName::from_static("content-md5"));
    if let Some(digest) = md5.and_then(|value| Digest::from_base64(Algorithm::Md5, value).ok()) {
        digests.insert(digest);
    }
    if let Some(list) = text(headers, &HeaderName::from_static("repr-digest")) {
        list.split(',').filter_map(structured_digest).for_each(|digest| digests.insert(digest));
    }
    digests
}

/// The digest that a header names as `algorithm:hexadecimal`.
pub(crate) fn digest_named_in(headers: &HeaderMap, name: &str) -> Option<Digest> {
    let (algorithm, hex) = headers.get(name)?.to_str().ok()?.split_once(':')?;
    Digest::from_hex(algorithm.parse().ok()?, hex).ok()
}

/// One member of an RFC 9530 dictionary, such as `sha-256=:base64:`.
fn structured_digest(member: &str) -> Option<Digest> {
    let (name, value) = member.trim().split_once('=')?;
    let algorithm = match name {
        "sha-256" => Algorithm::Sha256,
        "sha-512" => Algorithm::Sha512,
        _ => return None,
    };
    let base64 = value.strip_prefix(':')?.strip_suffix(':')?;
    Digest::from_base64(algorithm, base64).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, headers: &[(&str, &str)]) -> UpstreamResponse {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        UpstreamResponse {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            url: "http://upstream.example/x".parse().unwrap(),
            length: None,
            framed: true,
            body: Box::pin(futures_util::stream::empty()),
        }
    }

    fn refused(status: u16, change: impl FnOnce(&mut Asked)) -> ErrorKind {
        let mut asked = Asked {
            conditional: false,
            html_allowed: false,
            forbidden_means_missing: false,
            see_other_means_missing: false,
            authenticated: false,
        };
        change(&mut asked);
        match judge(&response(status, &[]), asked) {
            Verdict::Refused(error) => error.kind(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_authoritative_absence_becomes_absence() {
        for (status, kind) in [
            (404, ErrorKind::NotFound),
            (410, ErrorKind::Gone),
            (401, ErrorKind::UpstreamAuth),
            (403, ErrorKind::UpstreamAuth),
            (429, ErrorKind::UpstreamRateLimited),
            (451, ErrorKind::LegalReasons),
            (400, ErrorKind::Upstream),
            (500, ErrorKind::Upstream),
            (503, ErrorKind::Upstream),
            (206, ErrorKind::Upstream),
            (302, ErrorKind::Upstream),
            (303, ErrorKind::Upstream),
            (304, ErrorKind::Upstream),
        ] {
            assert_eq!(refused(status, |_| {}), kind, "{status}");
        }
        assert_eq!(refused(403, |asked| asked.forbidden_means_missing = true), ErrorKind::NotFound);
        assert_eq!(refused(303, |asked| asked.see_other_means_missing = true), ErrorKind::NotFound);
    }

    #[test]
    fn a_web_page_is_refused_where_a_package_is_expected() {
        let page = response(200, &[("content-type", "Text/HTML; charset=utf-8")]);
        let asked = |html_allowed| Asked {
            conditional: true,
            html_allowed,
            forbidden_means_missing: false,
            see_other_means_missing: false,
            authenticated: true,
        };
        assert!(matches!(judge(&page, asked(false)), Verdict::Refused(_)));
        assert!(matches!(judge(&page, asked(true)), Verdict::Body));
        assert!(matches!(judge(&response(304, &[]), asked(false)), Verdict::Confirmed));
    }

    #[test]
    fn only_a_strong_validator_allows_to_resume() {
        let validator =
            |headers: &[(&str, &str)]| resume_validator(&response(200, headers).headers);
        let ranges = ("accept-ranges", "bytes");
        assert_eq!(validator(&[ranges, ("etag", "\"a\"")]).as_deref(), Some("\"a\""));
        assert_eq!(validator(&[ranges, ("etag", "W/\"a\"")]), None);
        assert_eq!(validator(&[("etag", "\"a\"")]), None);
        assert_eq!(validator(&[ranges, ("etag", "\"a\""), ("content-encoding", "gzip")]), None);
    }

    #[test]
    fn digests_are_read_from_the_headers_that_mean_them() {
        let empty_md5 = "1B2M2Y8AsgTpgAmY7PhCfg==";
        let empty_sha256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        let digests = stated_digests(
            &response(
                200,
                &[
                    ("content-md5", empty_md5),
                    ("repr-digest", &format!("sha-256=:{empty_sha256}:, unknown=:x:")),
                    ("x-checksum-sha1", "not hexadecimal"),
                    ("etag", "\"d41d8cd98f00b204e9800998ecf8427e\""),
                ],
            )
            .headers,
        );
        let found: Vec<_> = digests.iter().map(Digest::algorithm).collect();
        assert_eq!(found, [Algorithm::Md5, Algorithm::Sha256]);
    }
}
