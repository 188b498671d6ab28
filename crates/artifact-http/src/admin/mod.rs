//! The management API over HTTP: JSON in, JSON out; all rules are behind [`Management`].

mod document;
mod handlers;

use std::sync::Arc;

use admin_types::{Management, Problem};
use bytes::Bytes;
use http::HeaderName;
use http::request::Parts;

use crate::action::AdminAction;
use crate::call::{Answer, Call, Failure};
use crate::origin::{OriginSettings, Peer};

/// The handlers of `/api/v2`.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    api: Arc<dyn Management>,
    origins: Arc<OriginSettings>,
}

impl Admin {
    pub(crate) fn new(api: Arc<dyn Management>, origins: Arc<OriginSettings>) -> Self {
        Self { api, origins }
    }

    /// Answers a call of the management API.
    pub(crate) async fn serve<B>(
        &self,
        action: AdminAction<'_>,
        call: &mut Call<'_, B>,
    ) -> Result<Answer, Failure>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let head = Head { parts: call.parts, peer: call.peer };
        let response = match action {
            AdminAction::List(kind) => self.list(kind, head).await?,
            AdminAction::Create(kind) => {
                self.create(kind, document::read(call).await?, head).await?
            }
            AdminAction::Get(kind, name) => self.get(kind, name, head).await?,
            AdminAction::Put(kind, name) => {
                self.put(kind, name, document::read(call).await?, head).await?
            }
            AdminAction::Patch(kind, name) => {
                self.patch(kind, name, document::read(call).await?, head).await?
            }
            AdminAction::Delete(kind, name) => self.delete(kind, name, head).await?,
            AdminAction::Objects(kind, name) => self.objects(kind, name, head).await?,
            AdminAction::Evict(kind, name) => self.evict(kind, name, head).await?,
            AdminAction::Snippets(name) => self.snippets(name, head).await?,
            AdminAction::Tokens => self.tokens(head).await?,
            AdminAction::CreateToken => {
                self.create_token(document::read(call).await?, head).await?
            }
            AdminAction::RevokeToken(id) => self.revoke_token(id, head).await?,
            AdminAction::Collector => self.collector(head).await?,
            AdminAction::Collect => self.collect(head).await?,
            AdminAction::Stats => self.stats(head).await?,
            AdminAction::Health => self.health(head).await?,
        };
        Ok(Answer::plain(response))
    }
}

/// The head of a call, without the body that a handler has no more use for.
#[derive(Clone, Copy)]
struct Head<'a> {
    parts: &'a Parts,
    peer: Peer,
}

impl<'a> Head<'a> {
    fn query(self) -> &'a str {
        self.parts.uri.query().unwrap_or_default()
    }

    /// A header's text; a 400 if it is not text at all.
    fn text(self, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
        let Some(value) = self.parts.headers.get(name) else { return Ok(None) };
        let text = value.to_str().map(Some);
        text.map_err(|_| Problem::bad_request(format!("header {name} is not plain text")))
    }
}
