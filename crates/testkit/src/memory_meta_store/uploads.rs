//! Uploads in memory.

use std::collections::HashMap;

use artifact_core::ports::{Claimed, IdlePass, Upload, UploadId, UploadProgress, UploadStore};
use artifact_core::{Error, ErrorKind, Result, Timestamp};
use async_trait::async_trait;

use super::{MemoryMetaStore, State};

/// Uploads by their ids.
pub(super) type Uploads = HashMap<UploadId, Held>;

/// An upload and the claim on it.
#[derive(Debug)]
pub(super) struct Held {
    upload: Upload,
    claim: Option<(String, Timestamp)>,
}

#[async_trait]
impl UploadStore for MemoryMetaStore {
    async fn create_upload(&self, upload: &Upload) -> Result<()> {
        Upload::check_name(&upload.name)?;
        Upload::check_state(&upload.state)?;
        Upload::check_name(upload.finished_as.as_deref().unwrap_or_default())?;
        let mut state = self.enter()?;
        if state.uploads.contains_key(&upload.id) {
            return Err(Error::new(ErrorKind::Conflict, "an upload with this id exists"));
        }
        if !state.has_repository(upload.repository) {
            return Err(Error::new(ErrorKind::NotFound, "the repository does not exist"));
        }
        state.uploads.insert(upload.id, Held { upload: upload.clone(), claim: None });
        Ok(())
    }

    async fn upload(&self, id: UploadId) -> Result<Option<Upload>> {
        Ok(self.enter()?.uploads.get(&id).map(|held| held.upload.clone()))
    }

    async fn claim_upload(
        &self,
        id: UploadId,
        owner: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Claimed> {
        Upload::check_name(owner)?;
        let mut state = self.enter()?;
        let Some(held) = state.uploads.get_mut(&id) else { return Ok(Claimed::Absent) };
        if held.upload.finished_as.is_some() {
            return Ok(Claimed::Finished(held.upload.clone()));
        }
        if held.claim.as_ref().is_some_and(|(holder, end)| holder != owner && *end > now) {
            return Ok(Claimed::Busy);
        }
        held.claim = Some((owner.to_owned(), until));
        Ok(Claimed::Upload(held.upload.clone()))
    }

    async fn advance_upload(
        &self,
        id: UploadId,
        owner: &str,
        progress: &UploadProgress,
    ) -> Result<bool> {
        Upload::check_name(owner)?;
        Upload::check_state(&progress.state)?;
        let mut state = self.enter()?;
        let Some(held) = state.held_by(id, owner) else { return Ok(false) };
        held.upload.size = progress.size;
        held.upload.state.clone_from(&progress.state);
        held.upload.updated_at = progress.now;
        held.claim = Some((owner.to_owned(), progress.claimed_until));
        Ok(true)
    }

    async fn release_upload(&self, id: UploadId, owner: &str) -> Result<()> {
        Upload::check_name(owner)?;
        if let Some(held) = self.enter()?.held_by(id, owner) {
            held.claim = None;
        }
        Ok(())
    }

    async fn finish_upload(
        &self,
        id: UploadId,
        owner: &str,
        finished_as: &str,
        now: Timestamp,
    ) -> Result<bool> {
        Upload::check_name(owner)?;
        Upload::check_name(finished_as)?;
        let mut state = self.enter()?;
        let Some(held) = state.held_by(id, owner) else { return Ok(false) };
        held.upload.finished_as = Some(finished_as.to_owned());
        held.upload.updated_at = now;
        held.claim = None;
        Ok(true)
    }

    async fn remove_upload(&self, id: UploadId) -> Result<bool> {
        Ok(self.enter()?.uploads.remove(&id).is_some())
    }

    async fn idle_uploads(&self, pass: IdlePass) -> Result<Vec<Upload>> {
        let state = self.enter()?;
        let is_idle = |Held { upload, claim }: &Held| {
            let is_forgotten = !state.has_repository(upload.repository);
            let is_claimed = claim.as_ref().is_some_and(|(_, until)| *until > pass.now);
            (upload.updated_at < pass.idle_since || is_forgotten) && !is_claimed
        };
        let idle = state.uploads.values().filter(|held| is_idle(held));
        let mut idle: Vec<_> = idle.map(|held| held.upload.clone()).collect();
        idle.sort_by_key(|upload| (upload.updated_at, upload.id));
        idle.truncate(pass.limit);
        Ok(idle)
    }
}

impl State {
    /// The upload, if it goes on and `owner` claimed it last.
    fn held_by(&mut self, id: UploadId, owner: &str) -> Option<&mut Held> {
        let held = self.uploads.get_mut(&id)?;
        let is_owner = held.claim.as_ref().is_some_and(|(holder, _)| holder == owner);
        (is_owner && held.upload.finished_as.is_none()).then_some(held)
    }
}
