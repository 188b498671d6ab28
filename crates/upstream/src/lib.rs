//! The one HTTP client towards upstream registries.
//!
//! Everything that leaves for an upstream goes through [`HttpUpstream`]: addresses are checked
//! where the connection is made, credentials stay with their origin, timeouts guard the body and
//! not only the head, and a failing origin is left alone for a while.
//!
//! [`HttpPeers`] reaches the other replicas of this server, which are no upstreams.
//!
//! Invariants: no proxy settings are inherited from the environment, no header of a client is
//! ever passed on, and what a client or this process did wrong never counts against an origin.

mod address;
mod body;
mod breaker;
mod challenge;
mod client;
mod connect;
mod credential;
mod destination;
mod failure;
mod gzip;
mod headers;
mod health;
mod http_upstream;
mod peers;
mod permits;
mod random;
mod redirect;
mod resolve;
mod retry;
mod retry_after;
mod settings;
mod tls;
mod tokens;
mod warnings;
mod window;

pub use address::{Allowance, Verdict, address_policy};
pub use http_upstream::HttpUpstream;
pub use peers::{HttpPeers, PeerTimeouts};
pub use resolve::{Resolve, SystemResolver};
pub use settings::{Limits, Settings, Timeouts};
pub use tls::SetupError;
