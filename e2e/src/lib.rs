//! The end-to-end suite: the real server binary, real clients, and upstreams that count what
//! they are asked.
//!
//! Exists so that a test reads like the story of a user. Invariant: no client and no part of
//! the server is imitated here; only upstreams are ours, because they must be counted, broken
//! and stopped. What a test needs and the machine lacks is a failure, never a skip.

pub mod clients;
pub mod fixtures;
mod http_client;
mod management;
mod server;
mod tools;

pub use http_client::{Exchange, HttpClient};
pub use management::{local, remote, virtual_of};
pub use server::{DataDirectory, Server};
pub use tools::Tools;
