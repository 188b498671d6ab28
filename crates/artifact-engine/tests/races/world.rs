//! Engines over real stores, with a clock that the test winds.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use artifact_core::ports::{
    BlobStore, CollectorRun, Durability, GarbagePass, GarbageSurvey, MetaStore, NewRepository,
    Precondition, RunOutcome, Selector,
};
use artifact_core::{
    ArtifactRow, BlobId, Clock, Definition, Local, Provider, Remote, RepoPath, RepositoryId,
    RowKey, SystemClock, Timestamp, Variant,
};
use artifact_engine::{
    CollectionRequest, CollectorSettings, Engine, EngineParts, Providers, Settings,
};
use bytes::Bytes;
use cas_store::MemoryStore;
use cas_store::{FileSpool, Quota};
use testkit::ScriptedUpstream;
use testkit::contract::blob_store::id_of;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use ttl_cache::MemoryTtlCache;

use crate::client::Client;
use crate::database::Database;
use crate::door::Watched;
use crate::hold::PATIENCE;
use crate::storage::Storage;
use crate::{database, storage};

pub(crate) const HOUR: Duration = Duration::from_secs(3600);
/// A little more than any delay of the collector but the sweeper's.
pub(crate) const DAY: Duration = Duration::from_secs(25 * 3600);
/// A little more than the time between two sweeps.
pub(crate) const WEEK: Duration = Duration::from_secs(8 * 24 * 3600);

/// When garbage is collected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Haste {
    /// As the product does: a day before a review and a day before a deletion.
    Usual,
    /// Whatever is garbage is condemned and deleted in the same run.
    Reckless,
}

/// Where everything is that outlives a process.
pub(crate) struct Places {
    pub(crate) database: Database,
    pub(crate) storage: Storage,
    directory: tempfile::TempDir,
}

impl Places {
    /// Empty ones; `None` without a server.
    pub(crate) async fn new(database: database::Kind, storage: storage::Kind) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::empty(database, directory.path()).await?;
        let storage = Storage::empty(storage, directory.path()).await?;
        Some(Self { database, storage, directory })
    }

    pub(crate) fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    fn spool(&self, replica: &str) -> PathBuf {
        self.directory.path().join("spool").join(replica)
    }
}

/// A clock that stands still until it is wound.
#[derive(Debug)]
struct ManualClock(AtomicI64);

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// A process: an engine with its stores.
pub(crate) struct World {
    pub(crate) places: Arc<Places>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) client: Client,
    pub(crate) meta: Arc<dyn MetaStore>,
    pub(crate) blobs: Arc<Watched>,
    pub(crate) upstream: Arc<ScriptedUpstream>,
    pub(crate) remote: RepositoryId,
    pub(crate) local: RepositoryId,
    spool: Arc<FileSpool>,
    clock: Arc<ManualClock>,
    haste: Haste,
}

/// What a process does not make for itself.
struct Given {
    meta: Arc<dyn MetaStore>,
    blobs: Arc<Watched>,
    upstream: Arc<ScriptedUpstream>,
    clock: Arc<ManualClock>,
}

impl World {
    /// The first process over empty places.
    pub(crate) async fn open(places: Places, haste: Haste) -> Self {
        // A second more than now: whatever happened lies before it, however clocks are rounded.
        let now = SystemClock.now().plus(Duration::from_secs(1));
        let given = Given {
            meta: places.database.open(),
            blobs: Arc::new(Watched::new(places.storage.open().unwrap())),
            upstream: Arc::new(ScriptedUpstream::new()),
            clock: Arc::new(ManualClock(AtomicI64::new(now.as_millis()))),
        };
        Self::start(Arc::new(places), given, haste, "one").await
    }

    /// Another replica; over files it shares the stores, which belong to one process.
    pub(crate) async fn beside(&self) -> Self {
        let meta = match self.places.database.kind() {
            database::Kind::Sqlite => Arc::clone(&self.meta),
            database::Kind::Postgres => self.places.database.open(),
        };
        let given = Given { meta, blobs: Arc::clone(&self.blobs), ..self.given() };
        Self::start(Arc::clone(&self.places), given, self.haste, "two").await
    }

    /// Ends this process and starts the next one over the same places.
    pub(crate) async fn restart(self) -> Self {
        let (places, haste) = (Arc::clone(&self.places), self.haste);
        self.restart_over(places, haste).await
    }

    /// The same over a database that was restored from a backup.
    pub(crate) async fn restart_with(self, database: Database) -> Self {
        let haste = self.haste;
        let places = Arc::clone(&self.places);
        let stopped = self.stop().await;
        let Ok(places) = Arc::try_unwrap(places) else { panic!("a process is left") };
        stopped.start(Arc::new(Places { database, ..places }), haste).await
    }

    async fn restart_over(self, places: Arc<Places>, haste: Haste) -> Self {
        self.stop().await.start(places, haste).await
    }

    /// Ends this process.
    pub(crate) async fn stop(self) -> Stopped {
        self.engine.shutdown(PATIENCE).await;
        Stopped { upstream: Arc::clone(&self.upstream), clock: Arc::clone(&self.clock) }
    }

    fn given(&self) -> Given {
        Given {
            meta: Arc::clone(&self.meta),
            blobs: Arc::clone(&self.blobs),
            upstream: Arc::clone(&self.upstream),
            clock: Arc::clone(&self.clock),
        }
    }

    async fn start(places: Arc<Places>, given: Given, haste: Haste, replica: &str) -> Self {
        let Given { meta, blobs, upstream, clock } = given;
        let (remote, local) = repositories(&*meta).await;
        let quota = Quota { bytes: 1 << 30, reserve: 0 };
        let open = || FileSpool::open(places.spool(replica), quota).ok().map(Arc::new);
        let spool = at_last("the spool is free", || std::future::ready(open())).await;
        let generic: Arc<dyn Provider> = Arc::new(provider_generic::GenericProvider::new());
        let parts = EngineParts {
            meta: Arc::clone(&meta),
            blobs: Arc::clone(&blobs) as _,
            staging: Arc::new(MemoryStore::default()),
            spool: Arc::clone(&spool) as _,
            ttl: Arc::new(MemoryTtlCache::default()),
            upstream: Arc::clone(&upstream) as _,
            peers: None,
            providers: Providers::from_iter([generic]),
            signer: None,
            clock: Arc::clone(&clock) as _,
        };
        let engine = Engine::start(parts, settings(haste, replica)).await.unwrap();
        let client = Client::new(&engine);
        Self { places, engine, client, meta, blobs, upstream, remote, local, spool, clock, haste }
    }

    /// Lets time pass for the engines.
    pub(crate) fn pass(&self, span: Duration) {
        let millis = i64::try_from(span.as_millis()).unwrap();
        self.clock.0.fetch_add(millis, Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// One run of the collector to its end.
    pub(crate) async fn collect(&self) -> CollectorRun {
        let run = self.run_collector().await;
        assert_eq!(run.outcome, RunOutcome::Completed);
        run
    }

    /// One run of the collector, however it ends.
    pub(crate) async fn run_collector(&self) -> CollectorRun {
        self.engine.collector().run(CollectionRequest::Scheduled).await.unwrap()
    }

    /// The same in a task of its own.
    pub(crate) fn begin_collection(&self) -> JoinHandle<CollectorRun> {
        let collector = Arc::clone(self.engine.collector());
        tokio::spawn(async move { collector.run(CollectionRequest::Scheduled).await.unwrap() })
    }

    /// Condemns and deletes whatever is garbage.
    pub(crate) async fn collect_all(&self) {
        for _ in 0..2 {
            self.pass(DAY);
            self.collect().await;
        }
    }

    /// Takes away the pins of what was stored: that happens behind the answers.
    pub(crate) async fn settle(&self) {
        let pins = "SELECT count(*) FROM pin WHERE owner <> 'promise'";
        let is_settled = || async { (self.places.database.number(pins).await == 0).then_some(()) };
        at_last("no pin is left", is_settled).await;
    }

    /// A blob that was hosted and is not any more.
    pub(crate) async fn abandon(&self, body: &Bytes) -> BlobId {
        self.client.put("l/abandoned", body).await.unwrap();
        self.client.delete("l/abandoned").await.unwrap();
        self.settle().await;
        id_of(body)
    }

    /// A blob that was hosted and is condemned by now; its deletion is due.
    pub(crate) async fn condemn(&self, body: &Bytes) -> BlobId {
        let id = self.abandon(body).await;
        self.pass(DAY);
        assert_eq!(self.collect().await.reviewed.condemned, 1);
        self.pass(DAY);
        id
    }

    /// Bytes that a process left which died before it wrote their row.
    pub(crate) async fn leave_orphan(&self, body: &Bytes) -> BlobId {
        let file = self.places.directory().join("orphan");
        std::fs::write(&file, body).unwrap();
        let (id, size) = (id_of(body), body.len() as u64);
        self.blobs.put_file(id, &file, size, Durability::Strict).await.unwrap();
        id
    }

    pub(crate) async fn has_bytes(&self, id: BlobId) -> bool {
        self.blobs.stat(id).await.unwrap().is_some()
    }

    /// What a collector finds for which everything is due.
    pub(crate) async fn survey(&self) -> GarbageSurvey {
        let pass = GarbagePass {
            now: self.now(),
            review_delay: Duration::ZERO,
            delete_delay: Duration::ZERO,
            limit: 100,
        };
        self.meta.survey(pass).await.unwrap()
    }

    pub(crate) async fn row(&self, repository: RepositoryId, path: &str) -> Option<ArtifactRow> {
        let path = RepoPath::from_decoded(path).unwrap();
        let key = RowKey { repository, path, variant: Variant::SOURCE };
        self.meta.row(&key).await.unwrap()
    }

    /// The row of a file of the remote, once a fetch that goes on behind its answer has stored it.
    pub(crate) async fn fetched(&self, path: &str) -> ArtifactRow {
        at_last("the file is stored", || self.row(self.remote, path)).await
    }

    /// Removes rows behind the engine's back, as another replica does.
    pub(crate) async fn evict(&self, repository: RepositoryId, path: &str) {
        let path = Selector::Path(RepoPath::from_decoded(path).unwrap());
        assert_eq!(self.meta.evict(repository, &path, false).await.unwrap().objects, 1);
    }

    /// Whether `task` still waits for somebody after it had every chance not to.
    pub(crate) async fn still_waits<T>(&self, task: &JoinHandle<T>) -> bool {
        for _ in 0..20 {
            self.meta.history().await.unwrap();
        }
        !task.is_finished()
    }

    /// Asserts that a hosted file is there and stays, whatever the collector does.
    pub(crate) async fn assert_kept(&self, path: &str, body: &Bytes) {
        assert_eq!(self.client.get(path).await.unwrap(), body);
        assert_eq!(self.survey().await.condemned, 0);
        self.settle().await;
        self.collect_all().await;
        assert_eq!(self.client.get(path).await.unwrap(), body, "{path} was lost");
    }

    /// Asserts that neither bytes nor anything about them is left, once everything was let go.
    pub(crate) async fn assert_nothing_left(&self) {
        self.settle().await;
        self.collect_all().await;
        assert_eq!(self.survey().await, GarbageSurvey::default());
        assert_eq!(self.stored().await, []);
    }

    /// The blobs in the store.
    pub(crate) async fn stored(&self) -> Vec<BlobId> {
        let listed = self.blobs.list(None, 1000).await.unwrap();
        listed.iter().map(|listing| listing.id).collect()
    }

    /// Asserts that no temporary file is left, neither of downloads nor of uploads.
    pub(crate) async fn assert_no_temporary_file(&self) {
        use artifact_core::ports::Spool;
        let is_empty = || async { (self.spool.used_bytes() == 0).then_some(()) };
        at_last("the spool is empty", is_empty).await;
        let entries = std::fs::read_dir(self.places.spool("one")).unwrap();
        let files = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let files: Vec<_> = files.filter(|name| uuid::Uuid::try_parse(name).is_ok()).collect();
        assert_eq!(files, Vec::<String>::new());
    }
}

/// A process that has ended.
pub(crate) struct Stopped {
    upstream: Arc<ScriptedUpstream>,
    clock: Arc<ManualClock>,
}

impl Stopped {
    /// The next process.
    pub(crate) async fn start(self, places: Arc<Places>, haste: Haste) -> World {
        let Self { upstream, clock } = self;
        let storage = &places.storage;
        let store = at_last("the store is free", || std::future::ready(storage.open())).await;
        let (meta, blobs) = (places.database.open(), Arc::new(Watched::new(store)));
        World::start(places, Given { meta, blobs, upstream, clock }, haste, "one").await
    }
}

fn settings(haste: Haste, replica: &str) -> Settings {
    let usual = CollectorSettings { interval: Duration::ZERO, ..CollectorSettings::default() };
    let collector = match haste {
        Haste::Usual => usual,
        Haste::Reckless => CollectorSettings {
            review_delay: Duration::ZERO,
            delete_delay: Duration::ZERO,
            ..usual
        },
    };
    // Long enough for a download that the test holds up.
    let revalidation_wait = PATIENCE;
    Settings { collector, revalidation_wait, replica: replica.to_owned(), ..Settings::default() }
}

/// The remote `r`, where files that end in `.bin` never change and those that end in `.txt` do,
/// and the local repository `l`.
async fn repositories(meta: &dyn MetaStore) -> (RepositoryId, RepositoryId) {
    let mut remote = Remote::new("http://upstream.example/");
    remote.immutable_patterns = vec![r"\.bin$".to_owned()];
    remote.mutable_patterns = vec![r"\.txt$".to_owned()];
    let remote = Definition::Remote(Box::new(remote));
    let local = Definition::Local(Local { allow_overwrite: true });
    for (name, definition) in [("r", remote), ("l", local)] {
        let repository = NewRepository {
            name: name.parse().unwrap(),
            package_type: "generic".parse().unwrap(),
            description: String::new(),
            managed_by: String::new(),
            private: false,
            definition,
        };
        meta.put_repository(repository, Precondition::Any, SystemClock.now()).await.unwrap();
    }
    let all = meta.repositories().await.unwrap().repositories;
    let id = |name: &str| all.iter().find(|found| found.name.as_str() == name).unwrap().id;
    (id("r"), id("l"))
}

/// What `look` finds, as soon as it finds it.
pub(crate) async fn at_last<T, F: Future<Output = Option<T>>>(
    what: &str,
    look: impl Fn() -> F,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
