//! Which member of a virtual repository gave something of a package last.
//!
//! Clients ask for a name first and then, by digest, for what the answer named. Whoever knew the name is asked for the
//! rest, so that one pull stays with one member and no other upstream learns of it. All of this is a hint: bounded in
//! memory, told to other replicas, and when it is lost or wrong the members are asked in their order.

use std::time::Duration;

use artifact_core::RepositoryId;
use artifact_core::ports::TtlCache;
use bytes::Bytes;
use quick_cache::sync::Cache;

use crate::keys;

/// How many pins one process keeps.
const CAPACITY: usize = 64 * 1024;
/// How long other replicas hear of a pin.
const TOLD_FOR: Duration = Duration::from_secs(3600);

/// A package of a virtual repository.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Pin {
    /// The repository.
    pub(crate) repository: RepositoryId,
    /// The package, as it is called there.
    pub(crate) package: String,
}

/// The pins of all virtual repositories.
#[derive(Debug)]
pub(crate) struct Pins(Cache<Pin, RepositoryId>);

impl Pins {
    pub(crate) fn new() -> Self {
        Self(Cache::new(CAPACITY))
    }

    /// The member that `pin` leads to.
    pub(crate) async fn find(&self, ttl: &dyn TtlCache, pin: &Pin) -> Option<RepositoryId> {
        if let Some(member) = self.0.get(pin) {
            return Some(member);
        }
        let told = ttl.get(&keys::pin(pin)).await.ok().flatten()?;
        let member = RepositoryId(std::str::from_utf8(&told).ok()?.parse().ok()?);
        self.0.insert(pin.clone(), member);
        Some(member)
    }

    /// Lets `pin` lead to `member`. Nobody is told what this process knew already.
    pub(crate) async fn set(&self, ttl: &dyn TtlCache, pin: Pin, member: RepositoryId) {
        if self.0.get(&pin) == Some(member) {
            return;
        }
        let told = ttl.set(&keys::pin(&pin), Bytes::from(member.to_string()), TOLD_FOR).await;
        if let Err(error) = told {
            tracing::debug!(%error, "no other replica hears of a pin");
        }
        self.0.insert(pin, member);
    }

    /// Lets `pin` lead to `member` if this process knows of nobody.
    pub(crate) fn suggest(&self, pin: Pin, member: RepositoryId) {
        if self.0.get(&pin).is_none() {
            self.0.insert(pin, member);
        }
    }
}
