//! The end-to-end suite: the real server binary, real clients, and upstreams that count what
//! they are asked.
//!
//! Exists so that a test reads like the story of a user. Invariant: no client and no part of
//! the server is imitated here; only upstreams are ours, because they must be counted, broken
//! and stopped. What a test needs and the machine lacks is a failure, never a skip; for servers
//! and docker's engine, which not everybody can start, where `REQUIRE_BACKENDS` is set. The exception
//! is `apk`, which cannot be had: where it is absent, others check what it would check, and say so.

pub mod clients;
mod cluster;
pub mod fixtures;
mod http_client;
mod https_front;
mod image;
mod management;
mod profile;
mod recorder;
mod server;
mod small_disk;
mod start;
mod tools;
mod waiting;

pub use cluster::{Cluster, Lasting, secret_key};
pub use http_client::{Download, Exchange, HttpClient};
pub use https_front::{HttpsFront, OpenFront};
pub use image::{Container, Image};
pub use management::{local, remote, virtual_of};
pub use profile::Profile;
pub use recorder::{Recorded, Recorder};
pub use server::{DataDirectory, Server};
pub use small_disk::small_disks;
pub use start::{Environment, Refusal, Start};
pub use tools::Tools;
pub use waiting::{eventually, within};
