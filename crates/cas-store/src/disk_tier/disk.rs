//! The files of the tier. Everything here blocks.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use artifact_core::BlobId;
use artifact_core::ports::ByteRange;

use super::claims::Claim;
use super::index::{Index, Promise};
use crate::directory_lock::{DirectoryLock, make_directory};
use crate::error::{IoContext, absent_as_none};
use crate::free_space::FreeSpace;
use crate::opened_file::{Opened, blob_size};
use crate::temporary::{self, Temporary};
use crate::{MultiHasher, Quota, StoreError, fan_out, positional};

const BLOCK: usize = 256 * 1024;

/// The directory of one tier, and what is known of it.
#[derive(Debug)]
pub(super) struct Disk {
    root: PathBuf,
    pub(super) index: Arc<Index>,
    reserve: u64,
    _lock: DirectoryLock,
}

impl Disk {
    /// Opens the tier below `root`, making it if need be.
    pub(super) fn open(root: &Path, quota: Quota) -> Result<Self, StoreError> {
        make_directory(root)?;
        let lock = DirectoryLock::acquire(root)?;
        let disk = Self {
            root: root.into(),
            index: Index::new(quota.bytes),
            reserve: quota.reserve,
            _lock: lock,
        };
        make_directory(&disk.files())?;
        make_directory(&disk.incoming())?;
        temporary::sweep(&disk.incoming())?;
        Ok(disk)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of all files.
    pub(super) fn files(&self) -> PathBuf {
        self.root.join("tier")
    }

    /// The directory of files that have no name yet.
    pub(super) fn incoming(&self) -> PathBuf {
        self.root.join("incoming")
    }

    fn path(&self, id: BlobId) -> PathBuf {
        fan_out::path_of(&self.files(), id)
    }

    /// The bytes of `range` of blob `id`; `None` if there is no file, or one of another size than
    /// it had.
    pub(super) fn read(
        &self,
        id: BlobId,
        range: Option<ByteRange>,
    ) -> Result<Option<Opened>, StoreError> {
        let path = self.path(id);
        let Some(file) = absent_as_none(File::open(&path)).during("open", &path)? else {
            self.index.remove(id);
            return Ok(None);
        };
        let opened = Opened::read(file, &path, range)?;
        let known = self.index.get(id);
        if known.as_ref().is_some_and(|entry| entry.size != opened.size()) {
            self.forget(id)?;
            return Ok(None);
        }
        match known {
            Some(entry) => entry.visit(),
            None => self.index.found(id, opened.size()),
        }
        Ok(Some(opened))
    }

    /// The size of the file of blob `id`.
    pub(super) fn size(&self, id: BlobId) -> Result<Option<u64>, StoreError> {
        let path = self.path(id);
        let metadata = absent_as_none(fs::metadata(&path)).during("inspect", &path)?;
        metadata.map(|metadata| blob_size(&metadata, &path)).transpose()
    }

    /// Removes the file of blob `id`, if there is one.
    pub(super) fn forget(&self, id: BlobId) -> Result<(), StoreError> {
        self.index.remove(id);
        let path = self.path(id);
        absent_as_none(fs::remove_file(&path)).during("remove", &path).map(drop)
    }

    /// Room for a file of `size` bytes. Files that are worth less leave; `None` if that does not
    /// help, or if the file would push out too many.
    pub(super) fn make_room(&self, size: u64) -> Result<Option<Promise>, StoreError> {
        if size > self.index.largest() {
            return Ok(None);
        }
        let missing = FreeSpace::measure(&self.root, self.reserve)?.missing(size);
        let (promise, leaving) = self.index.promise(size, missing);
        for id in leaving {
            let path = self.path(id);
            absent_as_none(fs::remove_file(&path)).during("remove", &path)?;
        }
        if missing > 0 && FreeSpace::measure(&self.root, self.reserve)?.missing(size) > 0 {
            return Ok(None);
        }
        Ok(Some(promise))
    }

    /// A second name for the file at `source`, for us.
    pub(super) fn link(&self, source: &Path) -> Result<Temporary, StoreError> {
        Temporary::link(source, &self.incoming())
    }

    /// Gives `file` its name, once its bytes are on the medium. If the right to do so was taken
    /// away meanwhile, it goes again.
    pub(super) fn admit(
        &self,
        file: &Temporary,
        size: u64,
        claim: &Claim,
        promise: Promise,
    ) -> Result<(), StoreError> {
        let target = self.path(claim.id());
        let path = file.path();
        File::open(path).and_then(|file| file.sync_data()).during("sync", path)?;
        if !claim.is_valid() {
            return Ok(());
        }
        fan_out::make_directories(&target)?;
        fs::rename(path, &target).during("rename", path)?;
        self.index.insert(claim.id(), size, promise);
        if claim.is_valid() { Ok(()) } else { self.forget(claim.id()) }
    }

    /// Reads the file of blob `id` again and removes it if it is not what its name says.
    pub(super) fn verify(&self, id: BlobId) -> Result<(), StoreError> {
        let path = self.path(id);
        let Some(file) = absent_as_none(File::open(&path)).during("open", &path)? else {
            return Ok(());
        };
        if hash(&file).during("read", &path)? == Some(id) {
            return Ok(());
        }
        tracing::warn!(blob = id.to_hex(), "a damaged file was removed from the disk tier");
        self.forget(id)
    }
}

/// The id of what `file` holds. Gives other readers of the disk their turn.
fn hash(file: &File) -> io::Result<Option<BlobId>> {
    const PAUSE: Duration = Duration::from_millis(1);
    let mut hasher = MultiHasher::new(&[]);
    let mut block = Vec::new();
    let mut offset = 0;
    loop {
        block.clear();
        let length = positional::append_at(&mut block, file, offset, BLOCK)?;
        hasher.update(&block);
        offset += length as u64;
        if length < BLOCK {
            return Ok(hasher.finish().blob_id());
        }
        std::thread::sleep(PAUSE);
    }
}
