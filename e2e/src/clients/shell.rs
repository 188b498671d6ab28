//! A shell, for clients that are used by typing.

use std::path::{Path, PathBuf};

use anyhow::Result;
use tempfile::TempDir;

use super::{Output, bare, run};

/// A user's home and what is on the path there.
#[derive(Debug)]
pub struct ShellHome(TempDir);

impl ShellHome {
    /// A new home that knows `programs` by their names, before those of the machine.
    pub fn new(programs: &[(&str, &Path)]) -> Result<Self> {
        let home = Self(tempfile::tempdir()?);
        std::fs::create_dir_all(home.place("bin"))?;
        for (name, program) in programs {
            std::os::unix::fs::symlink(program, home.place("bin").join(name))?;
        }
        Ok(home)
    }

    /// Where something of the home is.
    pub fn place(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    /// Writes a file and the directories that it stands in.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<()> {
        let path = self.place(name);
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        Ok(std::fs::write(path, content)?)
    }

    /// Runs what a user types, in the home; the first command that fails ends it.
    pub async fn shell(&self, commands: &str) -> Result<Output> {
        let mut command = bare(Path::new("/bin/sh"), self.0.path());
        let mut path = std::ffi::OsString::from(self.place("bin"));
        if let Some(inherited) = std::env::var_os("PATH") {
            path.push(":");
            path.push(inherited);
        }
        command.current_dir(self.0.path()).env("PATH", path).env("LC_ALL", "C.UTF-8");
        run(command.args(["-e", "-c", commands])).await
    }
}
