//! Who may occupy how much: the quota of the spool and the reserve of the disk.

use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::StoreError;
use crate::blocking::lock;
use crate::free_space::FreeSpace;

const GIBIBYTE: u64 = 1 << 30;

/// How much room the spool, or a tier on the disk, may take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quota {
    /// Bytes that all its files together may occupy.
    pub bytes: u64,
    /// Bytes of the disk that stay free, or 5 % of the disk where that is less.
    pub reserve: u64,
}

impl Default for Quota {
    /// 20 GiB, leaving 2 GiB of the disk free.
    fn default() -> Self {
        Self { bytes: 20 * GIBIBYTE, reserve: 2 * GIBIBYTE }
    }
}

/// The account of all spool files.
#[derive(Debug)]
pub(super) struct Ledger {
    quota: Quota,
    balance: Mutex<Balance>,
}

#[derive(Debug, Default)]
struct Balance {
    /// Bytes written or promised.
    used: u64,
    /// The part of `used` that is promised but not yet written.
    pending: u64,
}

impl Ledger {
    pub(super) fn new(quota: Quota) -> Arc<Self> {
        Arc::new(Self { quota, balance: Mutex::default() })
    }

    pub(super) fn used(&self) -> u64 {
        lock(&self.balance).used
    }

    /// Promises `bytes` to a new file.
    pub(super) fn reserve(self: &Arc<Self>, bytes: u64) -> Result<Reservation, StoreError> {
        let mut balance = lock(&self.balance);
        balance.used = self.within_quota(balance.used, bytes)?;
        balance.pending = balance.pending.saturating_add(bytes);
        Ok(Reservation { ledger: Arc::clone(self), used: bytes, pending: bytes })
    }

    /// Fails unless the disk of `directory` can take everything promised and keep its reserve.
    pub(super) fn check_disk(&self, directory: &Path) -> Result<(), StoreError> {
        let disk = FreeSpace::measure(directory, self.quota.reserve)?;
        if disk.missing(lock(&self.balance).pending) > 0 {
            let available = disk.available;
            return Err(StoreError::DiskFull { directory: directory.into(), available });
        }
        Ok(())
    }

    fn within_quota(&self, used: u64, more: u64) -> Result<u64, StoreError> {
        used.checked_add(more)
            .filter(|sum| *sum <= self.quota.bytes)
            .ok_or(StoreError::QuotaUsedUp { quota: self.quota.bytes })
    }
}

/// The share of one spool file; given back when dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    ledger: Arc<Ledger>,
    used: u64,
    pending: u64,
}

impl Reservation {
    /// Accounts for `bytes` more in the file: first from the promise, then from the quota.
    pub(super) fn grow(&mut self, bytes: u64) -> Result<(), StoreError> {
        let promised = bytes.min(self.pending);
        let more = bytes - promised;
        let mut balance = lock(&self.ledger.balance);
        balance.used = self.ledger.within_quota(balance.used, more)?;
        balance.pending = balance.pending.saturating_sub(promised);
        self.pending -= promised;
        self.used = self.used.saturating_add(more);
        Ok(())
    }

    /// Gives everything back.
    pub(super) fn release(&mut self) {
        let mut balance = lock(&self.ledger.balance);
        balance.used = balance.used.saturating_sub(std::mem::take(&mut self.used));
        balance.pending = balance.pending.saturating_sub(std::mem::take(&mut self.pending));
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(bytes: u64) -> Arc<Ledger> {
        Ledger::new(Quota { bytes, reserve: 0 })
    }

    fn balance(ledger: &Ledger) -> (u64, u64) {
        let balance = lock(&ledger.balance);
        (balance.used, balance.pending)
    }

    #[test]
    fn growth_is_paid_from_the_promise_first() {
        let ledger = ledger(100);
        let mut share = ledger.reserve(60).unwrap();
        assert_eq!(balance(&ledger), (60, 60));
        share.grow(50).unwrap();
        assert_eq!(balance(&ledger), (60, 10));
        share.grow(50).unwrap();
        assert_eq!(balance(&ledger), (100, 0));
        drop(share);
        assert_eq!(balance(&ledger), (0, 0));
    }

    #[test]
    fn a_refused_growth_changes_nothing() {
        let ledger = ledger(100);
        let mut share = ledger.reserve(10).unwrap();
        assert!(share.grow(101).is_err());
        assert!(share.grow(u64::MAX).is_err());
        assert_eq!(balance(&ledger), (10, 10));
        assert!(ledger.reserve(91).is_err());
        assert_eq!(balance(&ledger), (10, 10));
    }

    #[test]
    fn a_share_is_given_back_once() {
        let ledger = ledger(100);
        let other = ledger.reserve(40).unwrap();
        let mut share = ledger.reserve(60).unwrap();
        share.release();
        share.release();
        drop(share);
        assert_eq!(balance(&ledger), (40, 40));
        drop(other);
    }

    #[test]
    fn what_is_promised_is_no_longer_free_on_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = ledger(u64::MAX);
        ledger.check_disk(directory.path()).unwrap();
        let promise = ledger.reserve(u64::MAX / 2).unwrap();
        let error = ledger.check_disk(directory.path()).unwrap_err();
        assert!(matches!(error, StoreError::DiskFull { .. }));
        drop(promise);
        ledger.check_disk(directory.path()).unwrap();
    }
}
