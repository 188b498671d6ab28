//! Remote, local and virtual repositories, written once for all package types.
//!
//! The engine sees ports and rule books only: it knows no package type, no SQL, no socket.
//! Decisions are pure functions; what awaits carries them out.
//!
//! # Embedding
//!
//! Another service brings its own ports, or takes ours, and calls [`Engine::serve`]:
//!
//! ```
//! use std::sync::Arc;
//!
//! use artifact_core::ports::{NewRepository, Precondition, RepositoryStore};
//! use artifact_core::{Clock, Definition, Provider, Remote, RepositoryKind, SystemClock};
//! use artifact_engine::{Engine, EngineParts, Mount, Providers, ReplyBody, Request, Settings};
//! use cas_store::{FileSpool, MemoryStore, Quota};
//! use testkit::{MemoryMetaStore, Script, ScriptedUpstream};
//!
//! # tokio_test(async {
//! // The ports: everything in memory, and an upstream that answers from a script.
//! let directory = tempfile::tempdir()?;
//! let upstream = Arc::new(ScriptedUpstream::new());
//! upstream.on("/files/hello.txt", Script::ok("hello"));
//! let meta = Arc::new(MemoryMetaStore::default());
//! let blobs = Arc::new(MemoryStore::new());
//! let generic: Arc<dyn Provider> = Arc::new(provider_generic::GenericProvider::new());
//! let parts = EngineParts {
//!     meta: meta.clone(),
//!     blobs: blobs.clone(),
//!     staging: blobs,
//!     spool: Arc::new(FileSpool::open(directory.path().join("spool"), Quota::default())?),
//!     ttl: Arc::new(ttl_cache::MemoryTtlCache::default()),
//!     upstream: upstream.clone(),
//!     peers: None,
//!     providers: Providers::from_iter([generic]),
//!     signer: None,
//!     clock: Arc::new(SystemClock),
//! };
//!
//! // One remote.
//! let remote = NewRepository {
//!     name: "files".parse()?,
//!     package_type: "generic".parse()?,
//!     description: String::new(),
//!     managed_by: String::new(),
//!     private: false,
//!     definition: Definition::Remote(Box::new(Remote::new("http://upstream.example/files/"))),
//! };
//! meta.put_repository(remote, Precondition::Absent, SystemClock.now()).await?;
//! let engine = Engine::start(parts, Settings::default()).await?;
//!
//! // One GET; the second would be a hit.
//! let reply = engine
//!     .serve(Request {
//!         mount: Mount::Package(RepositoryKind::Remote),
//!         repository: "files",
//!         method: &http::Method::GET,
//!         path: "hello.txt",
//!         query: None,
//!         headers: &http::HeaderMap::new(),
//!         origin: "http://localhost:8000",
//!         body: None,
//!     })
//!     .await?;
//! assert!(matches!(reply.body, ReplyBody::Full(bytes) if bytes == "hello"));
//! assert_eq!(upstream.count("/files/hello.txt"), 1);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # });
//! # fn tokio_test(run: impl Future<Output = Result<(), Box<dyn std::error::Error>>>) {
//! #     let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
//! #     runtime.block_on(run).unwrap();
//! # }
//! ```

mod acceptance;
mod access_log;
mod addressed;
pub mod admin;
mod answer;
mod assembled;
mod call;
mod coherence;
mod collector;
mod companions;
mod configuration;
mod contradictions;
mod copies;
mod crash_point;
mod described;
mod documents;
mod engine;
mod eviction;
mod flight;
mod forward;
mod freshness;
mod hosting;
mod keys;
mod local;
mod mount;
mod multipart;
mod passthrough;
mod pins;
mod policy;
mod providers;
mod public_keys;
mod publish;
mod reference;
mod remote;
mod renditions;
mod request;
mod rows;
mod selection;
mod settings;
mod shared;
mod snapshot;
mod statistics;
mod storing;
mod substitutes;
mod survey;
mod token_uses;
mod verdict;
mod virtual_repository;

pub use access_log::{AccessLogQueue, CACHE_WORDS};
pub use collector::{Collection, CollectionRequest, Collector};
pub use configuration::Configuration;
pub use engine::{Engine, EngineParts};
pub use flight::SharedFlight;
pub use mount::{Mount, REGISTRY_ROOT, mount_path, mount_url, parse_mount};
pub use policy::{Denial, RuleError, RuleList, Rules};
pub use providers::Providers;
pub use request::{CacheResult, Outcome, Reply, ReplyBody, Request};
pub use settings::{AccessLogSettings, CollectorSettings, Coordination, Settings};
pub use snapshot::{Mounted, Snapshot};
pub use statistics::Counters;
pub use token_uses::TokenUses;
