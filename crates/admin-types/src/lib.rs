//! Data types of the management API `/api/v2`, and the traits that serve it.
//!
//! The engine implements [`AdminApi`] over its ports, `admin-client` implements it over the
//! network, so that a console, a test or an embedding service need not know which one it holds.
//!
//! Invariant: nothing here performs I/O or knows an HTTP library; a password travels in a
//! [`Write`]'s document only and has no place in any type that is returned. The one secret that is
//! returned, once, is that of a token which was created by the call.

mod api;
mod collector;
mod cursor;
mod health;
mod kind;
mod object;
mod problem;
mod query;
mod repository;
mod snippet;
mod stats;
mod suggestion;
mod token;
mod write;

pub use api::{AdminApi, CollectorApi, Management, SnippetApi, TokenApi};
pub use collector::{
    BlobCount, Collector, CollectorRun, CollectorState, Lost, LostFile, RunOutcome,
};
pub use cursor::{decode_cursor, encode_cursor};
pub use health::{Check, CheckStatus, Health, HealthStatus};
pub use kind::Kind;
pub use object::{Evicted, Object, ObjectPage, ObjectPrefix, ObjectState};
pub use problem::{FieldError, Problem};
pub use query::{
    CollectQuery, EvictQuery, ListQuery, ObjectQuery, Selection, SnippetQuery, Sort, SortKey,
    StatsQuery, TokenQuery, WriteQuery, encode_component, refuse_parameters,
};
pub use repository::{
    LocalRepository, MemberStatus, Page, RemoteRepository, Repository, State, Status, Versioned,
    VirtualRepository,
};
pub use snippet::{Snippet, Snippets};
pub use stats::{ByteCounts, RepositoryStats, RequestCounts, Stats, StorageStats, UpstreamStats};
pub use suggestion::closest;
pub use token::{CreatedToken, Token, TokenSecret};
pub use write::{Condition, Outcome, Write, WriteMode, Written, parse_document};
