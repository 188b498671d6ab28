//! What is sent of a document of another registry: the page that was asked for, under the name that was asked for, as if
//! it were hosted here.

use artifact_core::ports::RelatedRow;
use artifact_core::{
    Excerpt, Intent, ListRequest, Outcome, Reject, RelationRequest, Template, Worded,
};
use registry_v2::{merged_referrers, parse_digest};

use crate::request::refused;
use crate::{hosted, rows};

pub(crate) fn excerpt(asked: &Excerpt<'_>) -> Result<Option<Worded>, Reject> {
    match hosted::intent(asked.request)? {
        Intent::List(request) => Ok(Some(tags(&request, asked.whole, asked.mount))),
        Intent::Relate(request) => referrers(&request, asked.whole, asked.mount).map(Some),
        _ => Ok(None),
    }
}

/// `whole` has a tag on each line.
fn tags(request: &ListRequest, whole: &Template, mount: &str) -> Worded {
    let whole = whole.fill("");
    let text = String::from_utf8_lossy(&whole);
    let is_behind = |tag: &&str| request.after.as_deref().is_none_or(|after| *tag > after);
    let mut behind = text.lines().filter(is_behind);
    let entries: Vec<_> = behind.by_ref().take(request.limit).map(ToOwned::to_owned).collect();
    let has_more = request.limit > 0 && behind.next().is_some();
    hosted::word(&Outcome::List { request, entries: &entries, has_more }, mount)
}

/// `whole` is an index.
fn referrers(request: &RelationRequest, whole: &Template, mount: &str) -> Result<Worded, Reject> {
    let whole = whole.fill("");
    let mut related = Vec::new();
    for (digest, descriptor) in merged_referrers([&whole[..]]).map_err(refused)? {
        let Ok(digest) = parse_digest(&digest) else { continue };
        let path = rows::manifest(&request.name, &digest)?;
        if request.after.as_deref().is_none_or(|after| path.as_str() > after) {
            related.push(RelatedRow { path, descriptor: descriptor.to_owned() });
        }
    }
    Ok(hosted::word(&Outcome::Related { request, rows: &related, has_more: false }, mount))
}
