//! The configuration in a file beside the process, so that a replica can start and serve what is
//! cached while the database is away.
//!
//! Secrets are in the file as in the database: encrypted. The file is read only by a process
//! that has not yet seen the database; what the database said is never replaced by it.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use artifact_core::ports::Change;
use artifact_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::encryption::EncryptionKey;
use crate::error::StoreError;
use crate::stored_repository::StoredRepository;

/// What this version writes, and the only one that it reads.
const VERSION: u32 = 1;

/// The configuration as it is stored.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Configuration {
    pub(crate) generation: i64,
    pub(crate) repositories: Vec<StoredRepository>,
}

#[derive(Deserialize, Serialize)]
struct Content {
    version: u32,
    #[serde(flatten)]
    configuration: Configuration,
}

impl Configuration {
    /// What it means, with its secrets decrypted.
    pub(crate) fn open(self, key: &EncryptionKey) -> Result<Change, StoreError> {
        let open = |stored: StoredRepository| stored.open(key);
        let repositories = self.repositories.into_iter().map(open).collect::<Result<_, _>>()?;
        Ok(Change { generation: self.generation, repositories })
    }
}

/// The file, and what this process knows of it.
#[derive(Clone, Debug)]
pub(crate) struct KeptConfiguration {
    path: PathBuf,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Whether the database was read by this process.
    has_read: bool,
    /// The generation that this process wrote last.
    written: Option<i64>,
}

impl KeptConfiguration {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, state: Arc::default() }
    }

    /// Whether there is a file.
    pub(crate) fn exists(&self) -> bool {
        self.path.exists()
    }

    /// Keeps what the database said. A failure is no failure of whoever asked.
    pub(crate) async fn keep(&self, configuration: &Configuration) {
        let is_news = {
            let mut state = self.state();
            state.has_read = true;
            state.written.replace(configuration.generation) != Some(configuration.generation)
        };
        if !is_news {
            return;
        }
        let (path, content) = (self.path.clone(), configuration.clone());
        let written = tokio::task::spawn_blocking(move || write(&path, content)).await;
        let written = written.unwrap_or_else(|error| Err(error.into()));
        if let Err(error) = written {
            self.state().written = None;
            tracing::warn!(
                path = %self.path.display(),
                error = &error as &dyn std::error::Error,
                "the configuration cannot be kept for a start without the database"
            );
        }
    }

    /// What to go on with although the database fails with `error`: nothing if this process has
    /// read the database before, or if nothing was kept.
    pub(crate) async fn instead_of(&self, error: &Error) -> Result<Option<Configuration>> {
        if self.state().has_read {
            return Ok(None);
        }
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || read(&path)).await;
        let Some(configuration) = read.map_err(|error| self.unusable(error))?? else {
            return Ok(None);
        };
        tracing::warn!(
            path = %self.path.display(),
            generation = configuration.generation,
            error = error as &dyn std::error::Error,
            "the database cannot be read; going on with the configuration that was kept"
        );
        Ok(Some(configuration))
    }

    fn unusable(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
        StoreError::KeptConfiguration { path: self.path.clone(), source: source.into() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Replaces the file as a whole; only its owner may read it.
fn write(path: &Path, configuration: Configuration) -> std::io::Result<()> {
    let content = serde_json::to_vec(&Content { version: VERSION, configuration })?;
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // A temporary file is created with mode 0600 and keeps it.
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(&content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(directory)?.sync_all()
}

/// `None` if there is no file.
fn read(path: &Path) -> Result<Option<Configuration>, StoreError> {
    let unusable = |source| StoreError::KeptConfiguration { path: path.to_owned(), source };
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(error.into())),
    };
    let content: Content = serde_json::from_slice(&text).map_err(|error| unusable(error.into()))?;
    if content.version != VERSION {
        return Err(unusable(format!("it is of version {}", content.version).into()));
    }
    Ok(Some(content.configuration))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const GOLDEN: &str = concat!(
        r#"{"version":1,"generation":7,"repositories":[{"id":3,"name":"a","#,
        r#""package_type":"generic","description":"","managed_by":"","revision":1,"#,
        r#""created_at":1000,"updated_at":2000,"definition":"{}","secret":"AQL/"}]}"#
    );

    fn configuration() -> Configuration {
        let repository = StoredRepository {
            id: 3,
            name: "a".to_owned(),
            package_type: "generic".to_owned(),
            description: String::new(),
            managed_by: String::new(),
            revision: 1,
            created_at: 1000,
            updated_at: 2000,
            definition: "{}".to_owned(),
            secret: Some(vec![1, 2, 255]),
        };
        Configuration { generation: 7, repositories: vec![repository] }
    }

    #[test]
    fn the_stored_form_stays_as_it_is_and_is_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("configuration.json");
        assert_eq!(read(&path).unwrap(), None);
        write(&path, configuration()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), GOLDEN);
        assert_eq!(read(&path).unwrap(), Some(configuration()));
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_cannot_be_understood_is_an_error_that_names_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("configuration.json");
        let newer = GOLDEN.replace(r#""version":1"#, r#""version":2"#);
        for bad in ["", "{}", "null", &GOLDEN[..GOLDEN.len() - 1], &newer] {
            std::fs::write(&path, bad).unwrap();
            let error = read(&path).unwrap_err();
            assert!(error.to_string().contains("configuration.json"), "{error}");
        }
    }
}
