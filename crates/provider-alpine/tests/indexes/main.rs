//! Indexes through the eyes of the engine.

#![expect(clippy::unwrap_used, reason = "the helpers of tests fail like the tests")]

mod hostile;
mod laws;
mod remote;
mod signature;
mod support;
mod virtual_repository;
