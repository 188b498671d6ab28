//! Believing a document: what happens between its last byte and its row.
//!
//! A document that cannot be read never takes the place of one that can. Files that change
//! together with it are fetched before, so that nobody is shown an index whose parts are gone, and
//! cached files that it contradicts are dropped or reported.

use std::pin::Pin;
use std::sync::Arc;

use artifact_core::{
    BlobId, Error, ErrorKind, Facts, FileFact, Inspection, Part, Presence, Result, RowKey,
};
use bytes::Bytes;

use crate::contradictions::{agrees, drop_contradicted};
use crate::documents::Loaded;
use crate::flight::{Job, Phase};
use crate::publish;
use crate::remote::{Place, Wanted, forget_failure, job_at, take_off};
use crate::rows::HotRow;
use crate::shared::Shared;
use crate::snapshot::Mounted;
use crate::survey;

/// A document that was received whole and is what upstream sent.
pub(crate) struct Received {
    pub(crate) blob: BlobId,
    pub(crate) body: Bytes,
    pub(crate) url: Option<String>,
    pub(crate) content_type: Option<String>,
}

/// Judges a document and makes ready for it to be served. Boxed and named, because flights of parts
/// begin inside the flight of their document.
pub(crate) fn accept<'a>(
    shared: &'a Arc<Shared>,
    job: &'a Job,
    received: Received,
) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>> {
    Box::pin(async move {
        let blob = received.blob;
        let loaded = Arc::new(loaded(shared, job, received));
        let inspection = inspect(shared, &loaded).await?;
        let repository = job.mounted.id();
        shared.companions.remember(repository, &job.target, blob, inspection.companions.clone());
        // What is confirmed word for word changes nothing else.
        if job.held.as_ref().is_some_and(|held| held.row.blob == blob) {
            return Ok(());
        }
        fetch_parts(shared, job, &inspection).await?;
        let surveyed = if job.mounted.provider.assembly().is_some() {
            survey::run(shared, &loaded, blob, &inspection.parts).await?
        } else {
            Facts::default()
        };
        drop_contradicted(shared, &job.mounted, &inspection.facts).await?;
        drop_contradicted(shared, &job.mounted, &surveyed).await
    })
}

fn loaded(shared: &Shared, job: &Job, received: Received) -> Loaded {
    Loaded {
        mounted: Arc::clone(&job.mounted),
        target: Arc::new(job.target.clone()),
        position: 0,
        changed_at: shared.parts.clock.now(),
        body: received.body,
        url: received.url,
        content_type: received.content_type,
    }
}

async fn inspect(shared: &Shared, loaded: &Arc<Loaded>) -> Result<Inspection> {
    let input_bytes = loaded.body.len() as u64;
    let read = Arc::clone(loaded);
    let work = move || read.mounted.provider.inspect(&read.document());
    Ok(shared.renditions.blocking(input_bytes, work).await??)
}

/// Fetches what has to be there before the document is. Files that take the place of others come
/// last, so that the time in which old and new are mixed is short.
async fn fetch_parts(shared: &Arc<Shared>, job: &Job, inspection: &Inspection) -> Result<()> {
    let mut ordered: Vec<&Part> = Vec::with_capacity(inspection.parts.len());
    let mut replacing = Vec::new();
    for part in &inspection.parts {
        let key = key_of(&job.mounted, part);
        match shared.rows.get(&key).await?.filter(|held| !agrees(&held.row, &part.fact)) {
            Some(_) => replacing.push(part),
            None => ordered.push(part),
        }
    }
    ordered.extend(replacing);
    for part in ordered {
        let is_due = match part.presence {
            Presence::BeforeServing | Presence::WithDocument => true,
            Presence::BeforeReplacing => job.held.is_some(),
        };
        if is_due {
            fetch_part(shared, &job.mounted, part).await?;
        }
    }
    Ok(())
}

fn key_of(mounted: &Mounted, part: &Part) -> RowKey {
    RowKey {
        repository: mounted.id(),
        path: part.target.path.clone(),
        variant: part.target.source.clone(),
    }
}

/// The row of a part, fetched if it is not held. `None` where upstream has none and need not have.
pub(crate) async fn fetch_part(
    shared: &Arc<Shared>,
    mounted: &Arc<Mounted>,
    part: &Part,
) -> Result<Option<Arc<HotRow>>> {
    let wanted = Wanted::new(mounted, &part.target)?;
    let held = shared.rows.get(&wanted.key).await?;
    let is_anew = part.presence == Presence::WithDocument;
    let held = match held {
        Some(held) if !is_anew && agrees(&held.row, &part.fact) => return Ok(Some(held)),
        Some(held) if !is_anew => {
            publish::withdraw(shared, &held).await?;
            None
        }
        held => held,
    };
    match fetch(shared, &wanted, held, &part.fact).await? {
        Phase::Published(row) | Phase::Confirmed(row) => Ok(Some(row)),
        Phase::Failed(error) if error.is_absent() && is_anew => Ok(None),
        Phase::Failed(error) if error.is_absent() => Err(Error::new(
            ErrorKind::Upstream,
            format!(
                "the upstream index names {}, which the upstream registry does not have",
                part.target.path
            ),
        )),
        Phase::Failed(error) => Err(error),
        _ => Err(Error::new(
            ErrorKind::Unavailable,
            format!("{}, a part of the index, cannot be stored", part.target.path),
        )),
    }
}

async fn fetch(
    shared: &Arc<Shared>,
    wanted: &Wanted<'_>,
    held: Option<Arc<HotRow>>,
    fact: &FileFact,
) -> Result<Phase> {
    let upstream = wanted.mounted.upstream.as_ref().ok_or_else(|| {
        Error::new(ErrorKind::Internal, "a part of an index was asked of no upstream")
    })?;
    let place = Place::listed(fact.clone(), upstream)?;
    let mut job = job_at(shared, wanted, held, place);
    job.believe_absence = true;
    job.verify_before_serve = true;
    forget_failure(shared, &wanted.key).await;
    let (mut passenger, _) = take_off(shared, job);
    Ok(passenger.finished().await)
}
