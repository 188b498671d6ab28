//! `gpg` and `openssl`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Whether `program` is there. If it has to be, its absence is a failure.
#[expect(clippy::print_stdout, reason = "who runs the tests has to know what was not tested")]
fn is_installed(program: &str) -> bool {
    let found = Command::new(program).arg("version").output().is_ok();
    let is_required = std::env::var("REQUIRE_BACKENDS").is_ok_and(|value| value == "1");
    assert!(found || !is_required, "{program} is not installed");
    if !found {
        println!("{program} is not installed, nothing is tested");
    }
    found
}

fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// `gpg` with a home of its own.
pub(crate) struct Gpg {
    home: tempfile::TempDir,
}

impl Gpg {
    /// `None` if it is not installed.
    pub(crate) fn find() -> Option<Self> {
        is_installed("gpg").then(|| Self { home: tempfile::tempdir().unwrap() })
    }

    /// What it prints. It has to succeed.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> String {
        let mut command = self.command("gpg");
        command.args(["--batch", "--quiet", "--pinentry-mode", "loopback"]).args(arguments);
        String::from_utf8(succeed(&mut command).stdout).unwrap()
    }

    /// A file in its home.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("GNUPGHOME", self.home.path()).env("LC_ALL", "C");
        command
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = self.command("gpgconf").args(["--kill", "all"]).output();
    }
}

/// `openssl`'s command line.
#[derive(Clone, Copy)]
pub(crate) struct OpenSsl {
    program: &'static str,
}

impl OpenSsl {
    /// `None` if it is not installed.
    pub(crate) fn find() -> Option<Self> {
        is_installed("openssl").then_some(Self { program: "openssl" })
    }

    /// Runs it; it has to succeed.
    pub(crate) fn run<S: AsRef<OsStr>>(self, directory: &Path, arguments: &[S]) -> String {
        let mut command = Command::new(self.program);
        let output = succeed(command.current_dir(directory).args(arguments));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
