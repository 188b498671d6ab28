//! Why the store did not do as asked, told apart by what an operator has to change.

use std::time::Duration;

/// Why a request to an S3-compatible store failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum S3Failure {
    /// No connection: wrong endpoint, wrong choice of encryption, or the server is down.
    #[error("no connection to the endpoint")]
    Unreachable {
        /// What the network or TLS said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is a connection, and nothing comes.
    #[error("no answer within {} s", after.as_secs_f32())]
    TimedOut {
        /// How long was waited.
        after: Duration,
    },
    /// The connection broke.
    #[error("the connection broke off")]
    Broken {
        /// What the network said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The last requests were not answered, so this one was not sent.
    #[error("not asked, because it did not answer a moment ago")]
    NotAsked,
    /// The keys are wrong or do not give the right to do this.
    #[error("the credentials are refused: {code}")]
    Refused {
        /// What the server calls it.
        code: String,
    },
    /// There is no such bucket.
    #[error("there is no such bucket")]
    MissingBucket,
    /// The bucket is in another region.
    #[error("the bucket is in another region: {}", region.as_deref().unwrap_or("unknown"))]
    WrongRegion {
        /// Where it is, as far as the server tells.
        region: Option<String>,
    },
    /// Something answers, but not as an S3-compatible store does.
    #[error("the endpoint does not answer like an object store: status {status}")]
    NotAStore {
        /// What it answered.
        status: u16,
    },
    /// There is no room left.
    #[error("the object store has no room left: {code}")]
    Full {
        /// What the server calls it.
        code: String,
    },
    /// Any other refusal.
    #[error("the object store answers {status} {code}")]
    Answer {
        /// The status.
        status: u16,
        /// What the server calls it; empty if the answer has no body.
        code: String,
    },
    /// The file to be stored cannot be read.
    #[error("the file to be stored cannot be read")]
    Source {
        /// What the system said.
        source: std::io::Error,
    },
    /// An answer that cannot be understood.
    #[error("the answer cannot be understood: {problem}")]
    Unreadable {
        /// What is wrong with it.
        problem: String,
    },
}

impl S3Failure {
    /// Whether the same request may succeed a moment later. Not after a timeout: who waited that
    /// long is better served with a failure. What a server does not do, it will not do a moment later.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Broken { .. } => true,
            Self::Answer { .. } if self.is_not_implemented() => false,
            Self::Answer { status, .. } => *status == 429 || *status >= 500,
            _ => false,
        }
    }

    /// Whether the server gave no sign of life.
    pub(super) fn is_silence(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Broken { .. })
    }

    /// Whether the server says that there is no such key, in a bucket that exists.
    pub(super) fn is_missing_key(&self) -> bool {
        matches!(self, Self::Answer { status: 404, code } if code == "NoSuchKey")
    }

    /// Whether the server says that what was staged is not there: an object, or an upload in parts.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Self::Answer { status: 404, code } if code == "NoSuchUpload")
            || self.is_missing_key()
    }

    /// Whether the server does not know this kind of request.
    pub(super) fn is_not_implemented(&self) -> bool {
        matches!(self, Self::Answer { status: 501, .. })
    }

    /// Whether the server says only "not found", as it does where the answer has no body.
    pub(super) fn is_bare_not_found(&self) -> bool {
        matches!(self, Self::Answer { status: 404, code } if code.is_empty())
    }

    /// Whether the range that was asked for begins behind the end.
    pub(super) fn is_behind_the_end(&self) -> bool {
        matches!(self, Self::Answer { status: 416, .. })
    }
}
