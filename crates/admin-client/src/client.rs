//! The client: one HTTP request per call.

use std::time::Duration;

use admin_types::{
    AdminApi, CollectQuery, Collector, CollectorApi, CollectorRun, Condition, CreatedToken,
    EvictQuery, Evicted, Health, Kind, ListQuery, ObjectPage, ObjectQuery, Page, Problem,
    Repository, Selection, SnippetApi, SnippetQuery, Snippets, Stats, StatsQuery, Token, TokenApi,
    TokenQuery, Versioned, Write, WriteMode, WriteQuery, Written, encode_component,
};
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::endpoint::{Endpoint, InvalidEndpoint};
use crate::transport::{Call, Transport};

const DEADLINE: Duration = Duration::from_secs(30);
const TOKENS: &str = "/api/v2/tokens";

/// A client of one server. Cheap to clone; clones share their connections.
///
/// A failure that is no answer of the server (no connection, no answer in time, an answer
/// that cannot be read) is a [`Problem`] of status [`Problem::NO_ANSWER`]. After one the caller of
/// a write does not know whether it happened; every write but a creation may simply be repeated.
#[derive(Clone, Debug)]
pub struct AdminClient {
    transport: Transport,
}

impl AdminClient {
    /// A client of the server at `endpoint`, such as `https://host:8000`, that identifies itself
    /// with `token`.
    pub fn new(endpoint: &str, token: Option<&SecretString>) -> Result<Self, InvalidEndpoint> {
        let authorization = token.map(bearer).transpose()?;
        let endpoint = Endpoint::parse(endpoint)?;
        Ok(Self { transport: Transport::new(endpoint, authorization, DEADLINE) })
    }

    /// The same client giving up on a call after `deadline` instead of 30 seconds.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { transport: self.transport.with_deadline(deadline) }
    }

    /// The server's address, without a trailing slash.
    pub fn endpoint(&self) -> &str {
        self.transport.endpoint().as_str()
    }

    async fn read<T: DeserializeOwned>(&self, path: &str, query: &str) -> Result<T, Problem> {
        self.transport.send(Call::new(Method::GET, path, query)).await?.value()
    }
}

#[async_trait]
impl AdminApi for AdminClient {
    async fn list(&self, kind: Kind, query: ListQuery) -> Result<Page<Repository>, Problem> {
        self.read(&collection(kind), &query.to_query()).await
    }

    async fn get(&self, kind: Kind, name: &str) -> Result<Versioned<Repository>, Problem> {
        let path = resource(kind, name);
        let answer = self.transport.send(Call::new(Method::GET, &path, "")).await?;
        Ok(Versioned { etag: answer.etag(), value: answer.value()? })
    }

    async fn write(&self, kind: Kind, write: Write) -> Result<Written, Problem> {
        let path = match &write.name {
            Some(name) => resource(kind, name),
            None => collection(kind),
        };
        let query = WriteQuery { dry_run: write.dry_run }.to_query();
        let (method, media_type) = match write.mode {
            WriteMode::Create => (Method::POST, "application/json"),
            WriteMode::Replace => (Method::PUT, "application/json"),
            WriteMode::Merge => (Method::PATCH, "application/merge-patch+json"),
        };
        let mut headers = vec![(header::CONTENT_TYPE, HeaderValue::from_static(media_type))];
        headers.extend(condition_header(&write.condition)?);
        let body = Bytes::from(write.document.to_string());
        let call = Call { headers, body, ..Call::new(method, &path, &query) };
        let answer = self.transport.send(call).await?;
        let repository = Versioned { etag: answer.etag(), value: answer.value()? };
        Ok(Written { outcome: answer.outcome(), repository })
    }

    async fn delete(
        &self,
        kind: Kind,
        name: &str,
        condition: Condition,
        dry_run: bool,
    ) -> Result<(), Problem> {
        let path = resource(kind, name);
        let query = WriteQuery { dry_run }.to_query();
        let headers = condition_header(&condition)?.into_iter().collect();
        let call = Call { headers, ..Call::new(Method::DELETE, &path, &query) };
        self.transport.send(call).await.map(|_| ())
    }

    async fn objects(
        &self,
        kind: Kind,
        name: &str,
        query: ObjectQuery,
    ) -> Result<ObjectPage, Problem> {
        self.read(&objects(kind, name), &query.to_query()).await
    }

    async fn evict(
        &self,
        kind: Kind,
        name: &str,
        selection: Selection,
        dry_run: bool,
    ) -> Result<Evicted, Problem> {
        let path = objects(kind, name);
        let query = EvictQuery { selection, dry_run }.to_query();
        self.transport.send(Call::new(Method::DELETE, &path, &query)).await?.value()
    }

    async fn stats(&self, query: StatsQuery) -> Result<Stats, Problem> {
        self.read("/api/v2/stats", &query.to_query()).await
    }

    async fn health(&self) -> Result<Health, Problem> {
        self.read("/api/v2/health", "").await
    }
}

#[async_trait]
impl CollectorApi for AdminClient {
    async fn collector(&self) -> Result<Collector, Problem> {
        self.read("/api/v2/gc", "").await
    }

    async fn collect(&self, query: CollectQuery) -> Result<CollectorRun, Problem> {
        let query = query.to_query();
        self.transport.send(Call::new(Method::POST, "/api/v2/gc/run", &query)).await?.value()
    }
}

#[async_trait]
impl TokenApi for AdminClient {
    async fn tokens(&self, query: TokenQuery) -> Result<Page<Token>, Problem> {
        self.read(TOKENS, &query.to_query()).await
    }

    async fn create_token(&self, document: Value) -> Result<CreatedToken, Problem> {
        let json = HeaderValue::from_static("application/json");
        let call = Call {
            headers: vec![(header::CONTENT_TYPE, json)],
            body: Bytes::from(document.to_string()),
            ..Call::new(Method::POST, TOKENS, "")
        };
        self.transport.send(call).await?.value()
    }

    async fn revoke_token(&self, id: &str) -> Result<(), Problem> {
        let path = format!("{TOKENS}/{}", encode_component(id));
        self.transport.send(Call::new(Method::DELETE, &path, "")).await.map(|_| ())
    }
}

#[async_trait]
impl SnippetApi for AdminClient {
    /// The server writes its own idea of its origin; `origin` is not sent.
    async fn snippets(
        &self,
        name: &str,
        client: Option<&str>,
        _origin: &str,
    ) -> Result<Snippets, Problem> {
        let path = format!("/api/v2/repositories/{}/snippets", encode_component(name));
        let query = SnippetQuery { client: client.map(ToOwned::to_owned) }.to_query();
        self.read(&path, &query).await
    }
}

fn collection(kind: Kind) -> String {
    format!("/api/v2/{}", kind.plural())
}

fn resource(kind: Kind, name: &str) -> String {
    format!("/api/v2/{}/{}", kind.plural(), encode_component(name))
}

fn objects(kind: Kind, name: &str) -> String {
    format!("{}/objects", resource(kind, name))
}

fn condition_header(condition: &Condition) -> Result<Option<(HeaderName, HeaderValue)>, Problem> {
    match condition {
        Condition::Any => Ok(None),
        Condition::IfNoneMatchAny => {
            Ok(Some((header::IF_NONE_MATCH, HeaderValue::from_static("*"))))
        }
        Condition::IfMatch(tags) => match HeaderValue::from_str(tags) {
            Ok(tags) => Ok(Some((header::IF_MATCH, tags))),
            Err(_) => Err(Problem::bad_request("the entity tag cannot stand in a header")),
        },
    }
}

fn bearer(token: &SecretString) -> Result<HeaderValue, InvalidEndpoint> {
    let text = format!("Bearer {}", token.expose_secret());
    let mut value = HeaderValue::try_from(text).map_err(|_| InvalidEndpoint::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_the_token() {
        let token = SecretString::from("hunter2");
        let client = AdminClient::new("http://127.0.0.1:1", Some(&token)).unwrap();
        assert!(!format!("{client:?}").contains("hunter2"));
        let broken = SecretString::from("a\r\nb");
        let refused = AdminClient::new("http://127.0.0.1:1", Some(&broken)).map(|_| ());
        assert_eq!(refused, Err(InvalidEndpoint::Token));
    }

    #[test]
    fn names_cannot_leave_their_segment() {
        assert_eq!(resource(Kind::Remote, "../stats?x"), "/api/v2/remotes/..%2Fstats%3Fx");
    }
}
