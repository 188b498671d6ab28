//! The keys of an installation: OpenPGP and RSA signatures.
//!
//! What we make of other people's indexes has to be signed anew, and every replica has to sign with
//! the same keys. [`Keyring`] makes them when they are first needed and shares them through the
//! metadata store, or takes them from files of the operator.
//!
//! Invariant: the only crate that knows OpenPGP and RSA. No secret half leaves it but into the
//! [`KeyStore`](artifact_core::ports::KeyStore); none is in an error, a log or `Debug` output.

mod error;
mod key;
mod keyring;
mod openpgp;
mod rsa_key;
mod settings;
mod slot;

pub use error::SigningError;
pub use keyring::Keyring;
pub use settings::{OpenPgpFile, SigningSettings};
