//! Making room among cached rows.

use artifact_core::Result;
use artifact_core::ports::{Evicted, EvictionPass, RowEviction};
use async_trait::async_trait;

use super::connections::{Client, Purpose};
use super::{PostgresStore, rows, statement};
use crate::integer;

const EVICT: &str = include_str!("queries/evict_least_used.sql");

#[async_trait]
impl RowEviction for PostgresStore {
    async fn evict_least_used(&self, pass: &EvictionPass) -> Result<Evicted> {
        let repositories: Vec<i64> = pass.repositories.iter().map(|id| id.0).collect();
        let unused_since = pass.unused_since.as_millis();
        let (bytes, limit) = (integer::to_sql(pass.bytes), integer::limit(pass.limit));
        let parameters: statement::Parameters<'_> = &[&repositories, &unused_since, &limit, &bytes];
        let evict = |client: Client| async move {
            rows::evicted_from_columns(&statement::row(&client, EVICT, parameters).await?)
        };
        self.connections.transact(Purpose::Bulk, evict).await
    }
}
