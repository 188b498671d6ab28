//! Fields that only we set. Sent back unchanged they are ignored, so that what was read can
//! be written again; sent with another value they are an error, because they would be lost silently.

use admin_types::{FieldError, Kind};
use serde_json::Value;

const STABLE: [&str; 5] =
    ["url", "created_at", "updated_at", "has_password", "credentials_updated_at"];

/// Every read-only field of a kind. `status`, `objects` and `stored_bytes` move between a read
/// and a write by themselves and are ignored whatever they say.
pub(super) fn fields(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Remote => {
            &["url", "created_at", "updated_at", "has_password", "credentials_updated_at", "status"]
        }
        Kind::Local => &["url", "created_at", "updated_at", "status", "objects", "stored_bytes"],
        Kind::Virtual => &["url", "created_at", "updated_at", "status"],
    }
}

/// The read-only fields of `document` that differ from each of the `views`: what was
/// stored before and what will be.
pub(super) fn contradictions(document: &Value, views: &[Value]) -> Vec<FieldError> {
    let contradicts = |name: &&str| {
        document
            .get(*name)
            .is_some_and(|sent| !views.iter().any(|view| agrees(name, sent, view.get(*name))))
    };
    STABLE
        .into_iter()
        .filter(contradicts)
        .map(|name| {
            let detail = "is set by the server and cannot be changed";
            FieldError::new(format!("#/{name}"), "read_only_field", detail)
        })
        .collect()
}

fn agrees(name: &str, sent: &Value, shown: Option<&Value>) -> bool {
    match (sent, shown) {
        (Value::Null, None | Some(Value::Null)) => true,
        // Without a public URL we know the path only; the listener put some origin before it.
        (Value::String(sent), Some(Value::String(path))) if name == "url" => {
            sent == path || (path.starts_with('/') && is_path_under_origin(sent, path))
        }
        (sent, shown) => Some(sent) == shown,
    }
}

fn is_path_under_origin(url: &str, path: &str) -> bool {
    url.strip_suffix(path)
        .is_some_and(|origin| origin.starts_with("http://") || origin.starts_with("https://"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_another_value_is_an_error() {
        let before = json!({"url": "/api/v1/remote/a", "has_password": false, "created_at": "x"});
        let after = json!({"url": "/api/v1/remote/a", "has_password": true, "created_at": "x"});
        let views = [before, after];
        for (document, expected) in [
            (json!({}), None),
            (json!({"url": "/api/v1/remote/a", "created_at": "x"}), None),
            (json!({"url": "http://host:1/api/v1/remote/a"}), None),
            (json!({"url": "ftp://host/api/v1/remote/a"}), Some("#/url")),
            (json!({"url": "/api/v1/remote/b"}), Some("#/url")),
            (json!({"has_password": false}), None),
            (json!({"has_password": true}), None),
            (json!({"has_password": 1}), Some("#/has_password")),
            (json!({"created_at": "y"}), Some("#/created_at")),
            (json!({"credentials_updated_at": null}), None),
            (json!({"status": {"state": "down"}}), None),
        ] {
            let errors = contradictions(&document, &views);
            let pointer = errors.first().map(|error| error.pointer.as_str());
            assert_eq!(pointer, expected, "{document}");
        }
    }
}
