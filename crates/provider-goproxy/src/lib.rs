//! The rule book of Go modules: the GOPROXY protocol and, behind it, the checksum databases.
//!
//! Exists so that `go` finds every module and every checksum below one URL, also where nothing else can
//! be reached. What a version is never changes once it was served: `go.sum` files remember it.
//!
//! Invariant: a status of absence means that the module is not here, because `go` then asks the next
//! proxy or the module's origin; and a checksum database is asked, through upstream or directly, only if
//! it is one of Go's own or the operator names it.

mod document;
mod error_body;
mod provider;
mod route;
mod snippets;

pub use provider::GoproxyProvider;
