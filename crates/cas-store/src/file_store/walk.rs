//! Listing blobs in order, one fan-out directory at a time.

use std::fs;
use std::io;
use std::path::Path;
use std::time::UNIX_EPOCH;

use artifact_core::ports::BlobListing;
use artifact_core::{BlobId, Timestamp};

use super::layout::Layout;
use crate::StoreError;
use crate::error::{IoContext, absent_as_none};
use crate::fan_out::{blob_named, is_fan_out};

/// Up to `limit` blobs greater than `after`, in order. Holds the names of one directory of
/// each level at a time; directories before `after` are not opened.
pub(super) fn list(
    layout: &Layout,
    after: Option<BlobId>,
    limit: usize,
) -> Result<Vec<BlobListing>, StoreError> {
    let floor = after.map(BlobId::to_hex).unwrap_or_default();
    let mut found = Vec::new();
    for outer in fan_out(layout.blobs(), "", &floor).during("list", layout.blobs())? {
        let outer_path = layout.blobs().join(&outer);
        for inner in skip_foreign(fan_out(&outer_path, &outer, &floor), &outer_path)? {
            let inner_path = outer_path.join(&inner);
            let blobs = blobs_in(&inner_path, &format!("{outer}{inner}"), after);
            for id in skip_foreign(blobs, &inner_path)? {
                if found.len() >= limit {
                    return Ok(found);
                }
                found.extend(describe(&layout.blob(id), id)?);
            }
        }
    }
    Ok(found)
}

/// The fan-out directories of `directory` that may hold something greater than `floor`.
fn fan_out(directory: &Path, prefix: &str, floor: &str) -> io::Result<Vec<String>> {
    let least = floor.get(..prefix.len() + 2).unwrap_or_default();
    sorted(directory, |name| {
        let may_hold_more = || format!("{prefix}{name}").as_str() >= least;
        (is_fan_out(name) && may_hold_more()).then(|| name.to_owned())
    })
}

fn blobs_in(directory: &Path, prefix: &str, after: Option<BlobId>) -> io::Result<Vec<BlobId>> {
    sorted(directory, |name| {
        blob_named(name, prefix).filter(|id| after.is_none_or(|after| *id > after))
    })
}

fn sorted<T: Ord>(directory: &Path, pick: impl Fn(&str) -> Option<T>) -> io::Result<Vec<T>> {
    let mut picked = Vec::new();
    for entry in fs::read_dir(directory)? {
        picked.extend(entry?.file_name().to_str().and_then(&pick));
    }
    picked.sort_unstable();
    Ok(picked)
}

/// A file that has a directory's name is not ours: nothing is below it.
fn skip_foreign<T>(names: io::Result<Vec<T>>, path: &Path) -> Result<Vec<T>, StoreError> {
    match names {
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(Vec::new()),
        outcome => outcome.during("list", path),
    }
}

/// `None` for a directory with a blob's name, and for a blob deleted since its name was read.
fn describe(path: &Path, id: BlobId) -> Result<Option<BlobListing>, StoreError> {
    let Some(metadata) = absent_as_none(fs::symlink_metadata(path)).during("inspect", path)? else {
        return Ok(None);
    };
    if !metadata.is_file() {
        return Ok(None);
    }
    let stored_at = moment(metadata.modified().during("inspect", path)?);
    Ok(Some(BlobListing { id, size: metadata.len(), stored_at }))
}

pub(super) fn moment(time: std::time::SystemTime) -> Timestamp {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::EPOCH.plus(since_epoch)
}
