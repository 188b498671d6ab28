//! Sets of index files that are made here: of the members of a virtual repository, or of a remote
//! whose own index would send clients to other hosts.
//!
//! A set is a generation: its files are stored as rows of the repository, the index document
//! last, so that it never names a file that is not there. A new generation is made when what it is
//! made of has changed, by one task per process; meanwhile the old one is served. Files of old
//! generations stay readable for a day.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use artifact_core::ports::{Durability, Precondition, Published, RowQuery, SpoolWriter};
use artifact_core::{
    ArtifactRow, AssemblyContext, AssemblyError, BlobId, Class, Digests, Error, ErrorKind,
    Generation, Origin, Output, RepoPath, RepositoryId, RepositoryKind, Result, RowKey, StoredFile,
    Target, Timestamp, Variant,
};
use bytes::Bytes;
use tokio::runtime::Handle;

use crate::answer::{self, CacheNote};
use crate::call::Call;
use crate::companions::Placed;
use crate::documents::{self, Source};
use crate::remote::hit;
use crate::request::Reply;
use crate::rows::HotRow;
use crate::shared::Shared;
use crate::snapshot::Mounted;
use crate::storing::{self, NewBlob};
use crate::survey::{self, StoredGeneration, to_error};

/// The variant of what is made here, beside what upstream has under the same path.
const ASSEMBLED: Variant = Variant::new("assembled");
/// How long files of an old generation stay readable.
const GRACE: Duration = Duration::from_secs(24 * 3600);
/// Longer than the files of one generation take to be published one after the other.
const PUBLISHING: Duration = Duration::from_secs(3600);
/// How much of a file is handed to the spool at once.
const CHUNK: usize = 256 * 1024;
/// How long a client waits for a new generation when there is an old one.
const PATIENCE: Duration = Duration::from_secs(5);

/// Which sets are being made at the moment; each has one maker.
#[derive(Debug, Default)]
pub(crate) struct Assemblies(Mutex<HashMap<RowKey, Arc<tokio::sync::Mutex<()>>>>);

impl Assemblies {
    fn turn(&self, key: &RowKey) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(key.clone()).or_default())
    }
}

/// Serves `target`, a file of the set of `index`, made of what `sources` name.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    call: &Call<'_>,
    target: &Target,
    index: &Target,
    sources: Vec<Source>,
) -> Result<Reply> {
    let set = Set::new(call.mounted, index, &sources);
    let note = set.bring_up_to_date(shared, sources).await?;
    let key = set.key_of(target.path.clone());
    let absent = || Error::new(ErrorKind::NotFound, "the index that is made here has no such file");
    let row = shared.rows.get(&key).await?.ok_or_else(absent)?;
    let note = note.unwrap_or_else(|| hit(&row.row, shared.parts.clock.now()));
    let reply = answer::from_row(shared, &call.asking(), &row, Class::Generated, note).await?;
    if let Some(reply) = reply {
        return Ok(reply);
    }
    // The bytes are lost: the next request makes the set anew.
    shared.parts.meta.remove(&set.index, Precondition::Any).await?;
    shared.rows.forget(&set.index);
    Err(Error::new(ErrorKind::Unavailable, "the index is being made again"))
}

/// Serves a file of a remote out of the set that stands in for an index which leads elsewhere. `None`
/// where upstream's own files are what clients get.
pub(crate) async fn serve_instead(
    shared: &Arc<Shared>,
    call: &Call<'_>,
    target: &Target,
) -> Result<Option<Reply>> {
    let Origin::Index { index, .. } = &target.origin else { return Ok(None) };
    let surveyed = async {
        let source = documents::source(shared, call.mounted, index).await?;
        let surveyed = survey::of(shared, &source).await?;
        Ok::<_, Error>((source, surveyed))
    };
    // Whoever serves it in the ordinary way knows best what to make of a failure.
    let Ok((source, surveyed)) = surveyed.await else { return Ok(None) };
    if !surveyed.leads_elsewhere || surveyed.find(target.path.as_str()).is_some() {
        return Ok(None);
    }
    serve(shared, call, target, index, vec![source]).await.map(Some)
}

/// One generation to be.
#[derive(Clone)]
struct Set {
    mounted: Arc<Mounted>,
    /// The row of the index document.
    index: RowKey,
    /// Stands for everything that the set is made of.
    fingerprint: String,
}

impl Set {
    fn new(mounted: &Arc<Mounted>, index: &Target, sources: &[Source]) -> Self {
        let made_of: Vec<String> = sources
            .iter()
            .map(|source| {
                let rules = source.mounted.rules.fingerprint();
                format!("{}:{}:{rules:x}", source.mounted.id(), source.blob)
            })
            .collect();
        let index =
            RowKey { repository: mounted.id(), path: index.path.clone(), variant: ASSEMBLED };
        let version = env!("CARGO_PKG_VERSION");
        Self {
            mounted: Arc::clone(mounted),
            index,
            fingerprint: format!("{version};{}", made_of.join(";")),
        }
    }

    fn repository(&self) -> RepositoryId {
        self.mounted.id()
    }

    fn key_of(&self, path: RepoPath) -> RowKey {
        RowKey { repository: self.repository(), path, variant: ASSEMBLED }
    }

    fn is_current(&self, row: &HotRow) -> bool {
        row.row.upstream_etag.as_deref() == Some(self.fingerprint.as_str())
    }

    /// Makes the set if it is not the newest. With an older one at hand nobody waits for long, and a
    /// failure costs nothing but freshness.
    async fn bring_up_to_date(
        &self,
        shared: &Arc<Shared>,
        sources: Vec<Source>,
    ) -> Result<Option<CacheNote>> {
        let held = shared.rows.get(&self.index).await?;
        if held.as_ref().is_some_and(|row| self.is_current(row)) {
            return Ok(None);
        }
        let (set, behind) = (self.clone(), Arc::clone(shared));
        let making = shared.tasks.spawn(async move { set.make(&behind, sources).await });
        let made = if held.is_some() {
            match tokio::time::timeout(PATIENCE, making).await {
                Ok(made) => made,
                Err(_) => return Ok(Some(CacheNote::Stale { detail: "assembling" })),
            }
        } else {
            making.await
        };
        let made = made.map_err(|error| {
            Error::new(ErrorKind::Internal, "an index could not be made here").with_source(error)
        })?;
        match made {
            Ok(()) => Ok(Some(CacheNote::Miss { collapsed: false, stored: true })),
            Err(error) if held.is_some() => {
                tracing::warn!(repository = self.mounted.name(), ?error, "serving an older set");
                Ok(Some(CacheNote::Stale { detail: "assembly-failed" }))
            }
            Err(error) => Err(error),
        }
    }

    async fn make(&self, shared: &Arc<Shared>, sources: Vec<Source>) -> Result<()> {
        let turn = shared.assemblies.turn(&self.index);
        let _turn = turn.lock().await;
        // Somebody else may have made it while this one waited for its turn.
        let replaced = shared.rows.read(&self.index).await?;
        if replaced.as_ref().is_some_and(|row| self.is_current(row)) {
            return Ok(());
        }
        let changed_at = sources.iter().map(|source| source.changed_at).max();
        let rules = sources.iter().map(|source| Arc::clone(&source.mounted)).collect();
        let generations = self.generations(shared, sources).await?;
        let work = Making {
            set: self.clone(),
            shared: Arc::clone(shared),
            runtime: Handle::current(),
            members: rules,
            changed_at: changed_at.unwrap_or(Timestamp::from_millis(0)),
        };
        let assembling = move || work.run(generations);
        let files = tokio::task::spawn_blocking(assembling).await.map_err(|error| {
            Error::new(ErrorKind::Internal, "an index could not be made here").with_source(error)
        })??;
        self.publish(shared, files).await?;
        match replaced {
            Some(replaced) => self.forget_before(shared, replaced.row.fetched_at).await,
            None => Ok(()),
        }
    }

    async fn generations(
        &self,
        shared: &Arc<Shared>,
        sources: Vec<Source>,
    ) -> Result<Vec<Box<dyn Generation>>> {
        let mut generations: Vec<Box<dyn Generation>> = Vec::with_capacity(sources.len());
        for (position, source) in sources.into_iter().enumerate() {
            let inspection = documents::inspect(shared, &source).await?;
            let loaded = documents::load(shared, &Placed { position, source }).await?;
            generations.push(Box::new(StoredGeneration {
                shared: Arc::clone(shared),
                loaded: Arc::new(loaded),
                parts: inspection.parts,
                runtime: Handle::current(),
            }));
        }
        Ok(generations)
    }

    /// Stores the files and names them, the index document last.
    async fn publish(&self, shared: &Arc<Shared>, files: Vec<NamedFile>) -> Result<()> {
        let (index, others): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|file| file.path == self.index.path);
        if index.len() != 1 {
            return Err(Error::new(ErrorKind::Internal, "an assembly made no index document"));
        }
        for file in others.into_iter().chain(index) {
            let blob = NewBlob {
                id: file.stored.blob,
                source: file.spool.path(),
                size: file.stored.size,
                durability: Durability::Cache,
            };
            storing::store(shared, blob, self.name(shared, &file)).await?;
        }
        Ok(())
    }

    async fn name(&self, shared: &Shared, file: &NamedFile) -> Result<()> {
        let now = shared.parts.clock.now();
        let is_index = file.path == self.index.path;
        let row = ArtifactRow {
            key: self.key_of(file.path.clone()),
            blob: file.stored.blob,
            size: file.stored.size,
            class: Class::Generated,
            content_type: Some(file.content_type.to_owned()),
            upstream_etag: is_index.then(|| self.fingerprint.clone()),
            upstream_last_modified: None,
            upstream_url: None,
            checksums: Digests::new(),
            fetched_at: now,
            validated_at: now,
            expires_at: None,
            generation: 0,
        };
        match shared.parts.meta.publish(row, Precondition::Any).await? {
            Published::Stored(row) => {
                shared.rows.keep(row);
                Ok(())
            }
            Published::Conflict(_) => {
                Err(Error::new(ErrorKind::Internal, "an unconditional write was refused"))
            }
        }
    }

    /// Removes the files of the generations before the one that was made at `replaced` and is replaced
    /// now: since then nobody has been given their index.
    async fn forget_before(&self, shared: &Arc<Shared>, replaced: Timestamp) -> Result<()> {
        if shared.parts.clock.now().since(replaced) <= GRACE {
            return Ok(());
        }
        let directory = self.index.path.as_str().rsplit_once('/').map_or("", |(above, _)| above);
        let mut query = RowQuery {
            repository: self.repository(),
            prefix: directory.to_owned(),
            delimiter: None,
            after: None,
            state: None,
            summed: 0,
            limit: 1000,
        };
        loop {
            let listing = shared.parts.meta.list(&query).await?;
            for listed in listing.rows {
                let row = listed.row;
                let is_old = replaced.since(row.fetched_at) > PUBLISHING;
                if row.class == Class::Generated && is_old {
                    let unchanged = Precondition::Unchanged(row.generation);
                    shared.parts.meta.remove(&row.key, unchanged).await?;
                    shared.rows.forget(&row.key);
                }
            }
            let Some(next) = listing.next else { return Ok(()) };
            query.after = Some(next);
        }
    }
}

/// One assembly on a thread that may block.
struct Making {
    set: Set,
    shared: Arc<Shared>,
    runtime: Handle,
    members: Vec<Arc<Mounted>>,
    changed_at: Timestamp,
}

impl Making {
    fn run(self, mut generations: Vec<Box<dyn Generation>>) -> Result<Vec<NamedFile>> {
        let provider = Arc::clone(&self.set.mounted.provider);
        let assembly = provider.assembly().ok_or_else(|| {
            Error::new(ErrorKind::Internal, "this package type assembles nothing")
        })?;
        let members = self.members.clone();
        let admits = move |position: usize, path: &str| {
            members.get(position).is_none_or(|member| member.denial(path).is_none())
        };
        let context = AssemblyContext {
            by_member: self.set.mounted.kind() == RepositoryKind::Virtual,
            admits: &admits,
            changed_at: self.changed_at,
            signer: self.shared.parts.signer.as_deref(),
        };
        let mut output =
            SpooledOutput { making: &self, unnamed: HashMap::new(), named: Vec::new() };
        assembly.assemble(&mut generations, &context, &mut output).map_err(to_error)?;
        Ok(output.named)
    }
}

/// A file of a generation that is complete and has a name.
struct NamedFile {
    path: RepoPath,
    content_type: &'static str,
    stored: StoredFile,
    spool: Box<dyn SpoolWriter>,
}

/// Writes assembled files into the spool.
struct SpooledOutput<'a> {
    making: &'a Making,
    unnamed: HashMap<BlobId, Vec<Box<dyn SpoolWriter>>>,
    named: Vec<NamedFile>,
}

impl Output for SpooledOutput<'_> {
    fn store(
        &mut self,
        write: &mut dyn FnMut(&mut dyn std::io::Write) -> std::result::Result<(), AssemblyError>,
    ) -> std::result::Result<StoredFile, AssemblyError> {
        let runtime = &self.making.runtime;
        let mut spool = runtime.block_on(self.making.shared.parts.spool.create(None, &[]))?;
        let mut writer = SpoolWrite { runtime, spool: &mut *spool, buffer: Vec::new(), size: 0 };
        write(&mut writer)?;
        std::io::Write::flush(&mut writer)?;
        let size = writer.size;
        let blob = spool
            .digests()
            .blob_id()
            .ok_or_else(|| Error::new(ErrorKind::Internal, "the spool computed no SHA-256"))?;
        self.unnamed.entry(blob).or_default().push(spool);
        Ok(StoredFile { blob, size })
    }

    fn name(
        &mut self,
        file: StoredFile,
        path: &str,
        content_type: &'static str,
    ) -> std::result::Result<(), AssemblyError> {
        let invalid = |text: &str| Error::new(ErrorKind::Internal, text.to_owned());
        let path = RepoPath::from_decoded(path)
            .map_err(|_| invalid("an assembly named a file by a path that cannot be"))?;
        let spool = self
            .unnamed
            .get_mut(&file.blob)
            .and_then(Vec::pop)
            .ok_or_else(|| invalid("an assembly named a file that it did not store"))?;
        self.named.push(NamedFile { path, content_type, stored: file, spool });
        Ok(())
    }
}

/// A spool file as a blocking writer.
struct SpoolWrite<'a> {
    runtime: &'a Handle,
    spool: &'a mut dyn SpoolWriter,
    buffer: Vec<u8>,
    size: u64,
}

impl std::io::Write for SpoolWrite<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = Bytes::from(std::mem::take(&mut self.buffer));
        self.size += chunk.len() as u64;
        self.runtime.block_on(self.spool.append(chunk)).map_err(std::io::Error::other)
    }
}
