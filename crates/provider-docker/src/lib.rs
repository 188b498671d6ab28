//! The rule book of container images and other OCI artifacts: pushed here, pulled through, or both behind one name.
//!
//! Exists so that docker, podman, containerd, oras, helm and all others that speak version 2 of the registry API
//! find here what they would find anywhere. `hosted` is about what is pushed here, `remote` about what is pulled
//! through; both keep the same rows (`rows`), so that a virtual repository finds either under one path.
//!
//! Invariant: the bytes of a manifest are its identity. Nothing here changes, converts or chooses one.

mod error_body;
mod hosted;
mod provider;
mod remote;
mod request;
mod rows;
mod snippets;

pub use provider::DockerProvider;
