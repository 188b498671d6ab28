//! A typed client of the management API `/api/v2`.
//!
//! [`AdminClient`] implements the same traits as the engine itself, so that a console works the
//! same over the network and inside the process.
//!
//! Invariant: the token goes to the configured endpoint and nowhere else: redirects are not
//! followed, and neither `Debug` nor an error shows it.

mod answer;
mod client;
mod endpoint;
mod transport;

pub use client::AdminClient;
pub use endpoint::InvalidEndpoint;
pub use secrecy::SecretString;
