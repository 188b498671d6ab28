//! Hosting for clients that publish in several requests: uploads, documents that name files, listings.
//!
//! A [`Publishing`] says what a request asks for and words the answer; what is done in between stands here,
//! once for all types of this kind.
//!
//! Invariant: success is reported only when the bytes are durable and everything that leads to them is
//! committed. What a client was told is here stays for a while, needed or not.

mod catalog;
mod expiry;
mod listing;
mod promises;
mod publication;
mod reading;
mod removal;
mod source;
mod upload;
mod uploader;

use std::sync::Arc;

use artifact_core::{
    Definition, Error, ErrorKind, Fault, Intent, Outcome, Publishing, RepoPath, RequestBody,
    Result, RowKey, Variant, Virtual,
};
use http::{HeaderMap, Method};

use crate::answer;
use crate::call::Call;
use crate::request::{CacheResult, Reply};
use crate::shared::Shared;
use crate::snapshot::Mounted;

pub(crate) use catalog::{catalog, catalog_of};
pub(crate) use expiry::give_up_what_expired;
pub(crate) use listing::{document, holds};
pub(crate) use promises::Promises;

/// The hosted repository that a request concerns, and what it asks for; `None` for requests that are none of this
/// module's. On a virtual repository with a deployment member those are what is written, and what a client looks
/// for before it writes: what another member has would not be there when the document comes.
pub(crate) fn concerned(call: &Call<'_>) -> Result<Option<(Arc<Mounted>, Intent)>> {
    let Some(rules) = call.mounted.provider.publishing() else { return Ok(None) };
    match &call.mounted.repository.definition {
        Definition::Local(_) => {
            let intent = rules.intent(&call.package_request())?;
            Ok(Some((Arc::clone(call.mounted), intent)))
        }
        Definition::Virtual(Virtual { deployment: Some(name), .. }) => {
            let intent = rules.intent(&call.package_request())?;
            if is_of_all_members(&intent, call.request.method) {
                return Ok(None);
            }
            let is_local = |member: &&Arc<Mounted>| {
                matches!(member.repository.definition, Definition::Local(_))
            };
            let member = call.snapshot.find(name.as_str()).filter(is_local).ok_or_else(|| {
                let text = "the member that takes what is pushed here is not available";
                Error::new(ErrorKind::Unavailable, text)
            })?;
            Ok(Some((Arc::clone(member), intent)))
        }
        Definition::Remote(_) | Definition::Virtual(_) => Ok(None),
    }
}

fn is_of_all_members(intent: &Intent, method: &Method) -> bool {
    match intent {
        Intent::Read(reading) => !reading.promises || method != Method::HEAD,
        Intent::List(_) | Intent::Relate(_) => true,
        _ => false,
    }
}

/// A request to a hosted repository with its rules.
#[derive(Clone, Copy)]
struct Conversation<'a> {
    shared: &'a Arc<Shared>,
    call: &'a Call<'a>,
    rules: &'a dyn Publishing,
    /// The path of the repository that the client addressed.
    mount: &'a str,
}

impl Conversation<'_> {
    fn key(&self, path: &RepoPath) -> RowKey {
        key(self.call.mounted, path)
    }

    /// What happened in the words of the protocol.
    fn word(&self, outcome: &Outcome<'_>) -> Reply {
        let worded = self.rules.word(outcome, self.mount);
        answer::worded(&self.call.asking(), worded, CacheResult::None)
    }

    fn fault(&self, kind: ErrorKind, fault: Fault, text: impl Into<String>) -> Error {
        Error::new(kind, text.into()).with_code(self.rules.code(fault))
    }
}

fn key(mounted: &Mounted, path: &RepoPath) -> RowKey {
    RowKey { repository: mounted.id(), path: path.clone(), variant: Variant::SOURCE }
}

fn absent() -> Error {
    Error::new(ErrorKind::NotFound, "there is no such file in this repository")
}

/// Does what the request asks for, in `host`, which the client sees as the repository that it addressed.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    call: &Call<'_>,
    (host, intent): (Arc<Mounted>, Intent),
    body: Option<RequestBody>,
) -> Result<Reply> {
    let rules = host.provider.publishing().ok_or_else(|| {
        Error::new(ErrorKind::Internal, "this repository takes no uploads of this kind")
    })?;
    let mount = &*call.mount_path();
    let call = &Call { mounted: &host, ..*call };
    let conversation = Conversation { shared, call, rules, mount };
    match intent {
        Intent::Read(reading) => conversation.read(&reading).await,
        Intent::Begin(beginning) => Box::pin(conversation.begin(&beginning, body)).await,
        Intent::Continue(continuation) => {
            Box::pin(conversation.continue_upload(&continuation, body)).await
        }
        Intent::Ask(upload) => conversation.ask(&upload).await,
        Intent::Cancel(upload) => conversation.cancel(&upload).await,
        Intent::Publish(submission) => Box::pin(conversation.publish(&submission, body)).await,
        Intent::Remove(removal) => conversation.remove(&removal).await,
        Intent::List(request) => conversation.list(&request).await,
        Intent::Relate(request) => conversation.relate(&request).await,
    }
}

/// Replaces headers by those that say more.
fn replace(headers: &mut HeaderMap, by: HeaderMap) {
    for (name, value) in by {
        if let Some(name) = name {
            headers.insert(name, value);
        }
    }
}
