//! Uploads that take several requests, each of which may reach another replica.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use uuid::Uuid;

use crate::{Error, ErrorKind, RepositoryId, Result, Timestamp};

/// The name of an upload: a random UUID, so that knowing it is the right to go on with it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UploadId(Uuid);

/// A text that is no [`UploadId`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not the id of an upload")]
pub struct InvalidUploadId;

impl UploadId {
    /// A new id that nobody can guess.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// The id in a UUID of the database.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The id as a UUID.
    pub const fn as_uuid(&self) -> Uuid {
        self.0
    }
}

impl FromStr for UploadId {
    type Err = InvalidUploadId;

    /// Only the form that [`fmt::Display`] writes: lower case with hyphens.
    fn from_str(text: &str) -> Result<Self, InvalidUploadId> {
        let id = Uuid::try_parse(text).map(Self).map_err(|_| InvalidUploadId)?;
        if id.to_string() == text { Ok(id) } else { Err(InvalidUploadId) }
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// An upload that goes on, or that ended a moment ago.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Upload {
    /// Its id.
    pub id: UploadId,
    /// The repository that it belongs to.
    pub repository: RepositoryId,
    /// What it is for, in the words of the package type. At most [`Self::MAX_NAME`] bytes.
    pub name: String,
    /// How many bytes are durable: where it can be continued.
    pub size: u64,
    /// How it can be continued: [`super::StagedBytes::state`] of these bytes. Empty before the first byte, at
    /// most [`Self::MAX_STATE`] bytes.
    pub state: String,
    /// The digest of the file that it became, if it is complete. At most [`Self::MAX_NAME`] bytes.
    pub finished_as: Option<String>,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When it last made progress.
    pub updated_at: Timestamp,
}

impl Upload {
    /// The longest name of an upload, of the owner of a claim, or of a digest, in bytes.
    pub const MAX_NAME: usize = 1024;
    /// The longest state in bytes.
    pub const MAX_STATE: usize = 64 << 10;

    /// Refuses a text that is no name as it is described here; every store does so before it writes.
    pub fn check_name(text: &str) -> Result<()> {
        check(text, Self::MAX_NAME, "a name of an upload is too long or no text")
    }

    /// Refuses a text that is no state as it is described here; every store does so before it writes.
    pub fn check_state(text: &str) -> Result<()> {
        check(text, Self::MAX_STATE, "the state of an upload is too long or no text")
    }
}

fn check(text: &str, longest: usize, fault: &'static str) -> Result<()> {
    if text.len() <= longest && !text.contains('\0') {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unprocessable, fault))
}

/// What a claim found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Claimed {
    /// The caller alone may write to the upload now, until its claim ends.
    Upload(Upload),
    /// Somebody else writes to it at the moment.
    Busy,
    /// It is complete already.
    Finished(Upload),
    /// There is no such upload.
    Absent,
}

/// What a writer of an upload has made durable.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UploadProgress {
    /// How many bytes are durable now.
    pub size: u64,
    /// How the upload can be continued from there.
    pub state: String,
    /// The present.
    pub now: Timestamp,
    /// Until when the caller's claim lasts.
    pub claimed_until: Timestamp,
}

/// Which uploads may be cleared away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IdlePass {
    /// The present: claims that end later are in force.
    pub now: Timestamp,
    /// Uploads that made progress at or after this moment stay.
    pub idle_since: Timestamp,
    /// At most this many.
    pub limit: usize,
}

/// Uploads that take several requests. One caller at a time writes to an upload: it claims it, and its
/// claim ends by itself should it vanish.
#[async_trait]
pub trait UploadStore: fmt::Debug + Send + Sync {
    /// Keeps a new upload. Fails with [`ErrorKind::Conflict`] if its id exists, with [`ErrorKind::NotFound`] if its
    /// repository does not.
    async fn create_upload(&self, upload: &Upload) -> Result<()>;

    /// An upload, complete or not.
    async fn upload(&self, id: UploadId) -> Result<Option<Upload>>;

    /// Claims an upload for `owner` until `until`, if nobody else's claim is in force at `now`.
    async fn claim_upload(
        &self,
        id: UploadId,
        owner: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Claimed>;

    /// Records progress and prolongs the claim of `owner`; `false` if the claim is lost, the upload complete or gone:
    /// then nothing is recorded. A claim that has ended is lost when somebody else claimed the upload since.
    async fn advance_upload(
        &self,
        id: UploadId,
        owner: &str,
        progress: &UploadProgress,
    ) -> Result<bool>;

    /// Ends the claim of `owner`, if it has one.
    async fn release_upload(&self, id: UploadId, owner: &str) -> Result<()>;

    /// Marks the upload of `owner`'s claim as complete, so that an answer that was lost can be given again, and ends
    /// the claim; `false` if the claim is lost.
    async fn finish_upload(
        &self,
        id: UploadId,
        owner: &str,
        finished_as: &str,
        now: Timestamp,
    ) -> Result<bool>;

    /// Forgets an upload; `false` if there was none.
    async fn remove_upload(&self, id: UploadId) -> Result<bool>;

    /// Uploads, complete or not, that made no progress lately and that nobody's claim holds, oldest first.
    /// Uploads of deleted repositories are among them at once. Who clears one away claims it before, unless it is
    /// complete: somebody may have gone on with it since.
    async fn idle_uploads(&self, pass: IdlePass) -> Result<Vec<Upload>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_refused_that_are_too_long_or_that_no_database_holds() {
        let long = "x".repeat(Upload::MAX_STATE);
        for (text, is_name, is_state) in [
            ("", true, true),
            (&long[..Upload::MAX_NAME], true, true),
            (&long[..=Upload::MAX_NAME], false, true),
            (&long, false, true),
            ("a\0b", false, false),
        ] {
            assert_eq!(Upload::check_name(text).is_ok(), is_name, "{}", text.len());
            assert_eq!(Upload::check_state(text).is_ok(), is_state, "{}", text.len());
        }
        assert!(Upload::check_state(&format!("{long}x")).is_err());
    }
}
