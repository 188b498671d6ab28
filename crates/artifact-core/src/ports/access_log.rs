//! The access log: one record per request, for audits and for finding out who got which bytes.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use crate::{BlobId, Result, Timestamp};

/// One request, after its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AccessLogRecord {
    /// When it was received.
    pub received_at: Timestamp,
    /// Its id, as in logs and answers.
    pub request_id: String,
    /// Who asked: the name of the token, or empty for anonymous.
    pub principal: String,
    /// The client's address, if it is known.
    pub client: Option<String>,
    /// The method.
    pub method: String,
    /// The repository that the route names, if it names one.
    pub repository: Option<String>,
    /// The path without its query.
    pub path: String,
    /// The bytes that were served, if they are a stored blob.
    pub blob: Option<BlobId>,
    /// The status.
    pub status: u16,
    /// How the cache took part: a word of a fixed set.
    pub cache: &'static str,
    /// Body bytes really sent.
    pub bytes_sent: u64,
    /// Whether the body reached its end.
    pub complete: bool,
    /// From the first byte of the request to the last of the answer.
    pub duration: Duration,
    /// The client's name for itself.
    pub user_agent: Option<String>,
}

/// Records of requests, kept by day.
#[async_trait]
pub trait AccessLog: fmt::Debug + Send + Sync {
    /// Appends a batch. A batch that was appended before changes nothing, so that one whose
    /// outcome is in doubt may be sent again.
    async fn append(&self, batch: Uuid, records: &[AccessLogRecord]) -> Result<()>;

    /// Forgets whole days (UTC) that ended before a moment.
    async fn forget_days_before(&self, moment: Timestamp) -> Result<()>;
}
