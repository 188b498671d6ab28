//! What may be uploaded, and what a hosted repository shows besides its files.

use artifact_core::{
    Algorithm, Entry, ErrorKind, Hosting, PackageRequest, Reject, Rendition, RepoPath, UploadPlan,
};
use http::header::{CONTENT_RANGE, CONTENT_TYPE};
use http::{HeaderMap, Method};

use crate::{GenericProvider, digest_headers, listing, media_type};

impl Hosting for GenericProvider {
    fn admit(&self, request: &PackageRequest<'_>) -> Result<UploadPlan, Reject> {
        if request.method != Method::PUT {
            return Err(Reject::new(ErrorKind::MethodNotAllowed, "files are uploaded with PUT"));
        }
        if request.path.is_directory() {
            return Err(Reject::bad_request("a file cannot have the name of a directory"));
        }
        refuse_partial(request.headers)?;
        Ok(UploadPlan {
            path: request.path.clone(),
            content_type: Some(content_type(request)),
            expected: digest_headers::expected(request.headers)?,
        })
    }

    fn checksum_of(&self, path: &RepoPath) -> Option<(RepoPath, Algorithm)> {
        let (file, extension) = path.as_str().rsplit_once('.')?;
        let algorithm: Algorithm = extension.parse().ok()?;
        let file = RepoPath::from_decoded(file).ok()?;
        (!file.is_directory()).then_some((file, algorithm))
    }

    fn listing(&self, directory: &RepoPath, entries: &[Entry]) -> Vec<Rendition> {
        listing::renditions(directory, entries)
    }
}

/// Refuses what would store something else than the body as the whole file.
fn refuse_partial(headers: &HeaderMap) -> Result<(), Reject> {
    if headers.contains_key(CONTENT_RANGE) {
        return Err(Reject::bad_request("a file is uploaded whole, without content-range"));
    }
    let is_deploy_by_checksum = headers
        .get("x-checksum-deploy")
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
    if is_deploy_by_checksum {
        return Err(Reject::bad_request("x-checksum-deploy is not supported, send the body"));
    }
    Ok(())
}

fn content_type(request: &PackageRequest<'_>) -> String {
    let said = request.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let said = said.map(str::trim).filter(|text| is_media_type(text));
    said.unwrap_or_else(|| media_type::by_name(request.path.file_name().unwrap_or_default()))
        .to_owned()
}

/// Whether a text is worth repeating. The type that clients send for want of a better one is
/// not, and neither is the one that curl gives to bodies that it takes for a form.
fn is_media_type(text: &str) -> bool {
    let essence = text.split(';').next().unwrap_or_default().trim();
    let is_vague = ["application/octet-stream", "application/x-www-form-urlencoded"]
        .iter()
        .any(|vague| essence.eq_ignore_ascii_case(vague));
    !is_vague
        && text.len() <= 255
        && essence.split_once('/').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty())
}

#[cfg(test)]
mod tests {
    use artifact_core::RepositoryKind;
    use http::HeaderName;

    use super::*;

    fn admit(method: &Method, path: &str, headers: &[(&str, &str)]) -> Result<UploadPlan, Reject> {
        let path = RepoPath::from_decoded(path).unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        GenericProvider::new().admit(&PackageRequest {
            kind: RepositoryKind::Local,
            method,
            path: &path,
            query: None,
            headers: &map,
            remote: None,
        })
    }

    #[test]
    fn a_file_is_stored_under_its_path() {
        let plan = admit(&Method::PUT, "dir/a.tar.gz", &[]).unwrap();
        assert_eq!(plan.path.as_str(), "dir/a.tar.gz");
        assert_eq!(plan.content_type.as_deref(), Some("application/gzip"));
        assert!(plan.expected.is_empty());
    }

    #[test]
    fn the_client_knows_the_media_type_better_unless_it_does_not() {
        for (said, stored) in [
            ("text/x-log; charset=latin1", "text/x-log; charset=latin1"),
            ("application/octet-stream", "application/json"),
            ("application/x-www-form-urlencoded", "application/json"),
            ("nonsense", "application/json"),
        ] {
            let plan = admit(&Method::PUT, "a.json", &[("content-type", said)]).unwrap();
            assert_eq!(plan.content_type.as_deref(), Some(stored), "{said}");
        }
    }

    #[test]
    fn what_cannot_be_one_whole_file_is_refused() {
        for (method, path, headers, kind) in [
            (Method::PUT, "dir/", [].as_slice(), ErrorKind::BadRequest),
            (Method::PUT, "", &[], ErrorKind::BadRequest),
            (Method::PUT, "a", &[("content-range", "bytes 0-1/9")], ErrorKind::BadRequest),
            (Method::PUT, "a", &[("x-checksum-deploy", "True")], ErrorKind::BadRequest),
            (Method::PUT, "a", &[("content-md5", "xyz")], ErrorKind::BadRequest),
            (Method::POST, "a", &[], ErrorKind::MethodNotAllowed),
        ] {
            assert_eq!(admit(&method, path, headers).unwrap_err().kind, kind, "{path} {headers:?}");
        }
    }

    #[test]
    fn a_checksum_path_names_its_file() {
        for (path, expected) in [
            ("a.tar.gz.sha256", Some(("a.tar.gz", Algorithm::Sha256))),
            ("d/a.sha512", Some(("d/a", Algorithm::Sha512))),
            ("a.sha1", Some(("a", Algorithm::Sha1))),
            ("a.md5", Some(("a", Algorithm::Md5))),
            ("a.sha256.md5", Some(("a.sha256", Algorithm::Md5))),
            (".sha256", None),
            ("d/.sha256", None),
            ("a.sha256/", None),
            ("sha256", None),
            ("a.asc", None),
        ] {
            let path = RepoPath::from_decoded(path).unwrap();
            let found = GenericProvider::new().checksum_of(&path);
            let found = found.as_ref().map(|(file, algorithm)| (file.as_str(), *algorithm));
            assert_eq!(found, expected, "{path}");
        }
    }
}
