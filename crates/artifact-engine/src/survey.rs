//! Reading the parts of an index: what they say of files, and whether they send clients elsewhere.
//!
//! Providers read them as streams, on a thread that may block. What was found out is remembered per
//! index document and process.

use std::io::{self, Read};
use std::sync::Arc;

use artifact_core::ports::BlobPayload;
use artifact_core::{
    AssemblyError, BlobId, Error, ErrorKind, Facts, FileFact, Generation, Part, RepoPath,
    RepositoryId, Result, SourceDocument, Survey,
};
use bytes::Buf;
use futures_util::TryStreamExt;
use quick_cache::sync::Cache;
use tokio::runtime::Handle;
use tokio_util::io::{StreamReader, SyncIoBridge};

use crate::acceptance::fetch_part;
use crate::companions::Placed;
use crate::documents::{self, Loaded, Source};
use crate::rows::HotRow;
use crate::shared::Shared;

/// A generation whose parts are fetched when they are opened.
pub(crate) struct StoredGeneration {
    pub(crate) shared: Arc<Shared>,
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) parts: Vec<Part>,
    /// The runtime that the blocking thread belongs to.
    pub(crate) runtime: Handle,
}

impl StoredGeneration {
    async fn open_part(&self, path: &str) -> Result<Option<Box<dyn Read + Send>>> {
        let Some(part) = self.parts.iter().find(|part| part.target.path.as_str() == path) else {
            return Ok(None);
        };
        let Some(row) = fetch_part(&self.shared, &self.loaded.mounted, part).await? else {
            return Ok(None);
        };
        self.read(&row).await.map(Some)
    }

    async fn read(&self, row: &HotRow) -> Result<Box<dyn Read + Send>> {
        let lost =
            || Error::new(ErrorKind::Unavailable, "the bytes of an index's part are missing");
        let blob = self.shared.parts.blobs.open(row.row.blob, None).await?.ok_or_else(lost)?;
        Ok(match blob.payload {
            BlobPayload::Bytes(bytes) => Box::new(bytes.reader()),
            BlobPayload::Stream(stream) => {
                let reader = StreamReader::new(stream.map_err(io::Error::other));
                Box::new(SyncIoBridge::new_with_handle(reader, self.runtime.clone()))
            }
        })
    }
}

impl Generation for StoredGeneration {
    fn document(&self) -> SourceDocument<'_> {
        self.loaded.document()
    }

    fn open(
        &mut self,
        path: &str,
    ) -> std::result::Result<Option<Box<dyn Read + Send>>, AssemblyError> {
        Ok(self.runtime.block_on(self.open_part(path))?)
    }
}

/// What an index document that was surveyed says beside its own text.
#[derive(Debug)]
pub(crate) struct Surveyed {
    blob: BlobId,
    /// Whether clients must not be given the index as it is.
    pub(crate) leads_elsewhere: bool,
    bases: Facts,
}

impl Surveyed {
    /// Where a file on another host is.
    pub(crate) fn find(&self, path: &str) -> Option<FileFact> {
        self.bases.find(path)
    }
}

/// The surveys of the indexes that were served lately.
#[derive(Debug)]
pub(crate) struct Surveys(Cache<(RepositoryId, RepoPath), Arc<Surveyed>>);

impl Surveys {
    pub(crate) fn new() -> Self {
        Self(Cache::new(16 * 1024))
    }
}

/// The survey of a document that may be served; of types whose indexes have parts.
pub(crate) async fn of(shared: &Arc<Shared>, source: &Source) -> Result<Arc<Surveyed>> {
    let key = (source.mounted.id(), source.target.path.clone());
    if let Some(known) = shared.surveys.0.get(&key).filter(|known| known.blob == source.blob) {
        return Ok(known);
    }
    let inspection = documents::inspect(shared, source).await?;
    let placed = Placed { position: 0, source: source.clone() };
    let loaded = Arc::new(documents::load(shared, &placed).await?);
    run(shared, &loaded, source.blob, &inspection.parts).await?;
    shared
        .surveys
        .0
        .get(&key)
        .ok_or_else(|| Error::new(ErrorKind::Internal, "a survey was forgotten at once"))
}

/// Reads the parts of the document `blob` and returns what they say of files. Fails on parts that
/// cannot be read.
pub(crate) async fn run(
    shared: &Arc<Shared>,
    loaded: &Arc<Loaded>,
    blob: BlobId,
    parts: &[Part],
) -> Result<Facts> {
    let mut generation = StoredGeneration {
        shared: Arc::clone(shared),
        loaded: Arc::clone(loaded),
        parts: parts.to_vec(),
        runtime: Handle::current(),
    };
    let provider = Arc::clone(&loaded.mounted.provider);
    let has_parts = !parts.is_empty();
    let work = move || {
        let mut facts = Facts::default();
        let Some(assembly) = provider.assembly().filter(|_| has_parts) else {
            return Ok::<_, Error>((facts, Survey::default()));
        };
        let mut found = |path: &str, fact| {
            facts.files.insert(path.to_owned(), fact);
        };
        let survey = assembly.survey(&mut generation, &mut found).map_err(to_error)?;
        Ok((facts, survey))
    };
    let (facts, survey) = shared.renditions.blocking(0, work).await??;
    let surveyed = Surveyed {
        blob,
        leads_elsewhere: survey.leads_elsewhere,
        bases: Facts { bases: survey.bases, ..Facts::default() },
    };
    let key = (loaded.mounted.id(), loaded.target.path.clone());
    shared.surveys.0.insert(key, Arc::new(surveyed));
    Ok(facts)
}

/// An assembly's failure as an error of the engine.
pub(crate) fn to_error(error: AssemblyError) -> Error {
    match error {
        AssemblyError::Document(error) => error.into(),
        AssemblyError::Failed(error) => error,
        AssemblyError::Io(error) => match error.downcast::<Error>() {
            Ok(error) => error,
            Err(error) => {
                Error::new(ErrorKind::Upstream, "a file of the upstream index cannot be read")
                    .with_source(error)
            }
        },
    }
}
