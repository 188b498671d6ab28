//! The wire of OCI registries: what clients of version 2 of the registry API send, and what they are told.
//!
//! Exists so that the rules of container images are about images and not about text. Names, tags and digests that
//! passed their grammar are types; paths are read from their end, because an image may be called like a part of
//! the API.
//!
//! Invariant: nothing here performs I/O, reads a clock or changes a byte of a manifest, and whatever it
//! reads is bounded.

mod error;
mod listing;
mod manifest;
mod name;
mod page;
mod query;
mod reference;
mod referrers;
mod route;
mod upload;

pub use error::{API_VERSION, ErrorCode, ErrorEntry, Refusal, envelope};
pub use listing::{TagList, catalog, tag_list};
pub use manifest::{Descriptor, Manifest, ManifestType};
pub use name::{ImageName, InvalidImageName};
pub use page::{Page, next_link};
pub use query::{all_of, first_of};
pub use reference::{InvalidReference, InvalidTag, Reference, Tag, fallback_tag, parse_digest};
pub use referrers::{Referrer, ReferrersIndex, merged_referrers, referrers_index};
pub use route::{Resource, Route, UnknownRoute};
pub use upload::{Claim, Decision, UploadRange, durable_range};
