//! The artifact row: everything known about one cached or hosted file but its bytes.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{BlobId, Digests, RepoPath, RepositoryId, Timestamp};

/// How the freshness of a file is judged.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// The bytes under this path never change.
    Immutable,
    /// An index that upstream rewrites.
    Mutable,
    /// Made by us.
    Generated,
    /// Unknown: upstream's own freshness headers decide, within bounds.
    Generic,
}

impl Class {
    /// The lower-case name, as in the database, the API and labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Immutable => "immutable",
            Self::Mutable => "mutable",
            Self::Generated => "generated",
            Self::Generic => "generic",
        }
    }
}

impl FromStr for Class {
    type Err = UnknownClass;

    fn from_str(name: &str) -> Result<Self, UnknownClass> {
        [Self::Immutable, Self::Mutable, Self::Generated, Self::Generic]
            .into_iter()
            .find(|class| class.name() == name)
            .ok_or(UnknownClass)
    }
}

/// A text that names no [`Class`].
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("not a class of artifact")]
pub struct UnknownClass;

/// Which representation of a path a row holds: a small word picked by the provider, never
/// a client's raw header.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Variant(Cow<'static, str>);

impl Variant {
    /// The only representation of a file, and the untouched upstream form of a document.
    pub const SOURCE: Self = Self(Cow::Borrowed(""));

    /// A representation known at compile time.
    pub const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// A representation with a name made at run time. The name must come from a bounded set
    /// or be checked against a document before anything is stored under it.
    pub fn named(name: String) -> Self {
        Self(Cow::Owned(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The key of a row.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RowKey {
    /// The repository.
    pub repository: RepositoryId,
    /// The canonical path.
    pub path: RepoPath,
    /// The representation.
    pub variant: Variant,
}

/// Everything known about one cached or hosted file. Written only after the blob that it
/// points at is complete, verified and durable.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ArtifactRow {
    /// The key.
    pub key: RowKey,
    /// The bytes.
    pub blob: BlobId,
    /// Their number.
    pub size: u64,
    /// How freshness is judged.
    pub class: Class,
    /// The media type to send.
    pub content_type: Option<String>,
    /// Upstream's entity tag, for revalidation only.
    pub upstream_etag: Option<String>,
    /// Upstream's `Last-Modified`, for revalidation; for a hosted file absent.
    pub upstream_last_modified: Option<String>,
    /// The URL that finally answered, without its query; relative links are resolved against it.
    pub upstream_url: Option<String>,
    /// Digests besides the blob's own SHA-256.
    pub checksums: Digests,
    /// When these bytes were stored.
    pub fetched_at: Timestamp,
    /// When upstream last confirmed them.
    pub validated_at: Timestamp,
    /// Until when they are fresh; `None` is for ever.
    pub expires_at: Option<Timestamp>,
    /// Increases with every change of the row; the compare-and-swap value of a publish.
    pub generation: i64,
}
