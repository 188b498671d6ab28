//! How much of a disk is left, and how much of that must stay.

use std::path::Path;

use rustix::fs::statvfs;

use crate::StoreError;
use crate::error::IoContext;

/// The room on a disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FreeSpace {
    /// Bytes that we could write.
    pub(crate) available: u64,
    /// Bytes of these that stay free.
    pub(crate) reserve: u64,
}

impl FreeSpace {
    /// Measures the disk of `directory`, of which `reserve` bytes stay free, or 5 % if that is less.
    pub(crate) fn measure(directory: &Path, reserve: u64) -> Result<Self, StoreError> {
        let disk = statvfs(directory).during("measure", directory)?;
        let total = disk.f_blocks.saturating_mul(disk.f_frsize);
        let available = disk.f_bavail.saturating_mul(disk.f_frsize);
        Ok(Self { available, reserve: reserve_of(total, reserve) })
    }

    /// Bytes that are missing before `wanted` more can be written.
    pub(crate) fn missing(self, wanted: u64) -> u64 {
        self.reserve.saturating_add(wanted).saturating_sub(self.available)
    }
}

/// 5 % of the disk, at most `limit`: a small disk must not be all reserve.
fn reserve_of(total: u64, limit: u64) -> u64 {
    limit.min(total / 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_the_smaller_of_limit_and_five_percent() {
        assert_eq!(reserve_of(1000, 2), 2);
        assert_eq!(reserve_of(1000, 100), 50);
        assert_eq!(reserve_of(0, 100), 0);
    }

    #[test]
    fn what_is_missing_is_the_reserve_and_what_is_wanted_beyond_what_is_there() {
        let disk = FreeSpace { available: 100, reserve: 30 };
        assert_eq!(disk.missing(70), 0);
        assert_eq!(disk.missing(75), 5);
        assert_eq!(disk.missing(u64::MAX), u64::MAX - 100);
    }
}
