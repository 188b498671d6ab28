//! What a client does during an outage, and how its answer is judged.

use std::fmt;

use anyhow::{Result, bail};
use bytes::Bytes;
use e2e::Exchange;

/// What a client does.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Cell {
    /// Reads an immutable file that this replica served before.
    HotFile,
    /// The same with a file too large for memory.
    HotLargeFile,
    /// Reads a hosted file that this replica served before.
    HotHosted,
    /// Reads a file that only another replica served before.
    ColdFile,
    /// Reads a hosted file that only another replica took in.
    ColdHosted,
    /// Reads a document that is fresh.
    FreshDocument,
    /// Reads a document that has expired and did not change.
    ExpiredDocument,
    /// Reads a document that has expired and did change.
    ChangedDocument,
    /// Reads a mutable file that has expired and did not change.
    ExpiredFile,
    /// Reads a file that nobody has read before.
    MissedFile,
    /// Reads a document that nobody has read before.
    MissedDocument,
    /// Uploads a file.
    Upload,
    /// Lists the repositories.
    ListRepositories,
    /// Makes a repository.
    MakeRepository,
}

impl Cell {
    pub(crate) const ALL: [Self; 14] = [
        Self::HotFile,
        Self::HotLargeFile,
        Self::HotHosted,
        Self::ColdFile,
        Self::ColdHosted,
        Self::FreshDocument,
        Self::ExpiredDocument,
        Self::ChangedDocument,
        Self::ExpiredFile,
        Self::MissedFile,
        Self::MissedDocument,
        Self::Upload,
        Self::ListRepositories,
        Self::MakeRepository,
    ];

    /// Whether the replica has it within its own process or disk.
    pub(crate) fn is_hot(self) -> bool {
        use Cell::{FreshDocument, HotFile, HotHosted, HotLargeFile};
        matches!(self, HotFile | HotLargeFile | HotHosted | FreshDocument)
    }

    fn is_document(self) -> bool {
        use Cell::{ChangedDocument, ExpiredDocument, FreshDocument, MissedDocument};
        matches!(self, FreshDocument | ExpiredDocument | ChangedDocument | MissedDocument)
    }

    fn is_write(self) -> bool {
        matches!(self, Self::Upload | Self::ListRepositories | Self::MakeRepository)
    }
}

/// How an answer came about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Seen {
    /// Right, and from the cache.
    Hit,
    /// Right, from the cache, and confirmed by upstream.
    Confirmed,
    /// Right, from the cache although it has expired.
    Stale,
    /// Right, from upstream, and stored.
    Fetched,
    /// Right, from upstream, and not stored or not yet.
    Passed,
    /// Done.
    Done,
    /// Refused with 503 and a time to come back.
    ComeBack,
    /// Refused with 502.
    NoUpstream,
    /// Refused with 504.
    SlowUpstream,
    /// Refused with 507.
    NoRoom,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hit => "hit",
            Self::Confirmed => "confirmed",
            Self::Stale => "stale",
            Self::Fetched => "fetched",
            Self::Passed => "passed through",
            Self::Done => "done",
            Self::ComeBack => "503, retry",
            Self::NoUpstream => "502",
            Self::SlowUpstream => "504",
            Self::NoRoom => "507",
        })
    }
}

/// What an answer is. Bytes that are wrong are none of it, nor is a 404.
pub(crate) fn judge(cell: Cell, answer: &Exchange, expected: Option<&Bytes>) -> Result<Seen> {
    let told = || {
        let text: String = answer.text().chars().take(300).collect();
        format!("{cell:?}: {} {:?} {text}", answer.status, answer.headers)
    };
    match answer.status.as_u16() {
        200 | 201 => {}
        503 if !answer.header("retry-after").is_empty() => return Ok(Seen::ComeBack),
        502 => return Ok(Seen::NoUpstream),
        504 => return Ok(Seen::SlowUpstream),
        507 => return Ok(Seen::NoRoom),
        _ => bail!("{}", told()),
    }
    if !answer.is_complete || expected.is_some_and(|expected| answer.body != *expected) {
        bail!("wrong bytes, {} of them: {}", answer.body.len(), told());
    }
    if cell.is_document()
        && !["a-1.tar.gz", "a-2.tar.gz"].iter().any(|it| answer.text().contains(it))
    {
        bail!("no document: {}", told());
    }
    Ok(if cell.is_write() { Seen::Done } else { origin_of(answer.cache_status()) })
}

/// How a right answer came about, as `Cache-Status` has it.
fn origin_of(cache_status: &str) -> Seen {
    let parameters: Vec<_> = cache_status.split(';').map(str::trim).collect();
    let has = |parameter| parameters.contains(&parameter);
    if has("hit") {
        Seen::Hit
    } else if has("fwd-status=304") {
        Seen::Confirmed
    } else if has("stored") {
        Seen::Fetched
    } else if has("fwd=stale") && !has("fwd-status=200") {
        Seen::Stale
    } else {
        Seen::Passed
    }
}
