//! What takes the place of a document that upstream does not have.

use std::pin::Pin;
use std::sync::Arc;

use artifact_core::{Error, ErrorKind, Result, Substitute, Target};

use crate::answer::CacheNote;
use crate::documents::{self, Source};
use crate::shared::Shared;
use crate::snapshot::Mounted;

/// Whether `error` says that a remote has nothing. Where a refusal may mean that, it does for who has no credential.
pub(crate) fn is_absence(mounted: &Mounted, error: &Error) -> bool {
    let is_hidden = mounted.provider.defaults().refusal_means_absence && !mounted.has_credential();
    error.is_absent() || (is_hidden && error.kind() == ErrorKind::UpstreamAuth)
}

/// What takes the place of `absent`, else the `error` that says so. Boxed and named, because there may be a substitute
/// for a substitute.
pub(crate) fn instead<'a>(
    shared: &'a Arc<Shared>,
    mounted: &'a Arc<Mounted>,
    absent: &'a Target,
    error: Error,
) -> Pin<Box<dyn Future<Output = Result<Source>> + Send + 'a>> {
    Box::pin(async move {
        match mounted.provider.substitute(absent) {
            None => Err(error),
            Some(Substitute::Document(other)) => documents::source(shared, mounted, &other).await,
            Some(Substitute::Body(body)) => {
                let note = if error.is_remembered() {
                    CacheNote::Hit { ttl: None }
                } else {
                    CacheNote::Miss { collapsed: false, stored: false }
                };
                documents::made(shared, mounted, absent, body, note)
            }
        }
    })
}
