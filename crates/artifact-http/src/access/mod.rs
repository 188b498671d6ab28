//! Who asks, and whether they may.
//!
//! Without an administrator's token the server is open. With one, reading what is public, probes and metrics stay
//! anonymous, and everything else needs the administrator's token, a token of the token store that may, or a ticket
//! that was issued for one.
//!
//! Invariant: what cannot be checked is never allowed. A request that everybody may make costs no look at its
//! credentials.

mod authentication;
mod challenge;
mod credentials;
mod decision;
mod registry_scope;
mod ticket;
mod verified_tokens;

pub use authentication::Authentication;
pub use challenge::{Shortfall, challenge};
pub(crate) use credentials::presented;
pub(crate) use decision::{Asked, Principal};
pub use registry_scope::{RegistryAccess, registry_scope};
pub(crate) use registry_scope::{RegistryGrant, needed_scope, requested_grants};
pub(crate) use ticket::Ticket;
pub(crate) use verified_tokens::VerifiedTokens;
