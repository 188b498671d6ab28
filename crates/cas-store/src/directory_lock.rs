//! One process per directory.
//!
//! Two processes in one directory would sweep each other's temporary files. The kernel drops
//! the lock with the process, however it dies, so there is never a stale one to clean up.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use crate::StoreError;
use crate::error::IoContext;

const LOCK_FILE: &str = "lock";

/// The exclusive right to work in a directory, until dropped.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes the lock of `directory` and leaves our process id in it for whoever comes second.
    pub(crate) fn acquire(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(LOCK_FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .during("open", &path)?;
        match file.try_lock() {
            Ok(()) => write_process_id(&mut file).during("write", &path)?,
            Err(TryLockError::WouldBlock) => {
                let holder = read_process_id(&mut file);
                return Err(StoreError::Locked { directory: directory.into(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(error).during("lock", &path),
        }
        Ok(Self { _file: file })
    }
}

fn write_process_id(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn read_process_id(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Makes `directory` and its parents, closed to other users. One that exists stays as it is.
pub(crate) fn make_directory(directory: &Path) -> Result<(), StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory).during("create", directory)
}
