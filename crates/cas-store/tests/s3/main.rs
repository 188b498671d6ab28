//! The store on S3: the contract, and what happens when the server does not do as it should.
//!
//! Two servers: `s3s-fs` in this process, which a script can interrupt, and a real one, which is
//! killed and frozen. The former has no list of uploads in parts and knows no regions; what needs
//! these is scripted.

#![expect(clippy::unwrap_used, reason = "tests")]

mod contract;
mod failures;
mod parts;
mod server;
mod silence;
mod staging;
