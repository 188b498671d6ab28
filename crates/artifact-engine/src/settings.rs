//! What an embedder decides about the engine.

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
        }
    }
}
