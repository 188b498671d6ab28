//! npm.

use anyhow::Result;
use tempfile::TempDir;

use super::{Output, bare, run};
use crate::Tools;

/// An empty project with a cache of its own.
#[derive(Debug)]
pub struct NpmProject(TempDir);

impl NpmProject {
    /// A new one, which knows nothing of earlier installations.
    pub fn new() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        std::fs::create_dir(directory.path().join("project"))?;
        std::fs::write(directory.path().join("project/package.json"), "{}")?;
        Ok(Self(directory))
    }

    /// Installs `package` with its dependencies from the repository at `repository`.
    pub async fn install(&self, repository: &str, package: &str) -> Result<Output> {
        let tools = Tools::get().await?;
        self.run(&tools.npm, &["install", "--registry", &format!("{repository}/"), package]).await
    }

    /// Runs JavaScript that can require what was installed; returns what it printed.
    pub async fn node(&self, code: &str) -> Result<String> {
        let output = self.run(std::path::Path::new("node"), &["-e", code]).await?;
        Ok(output.stdout.trim().to_owned())
    }

    /// The lock file that the installation wrote.
    pub fn lock_file(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.0.path().join("project/package-lock.json"))?)
    }

    async fn run(&self, program: &std::path::Path, arguments: &[&str]) -> Result<Output> {
        let home = self.0.path();
        let mut command = bare(program, home);
        command
            .current_dir(home.join("project"))
            .env("npm_config_cache", home.join("cache"))
            .env("npm_config_globalconfig", home.join("no-global-npmrc"))
            .env("npm_config_userconfig", home.join("no-npmrc"))
            .env("npm_config_update_notifier", "false")
            .env("npm_config_audit", "false")
            .env("npm_config_fund", "false")
            .env("npm_config_fetch_retries", "0")
            .args(arguments);
        run(&mut command).await
    }
}
