//! The HTTP surface of ArtifactAPI: routes, the layer stack, error rendering, the management
//! endpoints, metrics and the listener.
//!
//! [`HttpService`] is a plain `tower::Service`, so that another program can mount it; [`Server`]
//! is our own listener around it. What a request means is decided once, as an [`Action`];
//! what it is answered with is decided by the engine.
//!
//! Invariant: no package type is named here, and no caching decision is made here.

mod access;
mod action;
mod addressing;
mod admin;
mod body;
mod call;
mod dispatch;
mod health;
mod host_map;
mod layers;
mod meters;
mod network;
mod origin;
mod pace;
mod repositories;
mod request_id;
mod respond;
mod server;
mod service;
mod stack;
mod token_endpoint;
mod upload;

pub use access::{Authentication, RegistryAccess, Shortfall, challenge, registry_scope};
pub use action::{Action, AdminAction, Extent, PackageRoute, Probe, Refused, RegistryAction};
pub use body::Body;
pub use host_map::{HostMap, InvalidHostMap};
pub use layers::status_of;
pub use meters::describe_metrics;
pub use network::{InvalidNetwork, Network};
pub use origin::{OriginSettings, Peer};
pub use request_id::{RequestId, X_REQUEST_ID};
pub use server::{Answering, Ended, Handler, Limits, Server, Shutdown};
pub use service::{HttpService, HttpServiceBuilder};
