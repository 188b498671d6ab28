//! Taking a finished file in: seal, name, sync, in that order.
//!
//! Must never show a blob that is not whole, and under strict durability never
//! report success before bytes and names are on the medium.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use artifact_core::BlobId;
use artifact_core::ports::Durability;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::layout::Layout;
use crate::error::{IoContext, absent_as_none};
use crate::temporary::Temporary;
use crate::{StoreError, fan_out};

/// Levels of directories whose entries lead to a blob: `ab/cd/{hash}` below `sha256`.
const NAMED_LEVELS: usize = 3;

/// One file on its way in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Put<'a> {
    pub(super) layout: &'a Layout,
    pub(super) id: BlobId,
    pub(super) size: u64,
    pub(super) durability: Durability,
}

/// Where a file ended up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Placed {
    /// Under the blob's name.
    Moved,
    /// Still where it was: the blob was there before.
    NotNeeded,
    /// Still where it was: a rename cannot reach the store from there.
    OutOfReach,
}

impl Put<'_> {
    /// Makes `source` the blob, or drops it if the blob is there already.
    pub(super) fn run(self, source: &Path) -> Result<(), StoreError> {
        self.check_source(source)?;
        let target = self.layout.blob(self.id);
        if !self.is_stored(&target)? {
            fan_out::make_directories(&target)?;
            self.bring_in(source, &target)?;
        }
        self.sync_names(&target)?;
        // Gone already if it was renamed; last, so that a failure above leaves it to the caller.
        absent_as_none(fs::remove_file(source)).during("remove", source)?;
        Ok(())
    }

    fn check_source(self, source: &Path) -> Result<(), StoreError> {
        let actual = fs::metadata(source).during("inspect", source)?.len();
        if actual == self.size {
            return Ok(());
        }
        Err(StoreError::SourceSize { path: source.into(), expected: self.size, actual })
    }

    /// Whether the blob is there in the right size and as durable as wanted. A file that was
    /// stored without syncs must be synced now; if that fails, its pages may be lost
    /// and a second sync would lie about it, so the newcomer has to replace it.
    fn is_stored(self, target: &Path) -> Result<bool, StoreError> {
        let stored = absent_as_none(fs::metadata(target)).during("inspect", target)?;
        if stored.is_none_or(|found| !found.is_file() || found.len() != self.size) {
            return Ok(false);
        }
        let is_safe = match self.durability {
            Durability::Strict => File::open(target).and_then(|file| file.sync_data()).is_ok(),
            Durability::Cache => true,
        };
        Ok(is_safe)
    }

    fn bring_in(self, source: &Path, target: &Path) -> Result<(), StoreError> {
        self.seal(source)?;
        if self.place(source, target)? != Placed::OutOfReach {
            return Ok(());
        }
        let copy = self.copy(source)?;
        self.seal(copy.path())?;
        match self.place(copy.path(), target)? {
            Placed::Moved | Placed::NotNeeded => Ok(()),
            Placed::OutOfReach => Err(Errno::XDEV).during("rename within the store", target),
        }
    }

    /// Closes the file to others and, if asked for, puts its bytes on the medium. A failed sync
    /// is final: the kernel forgets it, and asking again would report success.
    fn seal(self, path: &Path) -> Result<(), StoreError> {
        let file = File::open(path).during("open", path)?;
        let mode = file.metadata().during("inspect", path)?.permissions().mode();
        if mode & 0o7777 != 0o600 {
            file.set_permissions(Permissions::from_mode(0o600)).during("protect", path)?;
        }
        if self.durability == Durability::Strict {
            file.sync_data().during("sync", path)?;
        }
        Ok(())
    }

    fn place(self, from: &Path, target: &Path) -> Result<Placed, StoreError> {
        match rename_without_replace(from, target) {
            Ok(()) => Ok(Placed::Moved),
            Err(Errno::XDEV) => Ok(Placed::OutOfReach),
            Err(Errno::EXIST) => self.place_on_existing(from, target),
            Err(error) => Err(error).during("rename to", target),
        }
    }

    /// Another put was faster, or what lies there is damage.
    fn place_on_existing(self, from: &Path, target: &Path) -> Result<Placed, StoreError> {
        if self.is_stored(target)? {
            return Ok(Placed::NotNeeded);
        }
        match fs::rename(from, target) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => Ok(Placed::OutOfReach),
            outcome => outcome.during("replace", target).map(|()| Placed::Moved),
        }
    }

    fn copy(self, source: &Path) -> Result<Temporary, StoreError> {
        let (mut file, temporary) = Temporary::create(self.layout.incoming())?;
        let mut reader = File::open(source).during("open", source)?;
        let actual = io::copy(&mut reader, &mut file).during("copy", source)?;
        if actual != self.size {
            let expected = self.size;
            return Err(StoreError::SourceSize { path: source.into(), expected, actual });
        }
        Ok(temporary)
    }

    /// Puts the names on the medium. All levels every time: a put without syncs may have made
    /// the directories a moment ago, and to sync a clean directory costs nothing.
    fn sync_names(self, target: &Path) -> Result<(), StoreError> {
        if self.durability == Durability::Cache {
            return Ok(());
        }
        target.ancestors().skip(1).take(NAMED_LEVELS).try_for_each(sync_directory)
    }
}

/// Puts the entries of `directory` on the medium.
pub(super) fn sync_directory(directory: &Path) -> Result<(), StoreError> {
    File::open(directory).and_then(|handle| handle.sync_all()).during("sync", directory)
}

fn rename_without_replace(from: &Path, target: &Path) -> Result<(), Errno> {
    match renameat_with(CWD, from, CWD, target, RenameFlags::NOREPLACE) {
        // File systems and kernels without the flag say so in three ways.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => link_and_unlink(from, target),
        outcome => outcome,
    }
}

fn link_and_unlink(from: &Path, target: &Path) -> Result<(), Errno> {
    rustix::fs::link(from, target)?;
    rustix::fs::unlink(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Rename = fn(&Path, &Path) -> Result<(), Errno>;

    #[test]
    fn both_ways_to_rename_move_the_file_and_never_replace_one() {
        for rename in [rename_without_replace as Rename, link_and_unlink] {
            let directory = tempfile::tempdir().unwrap();
            let [from, target] = ["from", "target"].map(|name| directory.path().join(name));
            fs::write(&from, "one").unwrap();
            rename(&from, &target).unwrap();
            assert!(!from.exists());

            fs::write(&from, "two").unwrap();
            assert_eq!(rename(&from, &target), Err(Errno::EXIST));
            assert_eq!(fs::read(&target).unwrap(), b"one");
            assert!(from.exists());
        }
    }
}
