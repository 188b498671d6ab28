//! Contract suites: one named test per clause, stamped per backend by a macro.

pub mod admin_api;
pub mod blob_store;
pub mod collector_api;
pub mod meta_store;
pub mod staging;
pub mod token_api;
pub mod ttl_cache;
