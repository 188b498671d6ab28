//! What a package type says of a file in headers of its own.

use artifact_core::{Described, RowKey, Shape, Target};
use http::header::{CONTENT_TYPE, WARNING};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::request::{CacheResult, Reply};
use crate::shared::Shared;
use crate::snapshot::Mounted;

/// Shown to people by clients of registries (RFC 7234, section 5.5).
const STALE: HeaderValue =
    HeaderValue::from_static("299 - \"upstream could not be asked, this is the last known copy\"");

/// Adds the headers of the type to the answer with a file of `member`.
pub(crate) fn describe(shared: &Shared, member: &Mounted, target: &Target, reply: &mut Reply) {
    let Some(rules) = member.provider.publishing() else { return };
    if target.shape != Shape::File {
        return;
    }
    let key = RowKey {
        repository: member.id(),
        path: target.path.clone(),
        variant: target.source.clone(),
    };
    let described = if let Some(hot) = shared.rows.hot(&key) {
        rules.describe(&Described::of(&hot.row))
    } else {
        let content_type = reply.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        rules.describe(&Described { path: &target.path, content_type, etag: None, blob: None })
    };
    for (name, value) in described {
        let Some(name) = name else { continue };
        // Several parts have a type of their own, and what is not sent has none.
        let has_own = name == CONTENT_TYPE
            && matches!(reply.status, StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED);
        if !has_own {
            reply.headers.insert(name, value);
        }
    }
    if reply.outcome.result == CacheResult::Stale {
        warn(member, &mut reply.headers);
    }
}

/// Says that what is sent is stale, if the type's clients tell people.
pub(crate) fn warn(mounted: &Mounted, headers: &mut HeaderMap) {
    if mounted.provider.publishing().is_some() {
        headers.insert(WARNING, STALE);
    }
}
