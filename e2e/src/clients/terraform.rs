//! Terraform and `OpenTofu`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use tempfile::TempDir;

use super::{Output, bare, run};
use crate::Tools;

/// One of the two programs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Terraform {
    /// `terraform`.
    Terraform,
    /// `tofu`.
    Tofu,
}

impl Terraform {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Terraform, Self::Tofu];

    /// The name of the program, by which snippets are asked for too.
    pub const fn program(self) -> &'static str {
        match self {
            Self::Terraform => "terraform",
            Self::Tofu => "tofu",
        }
    }
}

/// An empty working directory with a client's configuration, without any cache.
#[derive(Debug)]
pub struct TerraformProject {
    directory: TempDir,
    client: Terraform,
    authority: Option<PathBuf>,
}

impl TerraformProject {
    /// A project of what `main` says, for a client that is set up with `configuration`.
    pub fn new(client: Terraform, configuration: &str, main: &str) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        std::fs::write(directory.path().join("cli.tfrc"), configuration)?;
        std::fs::create_dir(directory.path().join("project"))?;
        std::fs::write(directory.path().join("project/main.tf"), main)?;
        Ok(Self { directory, client, authority: None })
    }

    /// Trusts servers with certificates of the authority in this file, and no others.
    #[must_use]
    pub fn trusting(self, authority: &Path) -> Self {
        Self { authority: Some(authority.to_owned()), ..self }
    }

    /// Installs providers and modules.
    pub async fn init(&self) -> Result<Output> {
        self.run(&["init", "-no-color", "-input=false"]).await
    }

    /// Writes the lock file for `platforms`, asking registries or what `more` says.
    pub async fn lock(&self, platforms: &[&str], more: &[&str]) -> Result<Output> {
        let platforms: Vec<_> =
            platforms.iter().map(|platform| format!("-platform={platform}")).collect();
        let mut arguments = vec!["providers", "lock", "-no-color"];
        arguments.extend(more);
        arguments.extend(platforms.iter().map(String::as_str));
        self.run(&arguments).await
    }

    /// The value of an output of a module, which needs no provider.
    pub async fn output(&self, name: &str) -> Result<String> {
        self.run(&["apply", "-no-color", "-auto-approve"]).await?;
        let output = self.run(&["output", "-no-color", "-raw", name]).await?;
        Ok(output.stdout.trim().to_owned())
    }

    /// The lock file that the client wrote.
    pub fn lock_file(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.directory.path().join("project/.terraform.lock.hcl"))?)
    }

    async fn run(&self, arguments: &[&str]) -> Result<Output> {
        let home = self.directory.path();
        let tools = Tools::get().await?;
        let program = match self.client {
            Terraform::Terraform => &tools.terraform,
            Terraform::Tofu => &tools.tofu,
        };
        let mut command = bare(program, home);
        command
            .current_dir(home.join("project"))
            .env("TF_CLI_CONFIG_FILE", home.join("cli.tfrc"))
            .env("CHECKPOINT_DISABLE", "1")
            .env("TF_IN_AUTOMATION", "1")
            .args(arguments);
        if let Some(authority) = &self.authority {
            command.env("SSL_CERT_FILE", authority);
        }
        run(&mut command).await
    }
}
