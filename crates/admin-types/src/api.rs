//! What can be managed, as traits.

use std::fmt::Debug;

use async_trait::async_trait;
use serde_json::Value;

use crate::{
    CollectQuery, Collector, CollectorRun, Condition, CreatedToken, Evicted, Health, Kind,
    ListQuery, ObjectPage, ObjectQuery, Page, Problem, Repository, Selection, Snippets, Stats,
    StatsQuery, Token, TokenQuery, Versioned, Write, Written,
};

/// The management of a server. Every failure is a [`Problem`] that says what to do.
#[async_trait]
pub trait AdminApi: Debug + Send + Sync {
    /// One page of the repositories of a kind. Stable under inserts: walking the cursors
    /// shows every repository that existed all the time exactly once.
    async fn list(&self, kind: Kind, query: ListQuery) -> Result<Page<Repository>, Problem>;

    /// One repository; 404 if there is none of that kind and name.
    async fn get(&self, kind: Kind, name: &str) -> Result<Versioned<Repository>, Problem>;

    /// Creates, replaces or merges a repository. The same content again changes nothing,
    /// not even the entity tag. All errors of all fields are reported at once.
    async fn write(&self, kind: Kind, write: Write) -> Result<Written, Problem>;

    /// Deletes a repository with everything cached or hosted in it; 409 while a virtual
    /// repository names it as a member. With `dry_run` only says whether it would work.
    async fn delete(
        &self,
        kind: Kind,
        name: &str,
        condition: Condition,
        dry_run: bool,
    ) -> Result<(), Problem>;

    /// One page of what a repository holds.
    async fn objects(
        &self,
        kind: Kind,
        name: &str,
        query: ObjectQuery,
    ) -> Result<ObjectPage, Problem>;

    /// Removes objects, or with `dry_run` counts them. A single path that is not held is a
    /// 404; a prefix that matches nothing answers with zeros.
    async fn evict(
        &self,
        kind: Kind,
        name: &str,
        selection: Selection,
        dry_run: bool,
    ) -> Result<Evicted, Problem>;

    /// Counters over a window of time, and what is stored now.
    async fn stats(&self, query: StatsQuery) -> Result<Stats, Problem>;

    /// How the server and its upstreams are doing.
    async fn health(&self) -> Result<Health, Problem>;
}

/// Client configuration for repositories.
#[async_trait]
pub trait SnippetApi: Debug + Send + Sync {
    /// The snippets of the repository `name` of any kind, all or those of one `client`; 404
    /// if there is no such repository or no snippet for that client. `origin` (scheme and host,
    /// no trailing slash) is written into them where the server has no public URL configured.
    async fn snippets(
        &self,
        name: &str,
        client: Option<&str>,
        origin: &str,
    ) -> Result<Snippets, Problem>;
}

/// The garbage collector.
#[async_trait]
pub trait CollectorApi: Debug + Send + Sync {
    /// What it did and what there is to do.
    async fn collector(&self) -> Result<Collector, Problem>;

    /// Collects now and answers when that is done; 409 while a run of the same process is under
    /// way. A rehearsal only counts what is due.
    async fn collect(&self, query: CollectQuery) -> Result<CollectorRun, Problem>;
}

/// Access tokens.
#[async_trait]
pub trait TokenApi: Debug + Send + Sync {
    /// One page of the tokens in order of name, those that are revoked or have expired among them. Never a secret.
    async fn tokens(&self, query: TokenQuery) -> Result<Page<Token>, Problem>;

    /// Creates a token of `document`: a name, scopes and perhaps `expires_at`. Its secret is in this answer and
    /// nowhere else; 409 if a token in force has the name. All errors of all fields are reported at once.
    async fn create_token(&self, document: Value) -> Result<CreatedToken, Problem>;

    /// Revokes a token, which is worth nothing within seconds; once more changes nothing. 404 if there is none.
    async fn revoke_token(&self, id: &str) -> Result<(), Problem>;
}

/// Everything that can be asked of a server, as one object.
pub trait Management: AdminApi + SnippetApi + CollectorApi + TokenApi {}

impl<T: AdminApi + SnippetApi + CollectorApi + TokenApi> Management for T {}
