//! `puppet module` and r10k.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use tempfile::TempDir;

use super::{Output, bare, run};
use crate::Tools;

/// A machine's share of Puppet: its configuration, its modules, and a project of r10k.
#[derive(Debug)]
pub struct PuppetHome(TempDir);

impl PuppetHome {
    /// A new one, which knows nothing of earlier installations.
    pub async fn new() -> Result<Self> {
        let home = Self(tempfile::tempdir()?);
        for directory in ["configuration", "code/environments/production/modules", "project", "bin"]
        {
            std::fs::create_dir_all(home.place(directory))?;
        }
        let tools = Tools::get().await?;
        // Started by root, puppet keeps everything in the system's directories.
        let places = format!(
            "--confdir '{}' --codedir '{}' --vardir '{}' --rundir '{}' --logdir '{}'",
            home.place("configuration").display(),
            home.place("code").display(),
            home.place("state").display(),
            home.place("run").display(),
            home.place("log").display(),
        );
        home.program("puppet", &format!("exec '{}' \"$@\" {places}", tools.puppet.display()))?;
        home.program("r10k", &format!("exec '{}' \"$@\"", tools.r10k.display()))?;
        Ok(home)
    }

    /// Writes puppet's own configuration.
    pub fn configure(&self, text: &str) -> Result<()> {
        Ok(std::fs::write(self.place("configuration/puppet.conf"), text)?)
    }

    /// Writes a file of the project in which commands run.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        Ok(std::fs::write(self.place("project").join(name), text)?)
    }

    /// Runs what a user types into a shell, in the project's directory.
    pub async fn shell(&self, commands: &str) -> Result<Output> {
        let mut command = bare(Path::new("/bin/sh"), self.0.path());
        let mut path = std::ffi::OsString::from(self.place("bin"));
        if let Some(inherited) = std::env::var_os("PATH") {
            path.push(":");
            path.push(inherited);
        }
        command.current_dir(self.place("project")).env("PATH", path).env("LC_ALL", "C.UTF-8");
        run(command.args(["-e", "-c", commands])).await
    }

    /// The class of a module that `puppet module` has installed.
    pub fn installed(&self, module: &str) -> Result<String> {
        class(&self.place("code/environments/production/modules"), module)
    }

    /// The class of a module that r10k has installed.
    pub fn deployed(&self, module: &str) -> Result<String> {
        class(&self.place("project/modules"), module)
    }

    fn program(&self, name: &str, text: &str) -> Result<()> {
        let path = self.place("bin").join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n"))?;
        Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?)
    }

    fn place(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }
}

fn class(modules: &Path, module: &str) -> Result<String> {
    Ok(std::fs::read_to_string(modules.join(module).join("manifests/init.pp"))?)
}
