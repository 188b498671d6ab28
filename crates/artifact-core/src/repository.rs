//! Repositories: what an operator configures.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{PackageType, RepositoryId, RepositoryName, Secret, Timestamp};

/// The three kinds of repository.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RepositoryKind {
    /// A caching proxy of one upstream.
    Remote,
    /// Hosted here.
    Local,
    /// Ordered members under one name.
    Virtual,
}

impl RepositoryKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Remote, Self::Local, Self::Virtual];

    /// The lower-case name, as in paths and labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Remote => "remote",
            Self::Local => "local",
            Self::Virtual => "virtual",
        }
    }
}

impl std::fmt::Display for RepositoryKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A configured repository of any kind.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Repository {
    /// The database's number.
    pub id: RepositoryId,
    /// Unique over all kinds.
    pub name: RepositoryName,
    /// The package type; never changes.
    pub package_type: PackageType,
    /// Free text.
    pub description: String,
    /// Which tool manages it, empty when nobody says so.
    pub managed_by: String,
    /// Whether reading it needs a permission.
    pub private: bool,
    /// Increases with every change.
    pub revision: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// What is particular to its kind.
    pub definition: Definition,
}

impl Repository {
    /// The kind.
    pub fn kind(&self) -> RepositoryKind {
        self.definition.kind()
    }
}

/// What is particular to a kind of repository.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Definition {
    /// A caching proxy.
    Remote(Box<Remote>),
    /// A hosted repository.
    Local(Local),
    /// A merged repository.
    Virtual(Virtual),
}

impl Definition {
    /// The kind.
    pub fn kind(&self) -> RepositoryKind {
        match self {
            Self::Remote(_) => RepositoryKind::Remote,
            Self::Local(_) => RepositoryKind::Local,
            Self::Virtual(_) => RepositoryKind::Virtual,
        }
    }
}

/// A caching proxy of one upstream. Responses fetched with its credential become
/// readable to everyone who may read the remote (RFC 9111, section 3.5).
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent operator switches, named as in the API"
)]
pub struct Remote {
    /// Where upstream's root is, as the operator wrote it; an `http` or `https` URL without user information.
    pub base_url: String,
    /// How long an immutable file stays fresh; zero means until it is evicted.
    pub immutable_ttl: Duration,
    /// How long a mutable document stays fresh; zero means that every request revalidates.
    pub mutable_ttl: Duration,
    /// Allow list of regular expressions over the canonical path; empty allows all.
    pub patterns: Vec<String>,
    /// Paths that are always refused.
    pub blocklist: Vec<String>,
    /// Paths that are mutable whatever the type says; stronger than `immutable_patterns`.
    pub mutable_patterns: Vec<String>,
    /// Paths that are immutable whatever the type says.
    pub immutable_patterns: Vec<String>,
    /// Whether `ban_tags` is enforced.
    pub ban_tags_enabled: bool,
    /// Tags that may not be pulled, for types that have tags.
    pub ban_tags: Vec<String>,
    /// What to say to upstream about who we are.
    pub credential: Option<Credential>,
    /// Hosts (`host` or `host:port`) besides the `base_url`'s own that may be reached although
    /// their address is private.
    pub allowed_hosts: Vec<String>,
    /// PEM certificates of authorities to trust for this remote besides the system's.
    pub ca_certificates: String,
    /// Whether an expired copy may never be served, not even when upstream fails.
    pub strict_freshness: bool,
    /// Whether bytes are held back until the whole file is verified.
    pub verify_before_serve: bool,
    /// Whether upstream's 403 means that the file does not exist.
    pub forbidden_means_missing: bool,
    /// Whether upstream must not be contacted; everything cached is served at any age.
    pub offline: bool,
}

impl Remote {
    /// A remote of `base_url` with the defaults of the management API: everything is admitted,
    /// immutable files are kept until they are evicted, documents are fresh for five minutes.
    pub fn new(base_url: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            immutable_ttl: Duration::ZERO,
            mutable_ttl: Duration::from_secs(300),
            patterns: Vec::new(),
            blocklist: Vec::new(),
            mutable_patterns: Vec::new(),
            immutable_patterns: Vec::new(),
            ban_tags_enabled: false,
            ban_tags: Vec::new(),
            credential: None,
            allowed_hosts: Vec::new(),
            ca_certificates: String::new(),
            strict_freshness: false,
            verify_before_serve: false,
            forbidden_means_missing: false,
            offline: false,
        }
    }
}

/// A credential towards upstream, bound to the origin of the `base_url`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Credential {
    /// The user name; empty sends the secret as a Bearer token.
    pub username: String,
    /// The password or token.
    pub secret: Secret,
    /// When the secret was set.
    pub updated_at: Timestamp,
}

/// A hosted repository.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Local {
    /// Whether a file may be replaced by other bytes.
    pub allow_overwrite: bool,
}

/// A merged repository.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Virtual {
    /// Members in order of precedence.
    pub members: Vec<RepositoryName>,
    /// Whether versions of one name are united over the members instead of being owned by the first.
    pub merge_versions: bool,
    /// The local member that takes what is pushed under this name, for types that are published in several
    /// requests. `None`: nothing can be pushed.
    pub deployment: Option<RepositoryName>,
}
