//! The collector's epoch, a decimal number in a file beside the blobs.
//!
//! Replaced atomically and durably: an epoch that went backwards would hide that the metadata
//! was restored from an older backup.

use std::fs;
use std::io::Write;

use super::layout::Layout;
use super::put::sync_directory;
use crate::StoreError;
use crate::error::{IoContext, absent_as_none};
use crate::temporary::Temporary;

pub(super) fn read(layout: &Layout) -> Result<u64, StoreError> {
    let path = layout.epoch();
    let Some(text) = absent_as_none(fs::read_to_string(&path)).during("read", &path)? else {
        return Ok(0);
    };
    text.trim().parse().map_err(|_| StoreError::Damaged { path })
}

pub(super) fn write(layout: &Layout, epoch: u64) -> Result<(), StoreError> {
    let path = layout.epoch();
    let (mut file, temporary) = Temporary::create(layout.incoming())?;
    writeln!(file, "{epoch}").during("write", temporary.path())?;
    file.sync_data().during("sync", temporary.path())?;
    fs::rename(temporary.path(), &path).during("rename", temporary.path())?;
    path.parent().map_or(Ok(()), sync_directory)
}
