//! The store of replicas against a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "the helpers of tests fail like the tests")]

mod access_log;
mod changes;
mod contract;
mod old_server;
mod outages;
mod plans;
mod races;
mod references;
mod row_sets;
mod schema;
mod snapshot;
mod start;
mod support;
