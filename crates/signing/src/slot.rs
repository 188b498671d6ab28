//! A place for a key that is loaded once per process.

use std::sync::{Mutex, OnceLock, PoisonError};

use crate::SigningError;

/// Empty until the key was loaded. A failure leaves it empty, so that the next one tries again.
#[derive(Debug)]
pub(crate) struct Slot<K> {
    key: OnceLock<K>,
    /// Held while loading, so that everybody who needs the key at once waits for one who makes it.
    loading: Mutex<()>,
}

impl<K> Slot<K> {
    /// One that is empty.
    pub(crate) const fn empty() -> Self {
        Self { key: OnceLock::new(), loading: Mutex::new(()) }
    }

    /// One that is full already.
    pub(crate) fn holding(key: K) -> Self {
        Self { key: OnceLock::from(key), loading: Mutex::new(()) }
    }

    /// The key. Blocks while it is loaded.
    pub(crate) fn get_or_load(
        &self,
        load: impl FnOnce() -> Result<K, SigningError>,
    ) -> Result<&K, SigningError> {
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let _loading = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let key = load()?;
        Ok(self.key.get_or_init(|| key))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn of_many_who_need_it_at_once_one_loads() {
        let (slot, loads) = (Slot::empty(), AtomicUsize::new(0));
        let load = || Ok(loads.fetch_add(1, Ordering::SeqCst));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(*slot.get_or_load(load).unwrap(), 0));
            }
        });
        assert_eq!(loads.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_failure_is_not_remembered() {
        let slot = Slot::empty();
        assert!(slot.get_or_load(|| Err(SigningError::Unanswered)).is_err());
        assert_eq!(*slot.get_or_load(|| Ok(7)).unwrap(), 7);
    }
}
