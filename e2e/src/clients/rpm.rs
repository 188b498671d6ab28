//! `dnf` and `zypper` in an installation root of their own.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::{Output, bare, run};
use crate::Tools;

/// A machine's share of its package managers: repositories, keys, caches, and what they install.
#[derive(Debug)]
pub struct RpmRoot(TempDir);

impl RpmRoot {
    /// A new one, which knows no repository and has no key.
    pub async fn new() -> Result<Self> {
        let root = Self(tempfile::tempdir()?);
        for directory in ["bin", "repositories", "root"] {
            std::fs::create_dir(root.place(directory))?;
        }
        let tools = Tools::get().await?;
        let place = root.place("root").display().to_string();
        let repositories = root.place("repositories").display().to_string();
        let cache = root.place("cache").display().to_string();
        root.program(
            &tools.dnf,
            &format!(
                "-y --installroot='{place}' --setopt=reposdir='{repositories}' \
                 --setopt=cachedir='{cache}' --setopt=keepcache=1 --releasever=9"
            ),
        )?;
        root.program(
            &tools.zypper,
            &format!("--non-interactive --root '{place}' --cache-dir '{cache}'"),
        )?;
        root.program(&tools.rpm, &format!("--root '{place}'"))?;
        Ok(root)
    }

    /// Writes a file with repositories.
    pub fn configure(&self, text: &str) -> Result<()> {
        Ok(std::fs::write(self.place("repositories/artifacts.repo"), text)?)
    }

    /// Runs what a user types into a shell.
    pub async fn shell(&self, commands: &str) -> Result<Output> {
        let mut command = bare(Path::new("/bin/sh"), self.0.path());
        let mut path = std::ffi::OsString::from(self.place("bin"));
        if let Some(inherited) = std::env::var_os("PATH") {
            path.push(":");
            path.push(inherited);
        }
        command.env("PATH", path).env("LC_ALL", "C.UTF-8");
        run(command.args(["-e", "-c", commands])).await
    }

    /// The names of the packages that were downloaded.
    pub fn downloaded(&self) -> Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for package in self.packages()? {
            names.extend(package.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
        Ok(names)
    }

    /// A package that was downloaded.
    pub fn package(&self, name: &str) -> Result<Vec<u8>> {
        let packages = self.packages()?;
        let found = packages.iter().find(|path| path.ends_with(name));
        let found = found.with_context(|| format!("{name} is not among {packages:?}"))?;
        Ok(std::fs::read(found)?)
    }

    fn packages(&self) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        let mut directories = vec![self.place("cache")];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory)? {
                let path = entry?.path();
                if path.is_dir() {
                    directories.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rpm") {
                    found.push(path);
                }
            }
        }
        Ok(found)
    }

    /// Puts a program on the path that is always started with these options. Only root may install,
    /// if only into a directory of its own.
    fn program(&self, program: &Path, options: &str) -> Result<()> {
        let is_root = rustix::process::geteuid().is_root();
        let elevated = if is_root { "" } else { "unshare --map-root-user " };
        let name = program.file_name().context("a program without a name")?;
        let path = self.place("bin").join(name);
        let text = format!("#!/bin/sh\nexec {elevated}'{}' {options} \"$@\"\n", program.display());
        std::fs::write(&path, text)?;
        Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?)
    }

    fn place(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }
}
