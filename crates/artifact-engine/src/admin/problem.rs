//! The engine's errors as problems of the management interface.

use admin_types::{Kind, Problem};
use artifact_core::{Error, ErrorKind};

/// What a failed port means for an operator. The cause goes to the log here, because a
/// [`Problem`] carries none.
#[expect(clippy::needless_pass_by_value, reason = "the signature that map_err wants")]
pub(super) fn from_error(error: Error) -> Problem {
    let (status, anchor, title) = match error.kind() {
        ErrorKind::NotFound | ErrorKind::Gone => (404, "not_found", "not found"),
        ErrorKind::BadRequest => (400, "bad_request", "the request is malformed"),
        ErrorKind::Unprocessable => (422, "validation", "the content is invalid"),
        ErrorKind::Conflict => (409, "conflict", "conflict with what is stored"),
        ErrorKind::Unavailable | ErrorKind::Overloaded => {
            (503, "unavailable", "a part of the server does not answer")
        }
        ErrorKind::InsufficientStorage => (507, "insufficient_storage", "there is no room"),
        _ => (500, "internal", "a defect of the server"),
    };
    if status >= 500 {
        let cause = std::error::Error::source(&error).map(tracing::field::display);
        tracing::error!(%error, cause, "management request failed");
    }
    let retry_after = error.retry_after().map(|after| after.as_secs().max(1));
    Problem {
        retry_after: retry_after.map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX)),
        ..Problem::new(status, anchor, title, error.public())
    }
}

/// There is no repository of that kind and name.
pub(super) fn missing(kind: Kind, name: &str) -> Problem {
    Problem::not_found(format!("there is no {kind} repository {name:?}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn errors_become_problems_without_their_cause() {
        for (kind, status) in [
            (ErrorKind::NotFound, 404),
            (ErrorKind::BadRequest, 400),
            (ErrorKind::Conflict, 409),
            (ErrorKind::Unavailable, 503),
            (ErrorKind::InsufficientStorage, 507),
            (ErrorKind::Internal, 500),
        ] {
            let error = Error::new(kind, "text")
                .with_source("SELECT secret")
                .with_retry_after(Duration::from_millis(1));
            let problem = from_error(error);
            assert_eq!((problem.status, problem.retry_after), (status, Some(1)));
            assert_eq!(&*problem.detail, "text");
        }
    }
}
