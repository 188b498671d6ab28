//! Batches on the local disk, oldest first: one file each, named by its turn and its batch.
//!
//! Invariant: no half-written file has a batch's name, and no file keeps those behind it waiting
//! because it cannot be read.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use artifact_core::ports::AccessLogRecord;
use artifact_core::{Error, ErrorKind, Result};
use uuid::Uuid;

use super::stored::{decode, encode};

/// What the directory may occupy.
pub(super) const LIMIT: u64 = 1 << 30;
/// What a file occupies at least; otherwise small batches would exceed the limit unseen.
const BLOCK: u64 = 4096;
/// Longer than any batch: such a file is not ours.
const LONGEST: u64 = 64 << 20;

const WAITING: &str = "batch";
const UNFINISHED: &str = "partial";
const SET_ASIDE: &str = "damaged";

/// Records that are written together, at most once.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) id: Uuid,
    pub(super) records: Vec<AccessLogRecord>,
}

/// The batches that wait.
#[derive(Debug)]
pub(super) struct Spill {
    directory: PathBuf,
    limit: u64,
    waiting: VecDeque<Entry>,
    /// What all files occupy, those that were set aside included.
    occupied: u64,
    next: u64,
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Entry {
    turn: u64,
    batch: Uuid,
    occupied: u64,
}

impl Spill {
    /// Finds what an earlier process left, and makes the directory if there is none.
    pub(super) async fn open(directory: PathBuf, limit: u64) -> Result<Self> {
        blocking(move || {
            scan(&directory, limit).map_err(|error| failure("open", &directory, error))
        })
        .await
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// What the files occupy.
    pub(super) const fn occupied(&self) -> u64 {
        self.occupied
    }

    /// Puts a batch behind the others; fails when there is no room for it.
    pub(super) async fn put(&mut self, batch: Batch) -> Result<()> {
        let room = self.limit.saturating_sub(self.occupied);
        let (turn, id) = (self.next, batch.id);
        let path = self.directory.join(name(turn, id, WAITING));
        let occupied = blocking(move || write(&path, &batch.records, room)).await?;
        self.next += 1;
        self.occupied += occupied;
        self.waiting.push_back(Entry { turn, batch: id, occupied });
        Ok(())
    }

    /// The oldest batch, which stays until it is removed; `None` when nothing waits.
    pub(super) async fn oldest(&self) -> Result<Option<Batch>> {
        let Some(entry) = self.waiting.front() else { return Ok(None) };
        let (path, id) = (self.path(entry, WAITING), entry.batch);
        let records = blocking(move || read(&path)).await?;
        Ok(Some(Batch { id, records }))
    }

    /// Removes the oldest batch: it is written elsewhere. A file that stays behind is written
    /// again after a restart, which changes nothing.
    pub(super) async fn remove_oldest(&mut self) -> Result<()> {
        let Some(entry) = self.waiting.pop_front() else { return Ok(()) };
        self.occupied = self.occupied.saturating_sub(entry.occupied);
        let path = self.path(&entry, WAITING);
        blocking(move || fs::remove_file(&path).map_err(|error| failure("remove", &path, error)))
            .await
    }

    /// Renames the oldest file, so that it is out of the way and can be looked at.
    pub(super) async fn set_oldest_aside(&mut self) -> Result<()> {
        let Some(entry) = self.waiting.pop_front() else { return Ok(()) };
        let (path, aside) = (self.path(&entry, WAITING), self.path(&entry, SET_ASIDE));
        blocking(move || {
            fs::rename(&path, &aside).map_err(|error| failure("set aside", &path, error))
        })
        .await
    }

    fn path(&self, entry: &Entry, state: &str) -> PathBuf {
        self.directory.join(name(entry.turn, entry.batch, state))
    }
}

fn name(turn: u64, batch: Uuid, state: &str) -> String {
    format!("{turn:020}-{batch}.{state}")
}

/// Turn and batch of a name, and what state it names.
fn parse_name(name: &str) -> Option<(u64, Uuid, &str)> {
    let (stem, state) = name.split_once('.')?;
    let (turn, batch) = stem.split_once('-')?;
    Some((turn.parse().ok()?, batch.parse().ok()?, state))
}

const fn occupied(length: u64) -> u64 {
    length.saturating_add(BLOCK - 1) / BLOCK * BLOCK
}

fn scan(directory: &Path, limit: u64) -> io::Result<Spill> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mut spill = Spill {
        directory: directory.to_owned(),
        limit,
        waiting: VecDeque::new(),
        occupied: 0,
        next: 0,
    };
    let mut waiting = Vec::new();
    for file in fs::read_dir(directory)? {
        let file = file?;
        let file_name = file.file_name();
        let Some((turn, batch, state)) = file_name.to_str().and_then(parse_name) else { continue };
        if state == UNFINISHED {
            fs::remove_file(file.path())?;
            continue;
        }
        let occupied = occupied(file.metadata()?.len());
        spill.occupied += occupied;
        spill.next = spill.next.max(turn.saturating_add(1));
        if state == WAITING {
            waiting.push(Entry { turn, batch, occupied });
        }
    }
    waiting.sort_unstable();
    spill.waiting = waiting.into();
    Ok(spill)
}

/// Writes a whole file or none, and says what it occupies.
fn write(path: &Path, records: &[AccessLogRecord], room: u64) -> Result<u64> {
    let text = encode(records)?;
    let occupied = occupied(text.len() as u64);
    if occupied > room {
        let text = "there is no room for more access records on the local disk";
        return Err(Error::new(ErrorKind::InsufficientStorage, text));
    }
    let unfinished = path.with_extension(UNFINISHED);
    let written = write_file(&unfinished, &text).and_then(|()| fs::rename(&unfinished, path));
    written.map_err(|error| {
        // What cannot be removed now is removed at the next start.
        let _ = fs::remove_file(&unfinished);
        failure("write", path, error)
    })?;
    Ok(occupied)
}

fn write_file(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text)?;
    file.sync_data()
}

fn read(path: &Path) -> Result<Vec<AccessLogRecord>> {
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LONGEST).read_to_end(&mut text))
        .map_err(|error| failure("read", path, error))?;
    decode(&text)
}

fn failure(during: &str, path: &Path, error: io::Error) -> Error {
    let text = format!("{during} access records at {}: {error}", path.display());
    Error::new(ErrorKind::Internal, text).with_source(error)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let failed = |error| Error::new(ErrorKind::Internal, "spilling failed").with_source(error);
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}
