//! `apk`, or what stands in for it.

use anyhow::{Context, Result};

use super::{Output, ShellHome};
use crate::Tools;
use crate::fixtures::AlpineKey;
use crate::tools::package_file;

/// A machine without any package, which has one repository and trusts one key.
///
/// Only its own distribution has `apk`. Where there is none on the path, signatures are checked
/// with openssl, and indexes and packages with a reader that shares no code with the server.
#[derive(Debug)]
pub struct AlpineMachine {
    home: ShellHome,
    repository: String,
    has_apk: bool,
}

impl AlpineMachine {
    /// A new one.
    pub async fn new(repository: &str, key: &AlpineKey) -> Result<Self> {
        let tools = Tools::get().await?;
        let mut programs = vec![("python", tools.python.as_path())];
        programs.extend(tools.apk.as_deref().map(|apk| ("apk", apk)));
        let home = ShellHome::new(&programs)?;
        home.write(&format!("keys/{}", key.name), &key.pem)?;
        home.write("repositories", format!("{repository}\n"))?;
        let machine =
            Self { home, repository: repository.to_owned(), has_apk: tools.apk.is_some() };
        if machine.has_apk {
            machine.apk("--initdb add").await?;
        }
        Ok(machine)
    }

    /// Reads the index, and installs `package` with what it needs.
    pub async fn install(&self, package: &str) -> Result<Output> {
        if self.has_apk {
            self.apk("update").await?;
            return self.apk(&format!("add {package}")).await;
        }
        #[expect(clippy::print_stdout, reason = "the run says what it could not do")]
        {
            println!("no apk on the path: checked with openssl and an independent reader");
        }
        let reader = package_file("apk_reader.py");
        let (reader, repository) = (reader.display(), &self.repository);
        self.home.shell(&format!("python '{reader}' {repository} keys root {package}")).await
    }

    /// The text that an installed package has brought.
    pub fn installed(&self, package: &str) -> Result<String> {
        let place = self.home.place(&format!("root/usr/share/{package}"));
        std::fs::read_to_string(place).with_context(|| format!("{package} is not installed"))
    }

    async fn apk(&self, command: &str) -> Result<Output> {
        // Only root may install, if only into a directory of its own.
        let is_root = rustix::process::geteuid().is_root();
        let elevated = if is_root { "" } else { "unshare --map-root-user " };
        self.home
            .shell(&format!(
                "{elevated}apk --root \"$HOME/root\" --arch x86_64 --keys-dir \"$HOME/keys\" \
                 --repositories-file \"$HOME/repositories\" {command}"
            ))
            .await
    }
}
