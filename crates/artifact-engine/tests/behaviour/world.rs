//! An engine in a box.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use artifact_core::ports::{
    BlobStore, NewRepository, Peers, Precondition, Published, RepositoryStore, TtlCache,
};
use artifact_core::{
    Clock, Definition, Error, Local, MountPoint, Provider, Remote, RepositoryId, RepositoryKind,
    RequestBody, SystemClock, Timestamp, Virtual,
};
use artifact_engine::{
    CacheResult, Engine, EngineParts, Mount, Outcome, Providers, Reply, ReplyBody, Request,
    Settings, parse_mount,
};
use bytes::Bytes;
use cas_store::{FileSpool, MemoryStore, Quota};
use futures_util::TryStreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use testkit::{MemoryMetaStore, ScriptedUpstream};
use ttl_cache::MemoryTtlCache;

use crate::catalog::Catalog;

/// A clock that stands still until it is told otherwise.
#[derive(Debug)]
pub(crate) struct ManualClock(AtomicI64);

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// An engine over ports in memory.
pub(crate) struct World {
    pub(crate) engine: Arc<Engine>,
    pub(crate) upstream: Arc<ScriptedUpstream>,
    pub(crate) meta: Arc<MemoryMetaStore>,
    pub(crate) blobs: Arc<MemoryStore>,
    pub(crate) ttl: Arc<MemoryTtlCache>,
    clock: Arc<ManualClock>,
    directory: tempfile::TempDir,
}

/// What replicas share.
struct Stores {
    upstream: Arc<ScriptedUpstream>,
    meta: Arc<MemoryMetaStore>,
    blobs: Arc<MemoryStore>,
    ttl: Arc<MemoryTtlCache>,
    /// In the place of `ttl`.
    hints: Option<Arc<dyn TtlCache>>,
    /// In the place of `blobs`.
    store: Option<Arc<dyn BlobStore>>,
    clock: Arc<ManualClock>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Result<Bytes, Error>,
    pub(crate) outcome: Outcome,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(self.body.as_ref().unwrap()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn cache_status(&self) -> &str {
        self.header("cache-status").unwrap()
    }

    pub(crate) fn result(&self) -> CacheResult {
        self.outcome.result
    }
}

/// A remote with the defaults of the API.
pub(crate) fn remote() -> Remote {
    Remote::new("http://upstream.example/")
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Settings::default(), Quota { bytes: 1 << 30, reserve: 0 }).await
    }

    pub(crate) async fn with(settings: Settings, quota: Quota) -> Self {
        let stores = Stores {
            upstream: Arc::new(ScriptedUpstream::new()),
            meta: Arc::new(MemoryMetaStore::default()),
            blobs: Arc::new(MemoryStore::new()),
            ttl: Arc::new(MemoryTtlCache::default()),
            hints: None,
            store: None,
            clock: Arc::new(ManualClock(AtomicI64::new(1_700_000_000_000))),
        };
        Self::over(stores, None, settings, quota).await
    }

    /// Another replica over the same stores, which reaches others by `peers`.
    pub(crate) async fn beside(&self, settings: Settings, peers: Option<Arc<dyn Peers>>) -> Self {
        Self::over(self.stores(), peers, settings, Quota { bytes: 1 << 30, reserve: 0 }).await
    }

    /// Another replica over the same stores, but with these hints.
    pub(crate) async fn beside_with_hints(
        &self,
        settings: Settings,
        hints: Arc<dyn TtlCache>,
    ) -> Self {
        let stores = Stores { hints: Some(hints), ..self.stores() };
        Self::over(stores, None, settings, Quota { bytes: 1 << 30, reserve: 0 }).await
    }

    /// Another replica over the same metadata, but with this store.
    pub(crate) async fn beside_with_store(&self, store: Arc<dyn BlobStore>) -> Self {
        let stores = Stores { store: Some(store), ..self.stores() };
        Self::over(stores, None, Settings::default(), Quota { bytes: 1 << 30, reserve: 0 }).await
    }

    fn stores(&self) -> Stores {
        Stores {
            upstream: Arc::clone(&self.upstream),
            meta: Arc::clone(&self.meta),
            blobs: Arc::clone(&self.blobs),
            ttl: Arc::clone(&self.ttl),
            hints: None,
            store: None,
            clock: Arc::clone(&self.clock),
        }
    }

    async fn over(
        stores: Stores,
        peers: Option<Arc<dyn Peers>>,
        settings: Settings,
        quota: Quota,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let Stores { upstream, meta, blobs, ttl, hints, store, clock } = stores;
        let providers: Vec<Arc<dyn Provider>> = vec![
            Arc::new(provider_generic::GenericProvider::new()),
            Arc::new(provider_npm::NpmProvider::new()),
            Arc::new(provider_pypi::PypiProvider::new()),
            Arc::new(Catalog::united()),
            Arc::new(Catalog::owned()),
            Arc::new(Catalog::addressed()),
        ];
        let parts = EngineParts {
            meta: Arc::clone(&meta) as _,
            blobs: store.unwrap_or_else(|| Arc::clone(&blobs) as _),
            staging: Arc::clone(&blobs) as _,
            spool: Arc::new(FileSpool::open(directory.path().join("tmp"), quota).unwrap()),
            ttl: hints.unwrap_or_else(|| Arc::clone(&ttl) as _),
            upstream: Arc::clone(&upstream) as _,
            peers,
            providers: providers.into_iter().collect::<Providers>(),
            signer: None,
            clock: Arc::clone(&clock) as _,
        };
        let engine = Engine::start(parts, settings).await.unwrap();
        Self { engine, upstream, meta, blobs, ttl, clock, directory }
    }

    pub(crate) async fn put(
        &self,
        name: &str,
        package_type: &str,
        definition: Definition,
    ) -> RepositoryId {
        let repository = NewRepository {
            name: name.parse().unwrap(),
            package_type: package_type.parse().unwrap(),
            description: String::new(),
            managed_by: String::new(),
            private: false,
            definition,
        };
        let now = self.clock.now();
        let stored = self.meta.put_repository(repository, Precondition::Any, now).await.unwrap();
        let Published::Stored(repository) = stored else { panic!("{stored:?}") };
        self.engine.configuration().reload().await.unwrap();
        repository.id
    }

    pub(crate) async fn remote(&self, name: &str, package_type: &str) -> RepositoryId {
        self.put(name, package_type, Definition::Remote(Box::new(remote()))).await
    }

    pub(crate) async fn local(&self, name: &str, allow_overwrite: bool) -> RepositoryId {
        self.put(name, "generic", Definition::Local(Local { allow_overwrite })).await
    }

    pub(crate) async fn virtual_of(
        &self,
        name: &str,
        package_type: &str,
        members: &[&str],
    ) -> RepositoryId {
        let members = members.iter().map(|member| member.parse().unwrap()).collect();
        let definition =
            Definition::Virtual(Virtual { members, merge_versions: false, deployment: None });
        self.put(name, package_type, definition).await
    }

    /// Lets `seconds` pass for the engine's clock.
    pub(crate) fn pass(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    /// Lets the engine's clock catch up with the one that the stores date changes with.
    pub(crate) fn catch_up(&self) {
        self.clock.0.store(SystemClock.now().as_millis(), Ordering::SeqCst);
    }

    /// The path of the process's directory.
    pub(crate) fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// The row of a file, straight from the metadata store, once it is there.
    pub(crate) async fn stored_blob(&self, body: &[u8]) -> bool {
        let id = testkit::contract::blob_store::id_of(body);
        self.blobs.stat(id).await.unwrap().is_some()
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Answer, Error> {
        self.send(&Method::GET, path, &[], None).await
    }

    pub(crate) async fn get_with(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Answer, Error> {
        self.send(&Method::GET, path, headers, None).await
    }

    pub(crate) async fn put_file(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, Error> {
        self.send(&Method::PUT, path, headers, Some(Bytes::copy_from_slice(body))).await
    }

    /// The answer to a GET of a file of the remote `r`, its body not yet read.
    pub(crate) async fn open(&self, path: &str) -> Reply {
        let request = Request {
            mount: Mount::Package(RepositoryKind::Remote),
            repository: "r",
            method: &Method::GET,
            path,
            query: None,
            headers: &HeaderMap::new(),
            origin: "http://cache.example",
            body: None,
        };
        self.engine.serve(request).await.unwrap()
    }

    pub(crate) async fn send(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Bytes>,
    ) -> Result<Answer, Error> {
        let (path, query) =
            path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let (mount, repository, rest) = parse_mount(path).unwrap();
        let headers = header_map(headers);
        let body = body.map(|bytes| RequestBody {
            length: Some(bytes.len() as u64),
            stream: Box::pin(futures_util::stream::iter([Ok(bytes)])),
        });
        let origin = "http://cache.example";
        let request = Request {
            mount,
            repository,
            method,
            path: rest,
            query,
            headers: &headers,
            origin,
            body,
        };
        let reply = self.engine.serve(request).await?;
        let body = match reply.body {
            ReplyBody::Empty => Ok(Bytes::new()),
            ReplyBody::Full(bytes) => Ok(bytes),
            ReplyBody::Stream(stream) => stream
                .try_fold(Vec::new(), |mut all, chunk| async move {
                    all.extend_from_slice(&chunk);
                    Ok(all)
                })
                .await
                .map(Bytes::from),
        };
        Ok(Answer { status: reply.status, headers: reply.headers, body, outcome: reply.outcome })
    }
}

fn header_map(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            (HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap())
        })
        .collect()
}

/// The path of a file in a repository.
pub(crate) fn at(kind: RepositoryKind, name: &str, path: &str) -> String {
    format!("{}/{path}", artifact_engine::mount_path(MountPoint::Package, kind, name))
}

/// The path of a file in the remote `r`.
pub(crate) fn on_remote(path: &str) -> String {
    at(RepositoryKind::Remote, "r", path)
}
