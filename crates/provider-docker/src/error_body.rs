//! Errors in the envelope that clients of registries read.

use artifact_core::{ErrorBody, Problem};
use registry_v2::{ErrorCode, ErrorEntry, Resource, envelope};

/// The most errors of one answer.
const MOST: usize = 100;

pub(crate) fn error_body(problem: &Problem<'_>) -> ErrorBody {
    let code = problem.code.unwrap_or_else(|| code_of(problem).name());
    let message = format!("{} (req {})", problem.message, problem.request_id);
    let entry = |detail| ErrorEntry { code, message: &message, detail };
    let is_about_blobs =
        [ErrorCode::ManifestBlobUnknown, ErrorCode::BlobUnknown].iter().any(|c| c.name() == code);
    let body = match problem.details {
        [] => envelope(&[entry(None)]),
        details if is_about_blobs => {
            let details = details.iter().take(MOST);
            envelope(&details.map(|detail| entry(Some(detail))).collect::<Vec<_>>())
        }
        details => {
            let named: Vec<_> = details.iter().take(MOST).map(String::as_str).collect();
            envelope(&[entry(Some(&named.join(", ")))])
        }
    };
    ErrorBody { content_type: "application/json", body }
}

/// The word for a problem to which nobody gave one: by its status, and by what was asked for.
fn code_of(problem: &Problem<'_>) -> ErrorCode {
    let path = problem.path.trim_start_matches('/');
    let resource = Resource::split(path).map(|(_, resource)| resource);
    let names_something = !problem.details.is_empty();
    match problem.status {
        400 => malformed(resource, names_something),
        401 => ErrorCode::Unauthorized,
        403 | 409 | 451 => ErrorCode::Denied,
        404 | 410 => absent(resource),
        // What is still needed cannot be removed.
        405 if names_something => ErrorCode::Denied,
        405 => ErrorCode::Unsupported,
        413 if matches!(resource, Some(Resource::Manifest(_))) => ErrorCode::ManifestInvalid,
        413 => ErrorCode::SizeInvalid,
        416 => ErrorCode::BlobUploadInvalid,
        // Bytes that contradict a digest.
        422 => ErrorCode::DigestInvalid,
        429 => ErrorCode::TooManyRequests,
        _ => ErrorCode::Unknown,
    }
}

/// Of referrers clients ask the manifest's tag next, but not after hearing that the image is unknown.
fn absent(resource: Option<Resource<'_>>) -> ErrorCode {
    match resource {
        Some(Resource::Manifest(_) | Resource::Referrers(_)) => ErrorCode::ManifestUnknown,
        Some(Resource::Blob(_)) => ErrorCode::BlobUnknown,
        Some(Resource::Upload(_)) => ErrorCode::BlobUploadUnknown,
        Some(Resource::Uploads | Resource::Tags) | None => ErrorCode::NameUnknown,
    }
}

fn malformed(resource: Option<Resource<'_>>, names_something: bool) -> ErrorCode {
    match resource {
        Some(Resource::Manifest(_)) if names_something => ErrorCode::ManifestBlobUnknown,
        Some(Resource::Manifest(_)) => ErrorCode::ManifestInvalid,
        Some(Resource::Blob(_) | Resource::Referrers(_)) => ErrorCode::DigestInvalid,
        Some(Resource::Upload(_) | Resource::Uploads) => ErrorCode::BlobUploadInvalid,
        Some(Resource::Tags) | None => ErrorCode::NameInvalid,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn errors(problem: &Problem<'_>) -> Vec<Value> {
        let body = error_body(problem);
        assert_eq!(body.content_type, "application/json");
        let value: Value = serde_json::from_slice(&body.body).unwrap();
        value["errors"].as_array().unwrap().clone()
    }

    fn code(status: u16, path: &str, details: &[String]) -> String {
        let problem = Problem { status, path, details, ..Problem::default() };
        errors(&problem)[0]["code"].as_str().unwrap().to_owned()
    }

    #[test]
    fn the_code_goes_by_the_status_and_by_what_was_asked_for() {
        for (status, path, expected) in [
            (404, "a/manifests/latest", "MANIFEST_UNKNOWN"),
            (404, "/a/manifests/latest", "MANIFEST_UNKNOWN"),
            (404, "a/blobs/sha256%3A00", "BLOB_UNKNOWN"),
            (404, "a/blobs/uploads/0", "BLOB_UPLOAD_UNKNOWN"),
            (404, "a/blobs/uploads/", "NAME_UNKNOWN"),
            (404, "a/tags/list", "NAME_UNKNOWN"),
            (404, "a/referrers/sha256:00", "MANIFEST_UNKNOWN"),
            (404, "", "NAME_UNKNOWN"),
            (410, "a/manifests/latest", "MANIFEST_UNKNOWN"),
            (400, "a/manifests/latest", "MANIFEST_INVALID"),
            (400, "a/blobs/x", "DIGEST_INVALID"),
            (400, "a/blobs/uploads/0", "BLOB_UPLOAD_INVALID"),
            (400, "a/referrers/x", "DIGEST_INVALID"),
            (400, "a%00", "NAME_INVALID"),
            (401, "a/manifests/latest", "UNAUTHORIZED"),
            (403, "a/manifests/latest", "DENIED"),
            (405, "a/manifests/latest", "UNSUPPORTED"),
            (409, "a/manifests/latest", "DENIED"),
            (413, "a/manifests/latest", "MANIFEST_INVALID"),
            (413, "a/blobs/uploads/0", "SIZE_INVALID"),
            (416, "a/blobs/uploads/0", "BLOB_UPLOAD_INVALID"),
            (422, "a/blobs/uploads/0", "DIGEST_INVALID"),
            (429, "a/manifests/latest", "TOOMANYREQUESTS"),
            (500, "a/manifests/latest", "UNKNOWN"),
            (502, "a/manifests/latest", "UNKNOWN"),
            (503, "a/blobs/x", "UNKNOWN"),
            (504, "", "UNKNOWN"),
        ] {
            assert_eq!(code(status, path, &[]), expected, "{status} {path}");
        }
    }

    #[test]
    fn what_is_missing_has_an_entry_each() {
        let details = ["sha256:00".to_owned(), "sha256:01".to_owned()];
        let problem = Problem {
            status: 400,
            message: "files are missing",
            request_id: "r1",
            path: "a/manifests/latest",
            details: &details,
            code: None,
        };
        let entry = |detail: &str| {
            json!({
                "code": "MANIFEST_BLOB_UNKNOWN",
                "message": "files are missing (req r1)",
                "detail": detail,
            })
        };
        assert_eq!(errors(&problem), [entry("sha256:00"), entry("sha256:01")]);
    }

    #[test]
    fn what_is_needed_is_named_in_one_entry() {
        let details = ["a/_manifests/sha256:00".to_owned()];
        let problem = Problem {
            status: 405,
            path: "a/blobs/sha256:01",
            details: &details,
            ..Problem::default()
        };
        let errors = errors(&problem);
        assert_eq!(errors.len(), 1);
        assert_eq!(
            (&errors[0]["code"], &errors[0]["detail"]),
            (&"DENIED".into(), &details[0].as_str().into())
        );
    }

    #[test]
    fn a_word_that_was_given_is_used() {
        let problem = Problem { status: 400, code: Some("TAG_INVALID"), ..Problem::default() };
        assert_eq!(errors(&problem)[0]["code"], "TAG_INVALID");
        assert_eq!(errors(&problem)[0].get("detail"), None);
    }
}
