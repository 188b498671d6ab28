//! The management interface of the engine: [`Admin`] implements the traits of `admin-types`
//! over the metadata store and the current configuration.
//!
//! Reading shows what is stored, so that a repository that does not load is still visible
//! and can be repaired. Writing judges the whole document, reports everything that is wrong with it at
//! once, and answers only when the new configuration is in force in this process.
//!
//! Where no public URL is configured, addresses are paths: whoever knows the origin of the
//! request puts them behind it with `Repository::under_origin`.
//!
//! Invariant: a password goes in and never comes out, not in an answer, an error or a log; the secret
//! of a token comes out once, in the answer to its creation.

mod collector;
mod definition;
mod deletion;
mod fields;
mod health;
mod listing;
mod members;
mod objects;
mod problem;
mod readonly;
mod snippets;
mod statistics;
mod status;
mod tokens;
mod url_rules;
mod view;
mod write;

use std::sync::Arc;

use admin_types::{
    AdminApi, CollectQuery, Collector, CollectorApi, CollectorRun, Condition, CreatedToken,
    Evicted, Health, Kind, ListQuery, ObjectPage, ObjectQuery, Page, Problem, Repository,
    Selection, SnippetApi, Snippets, Stats, StatsQuery, Token, TokenApi, TokenQuery, Versioned,
    Write, Written,
};
use artifact_core::{Timestamp, ports::MetaStore};
use async_trait::async_trait;
use serde_json::Value;

use crate::engine::Engine;
use problem::from_error;
pub use tokens::token_hash;
use view::View;

/// What the management interface says about the process that it runs in.
#[derive(Clone, Debug)]
pub struct ServerInfo {
    /// The version of the program.
    pub version: String,
    /// When it started.
    pub started_at: Timestamp,
    /// Who may write.
    pub access: Access,
}

/// Who may write to this server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// Everyone who can reach it.
    Open,
    /// Who has a token.
    Token,
}

/// The management of an engine.
#[derive(Debug)]
pub struct Admin {
    engine: Arc<Engine>,
    server: ServerInfo,
    /// Held while a write is judged and stored, because a judgement about members looks at
    /// more than the row that the store compares.
    writing: tokio::sync::Mutex<()>,
}

impl Admin {
    /// The management of `engine`.
    pub fn new(engine: Arc<Engine>, server: ServerInfo) -> Self {
        Self { engine, server, writing: tokio::sync::Mutex::default() }
    }

    fn meta(&self) -> &dyn MetaStore {
        &*self.engine.parts().meta
    }

    fn now(&self) -> Timestamp {
        self.engine.parts().clock.now()
    }

    /// Every stored repository in order of name. What another replica changed is in force here
    /// before it is shown, so that nothing new looks as if it did not load.
    async fn stored(&self) -> Result<Vec<artifact_core::Repository>, Problem> {
        let change = self.meta().repositories().await.map_err(from_error)?;
        if change.generation != self.engine.configuration().snapshot().generation() {
            self.reload().await;
        }
        Ok(change.repositories)
    }

    async fn stored_one(
        &self,
        kind: Kind,
        name: &str,
    ) -> Result<artifact_core::Repository, Problem> {
        let of_that_name = |repository: &artifact_core::Repository| {
            repository.name.as_str() == name && view::kind_of(repository) == kind
        };
        let stored = self.stored().await?;
        stored.into_iter().find(of_that_name).ok_or_else(|| problem::missing(kind, name))
    }

    /// Puts what was stored in force. It is stored already, so that a failure here is no
    /// failure of the write: the next poll repeats it.
    async fn reload(&self) {
        if let Err(error) = self.engine.configuration().reload().await {
            tracing::warn!(%error, "the changed configuration could not be read back");
        }
    }
}

#[async_trait]
impl AdminApi for Admin {
    async fn list(&self, kind: Kind, query: ListQuery) -> Result<Page<Repository>, Problem> {
        self.list_repositories(kind, &query).await
    }

    async fn get(&self, kind: Kind, name: &str) -> Result<Versioned<Repository>, Problem> {
        let repository = self.stored_one(kind, name).await?;
        let view = View::load(self, kind == Kind::Local).await?;
        Ok(view.versioned(&repository))
    }

    async fn write(&self, kind: Kind, write: Write) -> Result<Written, Problem> {
        self.write_repository(kind, &write).await
    }

    async fn delete(
        &self,
        kind: Kind,
        name: &str,
        condition: Condition,
        dry_run: bool,
    ) -> Result<(), Problem> {
        self.delete_repository(kind, name, &condition, dry_run).await
    }

    async fn objects(
        &self,
        kind: Kind,
        name: &str,
        query: ObjectQuery,
    ) -> Result<ObjectPage, Problem> {
        self.list_objects(kind, name, query).await
    }

    async fn evict(
        &self,
        kind: Kind,
        name: &str,
        selection: Selection,
        dry_run: bool,
    ) -> Result<Evicted, Problem> {
        self.evict_objects(kind, name, selection, dry_run).await
    }

    async fn stats(&self, query: StatsQuery) -> Result<Stats, Problem> {
        self.gather_statistics(&query).await
    }

    async fn health(&self) -> Result<Health, Problem> {
        Ok(self.examine().await)
    }
}

#[async_trait]
impl SnippetApi for Admin {
    async fn snippets(
        &self,
        name: &str,
        client: Option<&str>,
        origin: &str,
    ) -> Result<Snippets, Problem> {
        self.write_snippets(name, client, origin).await
    }
}

#[async_trait]
impl CollectorApi for Admin {
    async fn collector(&self) -> Result<Collector, Problem> {
        self.look_at_collector().await
    }

    async fn collect(&self, query: CollectQuery) -> Result<CollectorRun, Problem> {
        self.run_collector(query).await
    }
}

#[async_trait]
impl TokenApi for Admin {
    async fn tokens(&self, query: TokenQuery) -> Result<Page<Token>, Problem> {
        self.list_tokens(&query).await
    }

    async fn create_token(&self, document: Value) -> Result<CreatedToken, Problem> {
        self.make_token(&document).await
    }

    async fn revoke_token(&self, id: &str) -> Result<(), Problem> {
        self.end_token(id).await
    }
}
