//! The stored form of what is particular to a kind of repository.
//!
//! Kept apart from the domain types so that those can change without making a database
//! unreadable. Fields may be added with a default; a name is never given another meaning.
//! What is true of every kind, and came later than the columns, is a field here, too.

use std::time::Duration;

use artifact_core::{
    Credential, Definition, Local, Remote, RepositoryName, Secret, Timestamp, Virtual,
};
use serde::{Deserialize, Serialize};

/// What is stored of a repository besides its columns.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct StoredForm {
    #[serde(flatten)]
    pub(crate) definition: StoredDefinition,
    /// Written only when it is set, so that the form of all others stays as it was.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) private: bool,
}

/// A definition without its secret.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum StoredDefinition {
    Remote(Box<StoredRemote>),
    Local(StoredLocal),
    Virtual(StoredVirtual),
}

#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "mirrors the domain type")]
pub(crate) struct StoredRemote {
    base_url: String,
    immutable_ttl_seconds: u64,
    mutable_ttl_seconds: u64,
    patterns: Vec<String>,
    blocklist: Vec<String>,
    mutable_patterns: Vec<String>,
    immutable_patterns: Vec<String>,
    ban_tags_enabled: bool,
    ban_tags: Vec<String>,
    credential: Option<StoredCredential>,
    allowed_hosts: Vec<String>,
    ca_certificates: String,
    strict_freshness: bool,
    verify_before_serve: bool,
    forbidden_means_missing: bool,
    offline: bool,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct StoredCredential {
    username: String,
    updated_at: Timestamp,
}

#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct StoredLocal {
    allow_overwrite: bool,
}

#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct StoredVirtual {
    members: Vec<RepositoryName>,
    merge_versions: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment: Option<RepositoryName>,
}

impl StoredDefinition {
    /// Takes a definition apart into what may be stored in the clear and its secret.
    pub(crate) fn take_apart(definition: &Definition) -> (Self, Option<&Secret>) {
        match definition {
            Definition::Remote(remote) => {
                (Self::Remote(Box::new(StoredRemote::new(remote))), secret_of(remote))
            }
            Definition::Local(Local { allow_overwrite }) => {
                (Self::Local(StoredLocal { allow_overwrite: *allow_overwrite }), None)
            }
            Definition::Virtual(Virtual { members, merge_versions, deployment }) => {
                let (members, deployment) = (members.clone(), deployment.clone());
                let merge_versions = *merge_versions;
                (Self::Virtual(StoredVirtual { members, merge_versions, deployment }), None)
            }
        }
    }

    /// Puts a definition together again.
    pub(crate) fn put_together(self, secret: Option<Secret>) -> Definition {
        match self {
            Self::Remote(remote) => Definition::Remote(Box::new(remote.restore(secret))),
            Self::Local(StoredLocal { allow_overwrite }) => {
                Definition::Local(Local { allow_overwrite })
            }
            Self::Virtual(StoredVirtual { members, merge_versions, deployment }) => {
                Definition::Virtual(Virtual { members, merge_versions, deployment })
            }
        }
    }
}

impl StoredRemote {
    fn new(remote: &Remote) -> Self {
        Self {
            base_url: remote.base_url.clone(),
            immutable_ttl_seconds: remote.immutable_ttl.as_secs(),
            mutable_ttl_seconds: remote.mutable_ttl.as_secs(),
            patterns: remote.patterns.clone(),
            blocklist: remote.blocklist.clone(),
            mutable_patterns: remote.mutable_patterns.clone(),
            immutable_patterns: remote.immutable_patterns.clone(),
            ban_tags_enabled: remote.ban_tags_enabled,
            ban_tags: remote.ban_tags.clone(),
            credential: remote.credential.as_ref().map(StoredCredential::new),
            allowed_hosts: remote.allowed_hosts.clone(),
            ca_certificates: remote.ca_certificates.clone(),
            strict_freshness: remote.strict_freshness,
            verify_before_serve: remote.verify_before_serve,
            forbidden_means_missing: remote.forbidden_means_missing,
            offline: remote.offline,
        }
    }

    fn restore(self, secret: Option<Secret>) -> Remote {
        let credential = self.credential.zip(secret).map(|(credential, secret)| Credential {
            username: credential.username,
            secret,
            updated_at: credential.updated_at,
        });
        Remote {
            base_url: self.base_url,
            immutable_ttl: Duration::from_secs(self.immutable_ttl_seconds),
            mutable_ttl: Duration::from_secs(self.mutable_ttl_seconds),
            patterns: self.patterns,
            blocklist: self.blocklist,
            mutable_patterns: self.mutable_patterns,
            immutable_patterns: self.immutable_patterns,
            ban_tags_enabled: self.ban_tags_enabled,
            ban_tags: self.ban_tags,
            credential,
            allowed_hosts: self.allowed_hosts,
            ca_certificates: self.ca_certificates,
            strict_freshness: self.strict_freshness,
            verify_before_serve: self.verify_before_serve,
            forbidden_means_missing: self.forbidden_means_missing,
            offline: self.offline,
        }
    }
}

impl StoredCredential {
    fn new(credential: &Credential) -> Self {
        Self { username: credential.username.clone(), updated_at: credential.updated_at }
    }
}

fn secret_of(remote: &Remote) -> Option<&Secret> {
    remote.credential.as_ref().map(|credential| &credential.secret)
}

/// `new`, dating its secret back to when `stored` got the same one: setting a secret again is
/// no change.
pub(crate) fn keep_secret_date(stored: &Definition, mut new: Definition) -> Definition {
    if let (Definition::Remote(stored), Definition::Remote(new)) = (stored, &mut new)
        && let (Some(stored), Some(new)) = (&stored.credential, &mut new.credential)
        && stored.secret == new.secret
    {
        new.updated_at = stored.updated_at;
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = r#"{"kind":"remote","base_url":"https://registry.example","immutable_ttl_seconds":0,"mutable_ttl_seconds":300,"patterns":["^a"],"blocklist":["^b"],"mutable_patterns":["^c"],"immutable_patterns":["^d"],"ban_tags_enabled":true,"ban_tags":["latest"],"credential":{"username":"robot","updated_at":1700000000000},"allowed_hosts":["10.0.0.1:8080"],"ca_certificates":"PEM","strict_freshness":true,"verify_before_serve":true,"forbidden_means_missing":true,"offline":true}"#;

    fn remote() -> Definition {
        Definition::Remote(Box::new(Remote {
            base_url: "https://registry.example".to_owned(),
            immutable_ttl: Duration::ZERO,
            mutable_ttl: Duration::from_secs(300),
            patterns: vec!["^a".to_owned()],
            blocklist: vec!["^b".to_owned()],
            mutable_patterns: vec!["^c".to_owned()],
            immutable_patterns: vec!["^d".to_owned()],
            ban_tags_enabled: true,
            ban_tags: vec!["latest".to_owned()],
            credential: Some(Credential {
                username: "robot".to_owned(),
                secret: Secret::new("hunter2"),
                updated_at: Timestamp::from_seconds(1_700_000_000),
            }),
            allowed_hosts: vec!["10.0.0.1:8080".to_owned()],
            ca_certificates: "PEM".to_owned(),
            strict_freshness: true,
            verify_before_serve: true,
            forbidden_means_missing: true,
            offline: true,
        }))
    }

    #[test]
    fn the_stored_form_of_a_remote_stays_as_it_is() {
        let definition = remote();
        let (stored, secret) = StoredDefinition::take_apart(&definition);
        assert_eq!(serde_json::to_string(&stored).unwrap(), GOLDEN);
        let read: StoredDefinition = serde_json::from_str(GOLDEN).unwrap();
        assert_eq!(read.put_together(secret.cloned()), definition);
    }

    #[test]
    fn the_stored_forms_of_hosted_and_merged_repositories_stay_as_they_are() {
        let members = vec!["a".parse().unwrap(), "b".parse().unwrap()];
        for (definition, golden) in [
            (
                Definition::Local(Local { allow_overwrite: true }),
                r#"{"kind":"local","allow_overwrite":true}"#,
            ),
            (
                Definition::Virtual(Virtual {
                    members: members.clone(),
                    merge_versions: true,
                    deployment: None,
                }),
                r#"{"kind":"virtual","members":["a","b"],"merge_versions":true}"#,
            ),
            (
                Definition::Virtual(Virtual {
                    deployment: members.first().cloned(),
                    members,
                    merge_versions: false,
                }),
                r#"{"kind":"virtual","members":["a","b"],"merge_versions":false,"deployment":"a"}"#,
            ),
        ] {
            let (stored, _) = StoredDefinition::take_apart(&definition);
            assert_eq!(serde_json::to_string(&stored).unwrap(), golden);
            let read: StoredDefinition = serde_json::from_str(golden).unwrap();
            assert_eq!(read.put_together(None), definition);
        }
    }

    #[test]
    fn unknown_fields_are_ignored_and_missing_ones_have_defaults() {
        let text = r#"{"kind":"remote","base_url":"https://x.example","from_the_future":{"a":1}}"#;
        let read: StoredDefinition = serde_json::from_str(text).unwrap();
        let Definition::Remote(remote) = read.put_together(None) else { panic!("not a remote") };
        assert_eq!(remote.base_url, "https://x.example");
        assert!(remote.credential.is_none() && !remote.offline);
    }

    #[test]
    fn what_is_private_says_so_and_everything_else_says_nothing() {
        let definition = Definition::Local(Local { allow_overwrite: false });
        for (private, golden) in [
            (false, r#"{"kind":"local","allow_overwrite":false}"#),
            (true, r#"{"kind":"local","allow_overwrite":false,"private":true}"#),
        ] {
            let (stored, _) = StoredDefinition::take_apart(&definition);
            let form = StoredForm { definition: stored, private };
            assert_eq!(serde_json::to_string(&form).unwrap(), golden);
            assert_eq!(serde_json::from_str::<StoredForm>(golden).unwrap(), form);
        }
        let remote: StoredForm = serde_json::from_str(GOLDEN).unwrap();
        assert!(!remote.private);
    }

    #[test]
    fn no_secret_is_in_the_stored_form() {
        let definition = remote();
        let (stored, secret) = StoredDefinition::take_apart(&definition);
        assert!(!serde_json::to_string(&stored).unwrap().contains("hunter2"));
        assert_eq!(secret.map(Secret::expose), Some("hunter2"));
    }
}
