//! Making room among cached rows.

use artifact_core::Result;
use artifact_core::ports::{Evicted, EvictionPass, RowEviction};
use async_trait::async_trait;

use super::connections::{Client, Purpose};
use super::{PostgresStore, locks, statement};
use crate::integer;

const LOCK: &str = include_str!("queries/lock_least_used.sql");

#[async_trait]
impl RowEviction for PostgresStore {
    async fn evict_least_used(&self, pass: &EvictionPass) -> Result<Evicted> {
        let repositories: Vec<i64> = pass.repositories.iter().map(|id| id.0).collect();
        let unused_since = pass.unused_since.as_millis();
        let (bytes, limit) = (integer::to_sql(pass.bytes), integer::limit(pass.limit));
        let parameters: statement::Parameters<'_> = &[&repositories, &unused_since, &limit, &bytes];
        let evict = |client: Client| async move {
            let chosen = locks::lock(&client, LOCK, parameters).await?;
            locks::delete_unneeded(&client, &chosen).await
        };
        self.connections.transact(Purpose::Bulk, evict).await
    }
}
