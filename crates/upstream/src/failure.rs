//! Why there is no answer, and whether asking once more may help.

use std::error::Error as StdError;
use std::time::Duration;

use artifact_core::ports::{UpstreamError, UpstreamReason};

use crate::connect::ConnectError;

/// A request without an answer.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: UpstreamError,
    /// Whether the same request may succeed a moment later.
    pub(crate) is_transient: bool,
}

impl Failure {
    /// A failure that asking again does not change.
    pub(crate) fn lasting(reason: UpstreamReason, message: impl Into<String>) -> Self {
        Self { error: error(reason, message), is_transient: false }
    }

    /// A failure that asking again may change.
    pub(crate) fn transient(reason: UpstreamReason, message: impl Into<String>) -> Self {
        Self { error: error(reason, message), is_transient: true }
    }

    /// Nothing was sent; ask again after `pause`.
    pub(crate) fn postponed(reason: UpstreamReason, message: String, pause: Duration) -> Self {
        let error = UpstreamError { retry_after: Some(pause), ..error(reason, message) };
        Self { error, is_transient: false }
    }

    /// What the pooled client reports when there is no head.
    pub(crate) fn of_client(failed: &hyper_util::client::legacy::Error, host: &str) -> Self {
        if let Some(connect) = find::<ConnectError>(failed) {
            let failure = Self::lasting(connect.reason(), connect.to_string());
            return Self { is_transient: connect.is_transient(), ..failure };
        }
        let message = format!("no answer from {host}: {}", chain(failed));
        let is_malformed = find::<hyper::Error>(failed)
            .is_some_and(|failed| failed.is_parse() || failed.is_user());
        if is_malformed {
            Self::lasting(UpstreamReason::Protocol, message)
        } else {
            Self::transient(UpstreamReason::Protocol, message)
        }
    }
}

/// An error without a hint when to come back.
pub(crate) fn error(reason: UpstreamReason, message: impl Into<String>) -> UpstreamError {
    UpstreamError { reason, message: message.into(), retry_after: None }
}

/// The messages of `error` and everything below it.
pub(crate) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    for cause in sources(error).skip(1) {
        text.push_str(": ");
        text.push_str(&cause.to_string());
    }
    text
}

fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    sources(error).find_map(|cause| cause.downcast_ref::<E>())
}

fn sources<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
