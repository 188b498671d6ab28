//! The real clients, each started with nothing of the user's: no configuration, no cache, no
//! variable that could send it past the cache.

mod alpine;
mod containers;
mod curl;
mod npm;
mod pip;
mod puppet;
mod rpm;
mod shell;
mod terraform;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;
use tokio::time::timeout;

pub use alpine::AlpineMachine;
pub use containers::ContainerHome;
pub use curl::curl;
pub use npm::NpmProject;
pub use pip::PipTarget;
pub use puppet::PuppetHome;
pub use rpm::RpmRoot;
pub use shell::ShellHome;
pub use terraform::{Terraform, TerraformProject};

const CLIENT_LIMIT: Duration = Duration::from_secs(180);

/// What a client said, when it ended well.
#[derive(Debug)]
pub struct Output {
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// A command that sees only `PATH` and a home of its own.
fn bare(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", home).stdin(Stdio::null()).kill_on_drop(true);
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

async fn run(command: &mut Command) -> Result<Output> {
    let shown = format!("{:?}", command.as_std());
    let finished = timeout(CLIENT_LIMIT, command.output()).await;
    let finished = finished.with_context(|| format!("no end of {shown}"))??;
    let stdout = String::from_utf8_lossy(&finished.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&finished.stderr).into_owned();
    ensure!(finished.status.success(), "{shown}: {}\n{stdout}\n{stderr}", finished.status);
    Ok(Output { stdout, stderr })
}
