//! Files without a future: named by a random id, gone with their owner.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::StoreError;
use crate::error::{IoContext, absent_as_none};

/// A temporary name. Dropping it removes the name, unless the file was moved away by then: the
/// name is random, so whatever else happens it never belongs to another file.
#[derive(Debug)]
pub(crate) struct Temporary {
    path: PathBuf,
}

impl Temporary {
    /// A new empty file in `directory`, for us alone.
    pub(crate) fn create(directory: &Path) -> Result<(File, Self), StoreError> {
        let path = directory.join(Uuid::new_v4().hyphenated().to_string());
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .during("create", &path)?;
        Ok((file, Self { path }))
    }

    /// A second name in `directory` for the file at `source`, on the same file system.
    pub(crate) fn link(source: &Path, directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(Uuid::new_v4().hyphenated().to_string());
        fs::hard_link(source, &path).during("link to", &path)?;
        Ok(Self { path })
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Nobody is left to be told of a failure; the next start sweeps what stays behind.
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes what a killed process left in `directory`. Touches only names that
/// [`Temporary::create`] gives, for the directory may hold files of others.
pub(crate) fn sweep(directory: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(directory).during("list", directory)? {
        let entry = entry.during("list", directory)?;
        if is_temporary(&entry) {
            let path = entry.path();
            absent_as_none(fs::remove_file(&path)).during("sweep", &path)?;
        }
    }
    Ok(())
}

fn is_temporary(entry: &fs::DirEntry) -> bool {
    let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
    is_file && entry.file_name().to_str().is_some_and(is_temporary_name)
}

fn is_temporary_name(name: &str) -> bool {
    Uuid::parse_str(name).is_ok_and(|id| id.hyphenated().to_string() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_temporary() {
        let table = [
            ("67e55044-10b1-426f-9247-bb680e5fe0c8", true),
            ("67E55044-10B1-426F-9247-BB680E5FE0C8", false),
            ("67e5504410b1426f9247bb680e5fe0c8", false),
            ("{67e55044-10b1-426f-9247-bb680e5fe0c8}", false),
            ("lock", false),
            ("", false),
        ];
        for (name, expected) in table {
            assert_eq!(is_temporary_name(name), expected, "{name}");
        }
    }
}
