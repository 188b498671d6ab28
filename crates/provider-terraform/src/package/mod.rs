//! The packages of providers: where they are, their checksums and the signature of those.
//!
//! Checksums and signature are fetched together with the document that names them, and kept under
//! its digest, because pairs that were fetched at different times may not belong together.

pub(crate) mod archives;
mod belongings;
mod description;
pub(crate) mod download;
pub(crate) mod signature;
pub(crate) mod sums;

use belongings::{checksums_of, facts, inspection};
use description::Description;
