//! pip, from a private virtual environment.

use anyhow::Result;
use tempfile::TempDir;

use super::{Output, bare, run};
use crate::Tools;

/// An empty place for pip to install into.
#[derive(Debug)]
pub struct PipTarget(TempDir);

impl PipTarget {
    /// A new one, which knows nothing of earlier installations.
    pub fn new() -> Result<Self> {
        Ok(Self(tempfile::tempdir()?))
    }

    /// Installs `requirement` with its dependencies from the repository at `repository` and
    /// from nowhere else, without a cache of pip's own.
    pub async fn install(&self, repository: &str, requirement: &str) -> Result<Output> {
        let tools = Tools::get().await?;
        let mut command = bare(&tools.python, self.0.path());
        command
            .env("PIP_CONFIG_FILE", "/dev/null")
            .args(["-m", "pip", "--isolated", "install", "--no-input", "--no-cache-dir"])
            .args(["--disable-pip-version-check", "--retries", "0", "--target"])
            .arg(self.packages())
            .args(["--index-url", &format!("{repository}/simple/"), requirement]);
        run(&mut command).await
    }

    /// Runs python code that can import what was installed; returns what it printed.
    pub async fn python(&self, code: &str) -> Result<String> {
        let tools = Tools::get().await?;
        let mut command = bare(&tools.python, self.0.path());
        command.env("PYTHONPATH", self.packages()).args(["-c", code]);
        Ok(run(&mut command).await?.stdout.trim().to_owned())
    }

    fn packages(&self) -> std::path::PathBuf {
        self.0.path().join("packages")
    }
}
