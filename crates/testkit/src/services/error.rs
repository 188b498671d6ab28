//! Why there is no server.

use std::path::PathBuf;
use std::process::ExitStatus;

/// A server that a test needs cannot be had or did not do what it was told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// It is not on this machine, and the environment says that it must be.
    #[error("{service} is not installed, but REQUIRE_BACKENDS is set: {hint}")]
    NotInstalled {
        /// What is missing.
        service: &'static str,
        /// Where it was looked for.
        hint: &'static str,
    },
    /// Something around the server failed.
    #[error("{action} for {service}")]
    Preparation {
        /// The server's name.
        service: &'static str,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A program that prepares or asks the server failed.
    #[error("{} failed: {output}", program.display())]
    Program {
        /// The program.
        program: PathBuf,
        /// What it said.
        output: String,
    },
    /// It ended soon after its start.
    #[error("{service} ended with {status}; the end of its log:\n{log}")]
    Ended {
        /// The server's name.
        service: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The last of what it logged.
        log: String,
    },
    /// It runs, but does not serve.
    #[error("{service} is not ready in time; the end of its log:\n{log}")]
    NotReady {
        /// The server's name.
        service: &'static str,
        /// The last of what it logged.
        log: String,
    },
}

impl ServiceError {
    /// Names what was tried when an operation fails.
    pub(crate) fn preparing(
        service: &'static str,
        action: &'static str,
    ) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Preparation { service, action, source }
    }
}
