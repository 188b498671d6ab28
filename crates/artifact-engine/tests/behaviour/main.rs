//! The engine over in-memory ports and a scripted upstream, with time under control.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so by panicking"
)]

mod catalog;
mod documents;
mod flights;
mod garbage;
mod hosting;
mod indexes;
mod outages;
mod pages;
mod pins;
mod policy;
mod replicas;
mod slow_store;
mod states;
mod substitutes;
mod virtual_repositories;
mod world;
