//! Finding what an earlier process left, while requests are served.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Weak};

use super::disk::Disk;
use crate::StoreError;
use crate::error::IoContext;
use crate::fan_out::{blob_named, is_fan_out};

/// Takes every file of `disk` into its index. Blocks, and stops when the tier is gone.
pub(super) fn rebuild(disk: &Weak<Disk>) -> Result<(), StoreError> {
    let Some(files) = disk.upgrade().map(|disk| disk.files()) else { return Ok(()) };
    for outer in names(&files)?.into_iter().filter(|name| is_fan_out(name)) {
        for inner in names(&files.join(&outer))?.into_iter().filter(|name| is_fan_out(name)) {
            let Some(disk) = disk.upgrade() else { return Ok(()) };
            take_in(&disk, &files.join(&outer).join(&inner), &format!("{outer}{inner}"))?;
        }
    }
    disk.upgrade().map_or(Ok(()), |disk| finish(&disk))
}

fn take_in(disk: &Arc<Disk>, directory: &Path, prefix: &str) -> Result<(), StoreError> {
    for id in names(directory)?.iter().filter_map(|name| blob_named(name, prefix)) {
        if let Some(size) = disk.size(id)? {
            disk.index.found(id, size);
        }
    }
    Ok(())
}

/// The quota may have become smaller.
fn finish(disk: &Disk) -> Result<(), StoreError> {
    disk.index.complete();
    disk.make_room(0).map(drop)
}

fn names(directory: &Path) -> Result<Vec<String>, StoreError> {
    let mut names = Vec::new();
    if !directory.is_dir() {
        return Ok(names);
    }
    for entry in fs::read_dir(directory).during("list", directory)? {
        let entry = entry.during("list", directory)?;
        names.extend(entry.file_name().into_string());
    }
    Ok(names)
}
