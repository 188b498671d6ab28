//! What may be tuned.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use artifact_core::ports::Intent;
use artifact_core::{Clock, SystemClock};

use crate::{Resolve, SystemResolver};

/// What we call ourselves unless told otherwise.
pub(crate) const USER_AGENT: &str = concat!("artifactapi/", env!("CARGO_PKG_VERSION"));

/// How the client behaves. The defaults are right for production.
#[derive(Clone)]
pub struct Settings {
    /// What we call ourselves.
    pub user_agent: String,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// How many things may happen at once.
    pub limits: Limits,
    /// How host names become addresses.
    pub resolver: Arc<dyn Resolve>,
    /// What the dates in answers are compared with.
    pub clock: Arc<dyn Clock>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            user_agent: USER_AGENT.to_owned(),
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            resolver: Arc::new(SystemResolver),
            clock: Arc::new(SystemClock),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("user_agent", &self.user_agent)
            .field("timeouts", &self.timeouts)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// How long things may take.
#[derive(Clone, Debug)]
pub struct Timeouts {
    /// Resolving a name.
    pub resolve: Duration,
    /// A TCP connection, over all addresses.
    pub connect: Duration,
    /// The TLS handshake.
    pub tls: Duration,
    /// From sending a request for metadata to its head.
    pub metadata_first_byte: Duration,
    /// From sending a request for an artifact to its head.
    pub artifact_first_byte: Duration,
    /// From one chunk of a body to the next.
    pub body_idle: Duration,
    /// The span over which [`Limits::bytes_per_second`] must hold.
    pub rate_window: Duration,
    /// Metadata from the call to the last byte, retries included.
    pub metadata_total: Duration,
    /// An artifact from the call to the last byte, retries included.
    pub artifact_total: Duration,
    /// How long an idle connection is kept.
    pub pool_idle: Duration,
    /// How long a request waits for its turn.
    pub queue: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            resolve: Duration::from_secs(3),
            connect: Duration::from_secs(5),
            tls: Duration::from_secs(5),
            metadata_first_byte: Duration::from_secs(15),
            artifact_first_byte: Duration::from_secs(30),
            body_idle: Duration::from_secs(30),
            rate_window: Duration::from_secs(60),
            metadata_total: Duration::from_secs(60),
            artifact_total: Duration::from_secs(6 * 60 * 60),
            pool_idle: Duration::from_secs(90),
            queue: Duration::from_secs(5),
        }
    }
}

impl Timeouts {
    pub(crate) fn first_byte(&self, intent: Intent) -> Duration {
        match intent {
            Intent::Metadata => self.metadata_first_byte,
            Intent::Artifact => self.artifact_first_byte,
        }
    }

    pub(crate) fn total(&self, intent: Intent) -> Duration {
        match intent {
            Intent::Metadata => self.metadata_total,
            Intent::Artifact => self.artifact_total,
        }
    }
}

/// How many things may happen at once, and how slowly.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Requests to one host, until the ends of their bodies.
    pub per_host: usize,
    /// Requests altogether.
    pub process: usize,
    /// Retries of one request.
    pub retries: u32,
    /// A body that is slower than this is given up.
    pub bytes_per_second: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_host: 32, process: 256, retries: 2, bytes_per_second: 1024 }
    }
}
