//! The `Authorization` header and the origin it is bound to.

use artifact_core::Credential;
use artifact_core::ports::UpstreamTarget;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use url::Url;

/// The header for a request to `url`: only if `url` has the scheme, host and port of the
/// `base_url`. An error if the credential cannot be put into a header.
pub(crate) fn authorization(
    target: &UpstreamTarget,
    url: &Url,
) -> Result<Option<HeaderValue>, http::header::InvalidHeaderValue> {
    match &target.credential {
        Some(credential) if target.base_url.origin() == url.origin() => {
            header(credential).map(Some)
        }
        _ => Ok(None),
    }
}

/// The header with which a realm is asked for a token. A credential that is a token itself is none to buy another with.
pub(crate) fn for_realm(
    target: &UpstreamTarget,
) -> Result<Option<HeaderValue>, http::header::InvalidHeaderValue> {
    let credential = target.credential.as_ref().filter(|own| !own.username.is_empty());
    credential.map(header).transpose()
}

fn header(credential: &Credential) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
    let secret = credential.secret.expose();
    let text = if credential.username.is_empty() {
        format!("Bearer {secret}")
    } else {
        format!("Basic {}", STANDARD.encode(format!("{}:{secret}", credential.username)))
    };
    let mut value = HeaderValue::try_from(text)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use artifact_core::{RepositoryId, Secret, Timestamp};

    use super::*;

    fn sent(base_url: &str, username: &str, url: &str) -> Option<HeaderValue> {
        let credential = Credential {
            username: username.to_owned(),
            secret: Secret::new("s3cret"),
            updated_at: Timestamp::EPOCH,
        };
        let target = UpstreamTarget {
            id: RepositoryId(1),
            revision: 1,
            name: "remote".parse().unwrap(),
            base_url: base_url.parse().unwrap(),
            credential: Some(credential),
            allowed_hosts: vec!["cdn.example".to_owned()],
            ca_certificates: String::new(),
        };
        authorization(&target, &url.parse().unwrap()).unwrap()
    }

    #[test]
    fn the_credential_goes_to_its_own_origin_only() {
        let base = "https://registry.example/npm";
        for (url, expected) in [
            ("https://registry.example/npm/x", true),
            ("https://registry.example/other", true),
            ("https://registry.example:443/npm/x", true),
            ("https://registry.example:8443/npm/x", false),
            ("http://registry.example/npm/x", false),
            ("https://registry.example.evil.test/npm/x", false),
            ("https://sub.registry.example/npm/x", false),
            ("https://cdn.example/npm/x", false),
        ] {
            assert_eq!(sent(base, "", url).is_some(), expected, "{url}");
        }
    }

    #[test]
    fn a_user_name_makes_it_basic() {
        let url = "https://registry.example/";
        assert_eq!(sent(url, "", url).unwrap(), "Bearer s3cret");
        assert_eq!(sent(url, "me", url).unwrap(), "Basic bWU6czNjcmV0");
    }

    #[test]
    fn the_header_is_marked_sensitive() {
        let url = "https://registry.example/";
        let value = sent(url, "me", url).unwrap();
        assert!(value.is_sensitive());
        assert_eq!(format!("{value:?}"), "Sensitive");
    }
}
