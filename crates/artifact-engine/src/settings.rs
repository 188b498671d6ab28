//! What an embedder decides about the engine.

use std::path::PathBuf;
use std::time::Duration;

/// Settings of the engine; the defaults are the product's.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address under which clients reach us, without a trailing slash; written into
    /// documents whose links must be absolute. When absent, the origin of each request is used.
    pub public_url: Option<String>,
    /// Memory for hot rows, in bytes.
    pub row_cache_bytes: u64,
    /// Memory for rendered documents, in bytes.
    pub rendition_cache_bytes: u64,
    /// The largest file that is stored; larger ones pass through.
    pub object_limit: u64,
    /// How long a request waits for a revalidation before it takes the stale copy.
    pub revalidation_wait: Duration,
    /// How often the configuration generation is polled.
    pub configuration_poll: Duration,
    /// How often counters are flushed.
    pub flush_interval: Duration,
    /// The name of this process among those that share its stores.
    pub replica: String,
    /// Whether other processes share its stores.
    pub coordination: Coordination,
    /// The URL under which other replicas reach this one, without a trailing slash; without it
    /// they wait for what this one fetches instead of reading along.
    pub peer_address: Option<String>,
    /// Which of `metadata`, `storage` and `hints` are services of their own: while one of them is
    /// down, the server goes on with what it holds and is degraded, not down.
    pub services: Vec<&'static str>,
    /// When garbage is collected.
    pub collector: CollectorSettings,
    /// How many bytes cached files may occupy before the least used ones are evicted; `None` is
    /// no limit. Hosted files are never evicted.
    pub storage_quota: Option<u64>,
    /// How long an upload may rest, and how long a hosted file is kept that no document names: a client
    /// that was told that it is here sends the document within that time.
    pub upload_expiry: Duration,
    /// The access log in the metadata store; `None` is no access log.
    pub access_log: Option<AccessLogSettings>,
}

/// How the access log is kept.
#[derive(Clone, Debug)]
pub struct AccessLogSettings {
    /// How many days a record is kept at least.
    pub days: u32,
    /// A local directory of this process alone, for records that the metadata store does not
    /// take for now. At most 1 GiB.
    pub spill_directory: PathBuf,
}

/// Whether a process has its stores for itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Coordination {
    /// It does: what it remembers is true until it changes it.
    Alone,
    /// Replicas work on the same stores: fetches are leased, changes are looked for.
    Shared,
}

/// When and how carefully garbage is collected.
#[derive(Clone, Debug)]
pub struct CollectorSettings {
    /// How often a run begins; zero means only on request.
    pub interval: Duration,
    /// How long after its last change a blob is left alone before it is reviewed.
    pub review_delay: Duration,
    /// How long a condemned blob is kept before its bytes are deleted. Longer than any download
    /// takes, and than the time between two backups of the metadata.
    pub delete_delay: Duration,
    /// A run that would delete more than this share of all blobs or bytes refuses, in percent.
    /// Stores of fewer than a thousand blobs are too small to judge.
    pub share_limit_percent: u8,
    /// How often the blob store is compared with the index.
    pub sweep_interval: Duration,
    /// How old a stored blob without an entry must be to be taken for an orphan.
    pub orphan_age: Duration,
}

impl Default for CollectorSettings {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        Self {
            interval: Duration::from_secs(300),
            review_delay: DAY,
            delete_delay: DAY,
            share_limit_percent: 20,
            sweep_interval: 7 * DAY,
            orphan_age: 2 * DAY,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            public_url: None,
            row_cache_bytes: 64 << 20,
            rendition_cache_bytes: 256 << 20,
            object_limit: 10 << 30,
            revalidation_wait: Duration::from_secs(2),
            configuration_poll: Duration::from_secs(2),
            flush_interval: Duration::from_secs(10),
            replica: "alone".to_owned(),
            coordination: Coordination::Alone,
            peer_address: None,
            services: Vec::new(),
            collector: CollectorSettings::default(),
            storage_quota: None,
            upload_expiry: Duration::from_secs(24 * 3600),
            access_log: None,
        }
    }
}
