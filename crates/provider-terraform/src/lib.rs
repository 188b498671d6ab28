//! The rule book of Terraform and `OpenTofu`: provider registry, module registry, network mirror.
//!
//! Exists so that both clients install providers and modules through us under the addresses,
//! signatures and lock files of the registry that they know, and over a network mirror made of the
//! same bytes.
//!
//! Invariant: nothing that a publisher signed or hashed is changed, only the links around it; a
//! zip is served for the digest that the registry names, and an address at upstream comes from
//! what upstream sent, never from a request.

mod discovery;
mod document;
mod error_body;
mod listing;
mod module;
mod name;
mod output;
mod package;
mod provider;
mod rewrite;
mod route;
mod snippets;

pub use provider::TerraformProvider;
