//! Repositories as the API shows them. Times are RFC 3339 in UTC, durations whole seconds.

use serde::{Deserialize, Serialize};

use crate::Kind;

/// One page of a listing.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Page<T> {
    /// The items in the order asked for.
    pub items: Vec<T>,
    /// Where the next page begins; `null` on the last.
    pub next_cursor: Option<String>,
    /// How many there are on all pages; `null` where counting is costly.
    pub total: Option<u64>,
}

/// A value with its strong entity tag.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Versioned<T> {
    /// The tag with its quotes; empty when the value is not stored.
    pub etag: String,
    /// The value.
    pub value: T,
}

/// A repository of any kind.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Repository {
    /// Known by its `base_url`.
    Remote(Box<RemoteRepository>),
    /// Known by its `members`.
    Virtual(VirtualRepository),
    /// Everything else.
    Local(LocalRepository),
}

impl Repository {
    /// The kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Remote(_) => Kind::Remote,
            Self::Virtual(_) => Kind::Virtual,
            Self::Local(_) => Kind::Local,
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        match self {
            Self::Remote(remote) => &remote.name,
            Self::Virtual(virtual_) => &virtual_.name,
            Self::Local(local) => &local.name,
        }
    }

    /// The package type.
    pub fn package_type(&self) -> &str {
        match self {
            Self::Remote(remote) => &remote.package_type,
            Self::Virtual(virtual_) => &virtual_.package_type,
            Self::Local(local) => &local.package_type,
        }
    }

    /// The address that clients use; a path where the server knows no public URL and nobody
    /// called [`Repository::under_origin`] yet.
    pub fn url(&self) -> &str {
        match self {
            Self::Remote(remote) => &remote.url,
            Self::Virtual(virtual_) => &virtual_.url,
            Self::Local(local) => &local.url,
        }
    }

    /// How it is doing.
    pub fn status(&self) -> &Status {
        match self {
            Self::Remote(remote) => &remote.status,
            Self::Virtual(virtual_) => &virtual_.status,
            Self::Local(local) => &local.status,
        }
    }

    /// The same repository with an absolute address: a path is put behind `origin` (scheme
    /// and host, no trailing slash), anything else is left as it is.
    #[must_use]
    pub fn under_origin(mut self, origin: &str) -> Self {
        let url = match &mut self {
            Self::Remote(remote) => &mut remote.url,
            Self::Virtual(virtual_) => &mut virtual_.url,
            Self::Local(local) => &mut local.url,
        };
        if url.starts_with('/') {
            url.insert_str(0, origin);
        }
        self
    }
}

/// A caching proxy. Its `password` is write-only: omitted keeps it, `null` clears it, a
/// string sets it; no answer ever carries it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent operator switches, one field each in the document"
)]
pub struct RemoteRepository {
    /// Unique over all kinds.
    pub name: String,
    /// The package type; cannot be changed.
    pub package_type: String,
    /// Where upstream's root is, byte for byte as it was written.
    pub base_url: String,
    /// Free text.
    pub description: String,
    /// How long an immutable file is fresh, in seconds; 0 means until it is evicted.
    pub immutable_ttl: u64,
    /// How long a mutable document is fresh, in seconds; 0 means that every request revalidates.
    pub mutable_ttl: u64,
    /// What may be fetched, as regular expressions; empty allows all.
    pub patterns: Vec<String>,
    /// What may never be fetched.
    pub blocklist: Vec<String>,
    /// What is mutable whatever the type says.
    pub mutable_patterns: Vec<String>,
    /// What is immutable whatever the type says, unless `mutable_patterns` match.
    pub immutable_patterns: Vec<String>,
    /// Whether `ban_tags` is enforced.
    pub ban_tags_enabled: bool,
    /// Tags that may not be pulled.
    pub ban_tags: Vec<String>,
    /// The user name towards upstream; empty sends a password as a Bearer token.
    pub username: String,
    /// Whether a password is stored. Read-only.
    pub has_password: bool,
    /// When the password was set. Read-only.
    pub credentials_updated_at: Option<String>,
    /// Hosts that may be reached although their address is private.
    pub allowed_hosts: Vec<String>,
    /// PEM certificates of authorities to trust besides the system's.
    pub ca_certificates: String,
    /// Whether an expired copy is never served, not even when upstream fails.
    pub strict_freshness: bool,
    /// Whether bytes are held back until the whole file is verified.
    pub verify_before_serve: bool,
    /// Whether upstream's 403 means that the file does not exist.
    pub forbidden_means_missing: bool,
    /// Whether upstream must not be contacted.
    pub offline: bool,
    /// Whether reading it needs a token that may.
    #[serde(default)]
    pub private: bool,
    /// Which tool manages it.
    pub managed_by: String,
    /// The address that clients use. Read-only.
    pub url: String,
    /// When it was created. Read-only.
    pub created_at: String,
    /// When it was changed last. Read-only.
    pub updated_at: String,
    /// How it is doing. Read-only.
    pub status: Status,
}

/// Members under one name.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct VirtualRepository {
    /// Unique over all kinds.
    pub name: String,
    /// The package type; cannot be changed.
    pub package_type: String,
    /// Names of repositories of the same type, in order of precedence.
    pub members: Vec<String>,
    /// Whether versions of one name are united over the members instead of being owned by the first.
    pub merge_versions: bool,
    /// The local member that takes what is pushed under this name; absent: nothing can be pushed.
    #[serde(default)]
    pub deployment: Option<String>,
    /// Free text.
    pub description: String,
    /// Whether reading it needs a token that may.
    #[serde(default)]
    pub private: bool,
    /// Which tool manages it.
    pub managed_by: String,
    /// The address that clients use. Read-only.
    pub url: String,
    /// When it was created. Read-only.
    pub created_at: String,
    /// When it was changed last. Read-only.
    pub updated_at: String,
    /// How it is doing, with the members that are not well. Read-only.
    pub status: Status,
}

/// A hosted repository.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LocalRepository {
    /// Unique over all kinds.
    pub name: String,
    /// The package type; cannot be changed.
    pub package_type: String,
    /// Free text.
    pub description: String,
    /// Whether a file may be replaced by other bytes.
    pub allow_overwrite: bool,
    /// Whether reading it needs a token that may.
    #[serde(default)]
    pub private: bool,
    /// Which tool manages it.
    pub managed_by: String,
    /// The address that clients use. Read-only.
    pub url: String,
    /// How many files it holds. Read-only.
    pub objects: u64,
    /// The sum of their sizes. Read-only.
    pub stored_bytes: u64,
    /// When it was created. Read-only.
    pub created_at: String,
    /// When it was changed last. Read-only.
    pub updated_at: String,
    /// How it is doing. Read-only.
    pub status: Status,
}

/// How a repository is doing.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Status {
    /// In one word.
    pub state: State,
    /// Since when; `null` where it is not known.
    #[serde(default)]
    pub since: Option<String>,
    /// What went wrong last; `null` if nothing did.
    #[serde(default)]
    pub last_error: Option<String>,
    /// The members of a virtual repository that are not well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MemberStatus>,
}

impl Status {
    /// A status without any details.
    pub const fn new(state: State) -> Self {
        Self { state, since: None, last_error: None, members: Vec::new() }
    }
}

/// How a member of a virtual repository is doing.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct MemberStatus {
    /// The member.
    pub name: String,
    /// Its state.
    pub state: State,
}

/// How a repository is doing, in one word.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Well.
    Ok,
    /// Some members of a virtual repository are not well.
    Degraded,
    /// Upstream is not asked because it keeps failing, or the repository could not be loaded.
    Down,
    /// Upstream asked us to wait.
    RateLimited,
    /// Upstream is not asked because the operator says so.
    Offline,
}

impl State {
    /// The lower-case word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::RateLimited => "rate_limited",
            Self::Offline => "offline",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn local() -> LocalRepository {
        LocalRepository {
            name: "files".into(),
            package_type: "generic".into(),
            description: String::new(),
            allow_overwrite: false,
            private: false,
            managed_by: String::new(),
            url: "/api/v1/local/files".into(),
            objects: 0,
            stored_bytes: 0,
            created_at: "2026-01-02T03:04:05Z".into(),
            updated_at: "2026-01-02T03:04:05Z".into(),
            status: Status::new(State::Ok),
        }
    }

    #[test]
    fn a_document_finds_its_kind_again() {
        let local = Repository::Local(local());
        let text = serde_json::to_string(&local).unwrap();
        assert_eq!(serde_json::from_str::<Repository>(&text).unwrap(), local);

        let mut document = serde_json::to_value(&local).unwrap();
        document["members"] = json!(["a"]);
        document["merge_versions"] = json!(false);
        let virtual_: Repository = serde_json::from_value(document).unwrap();
        assert_eq!(virtual_.kind(), Kind::Virtual);
    }

    #[test]
    fn only_a_path_is_put_behind_an_origin() {
        let repository = Repository::Local(local()).under_origin("http://host:1");
        assert_eq!(repository.url(), "http://host:1/api/v1/local/files");
        assert_eq!(repository.clone().under_origin("http://other"), repository);
    }

    #[test]
    fn states_read_as_one_word() {
        let states = [State::Ok, State::Degraded, State::Down, State::RateLimited, State::Offline];
        for state in states {
            assert_eq!(serde_json::to_value(state).unwrap(), json!(state.name()));
        }
    }
}
