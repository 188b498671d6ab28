//! Tools for tests: contract suites that every adapter passes, fakes of the ports, and a
//! scripted origin server.
//!
//! A development dependency only; nothing that ships may depend on it.

pub mod contract;
mod gate;
mod memory_meta_store;
mod origin;
mod plan;
mod script;
mod scripted_upstream;
#[cfg(feature = "services")]
pub mod services;

pub use gate::Gate;
pub use memory_meta_store::MemoryMetaStore;
pub use origin::{Origin, OriginRequest};
pub use plan::pattern;
pub use script::Script;
pub use scripted_upstream::ScriptedUpstream;
