//! What repositories hold.

use serde::{Deserialize, Serialize};

use crate::Kind;

/// One page of objects and folded prefixes, both in order of path.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct ObjectPage {
    /// Objects.
    pub items: Vec<Object>,
    /// One entry per folded directory when a delimiter was given.
    pub prefixes: Vec<ObjectPrefix>,
    /// Where the next page begins; `null` on the last.
    pub next_cursor: Option<String>,
    /// How many there are on all pages; `null` where counting is costly.
    pub total: Option<u64>,
}

/// A cached or hosted file.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Object {
    /// The repository's name.
    pub repository: String,
    /// Its kind.
    pub kind: Kind,
    /// The canonical path.
    pub path: String,
    /// Which representation of the path; left out for the only or untouched one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
    /// The size.
    pub size_bytes: u64,
    /// The media type.
    pub content_type: Option<String>,
    /// The SHA-256 of the bytes in hexadecimal.
    pub sha256: String,
    /// How freshness is judged: `immutable`, `mutable`, `generated` or `generic`.
    pub class: String,
    /// The state at this moment.
    pub state: ObjectState,
    /// When these bytes were stored.
    pub cached_at: String,
    /// When upstream confirmed them last.
    pub validated_at: String,
    /// Until when they are fresh; `null` is for ever.
    pub expires_at: Option<String>,
    /// When it was served last, to the hour.
    pub last_accessed_at: Option<String>,
    /// How often it was served.
    pub hits: u64,
    /// The URL that answered; `null` for hosted files.
    pub upstream_url: Option<String>,
}

/// A folded directory.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ObjectPrefix {
    /// The common prefix with its delimiter.
    pub prefix: String,
    /// Objects below it.
    pub objects: u64,
    /// The sum of their sizes.
    pub size_bytes: u64,
    /// Whether counting ended early, so that there may be more: a page never counts more than some
    /// hundred thousand objects, whatever lies below it.
    #[serde(default)]
    pub at_least: bool,
}

/// The state of an object.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectState {
    /// Served without asking upstream.
    Fresh,
    /// Expired: upstream is asked first.
    Stale,
    /// A remembered absence. Those are hints with seconds to live and never listed.
    Negative,
    /// On its way. What is not complete is not an object yet and never listed.
    Incomplete,
}

impl ObjectState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Fresh, Self::Stale, Self::Negative, Self::Incomplete];

    /// The lower-case word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Negative => "negative",
            Self::Incomplete => "incomplete",
        }
    }
}

/// What an eviction removed, or would remove.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Evicted {
    /// Objects.
    pub objects: u64,
    /// The sum of their sizes.
    pub bytes: u64,
    /// Whether nothing was really removed.
    pub dry_run: bool,
}
