//! Short-lived hints. Everything here may be lost at any time without an answer becoming wrong.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;

use crate::Result;

/// A lease that this process holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Lease {
    /// What is leased.
    pub key: String,
    /// The token that proves ownership.
    pub owner: String,
}

/// The answer to an attempt to lease.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LeaseOutcome {
    /// It is ours.
    Acquired(Lease),
    /// Somebody else holds it; the value is the holder's last published state.
    Held(Bytes),
}

/// A message from another replica or from this process itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Announcement {
    /// The topic.
    pub topic: String,
    /// The message.
    pub message: String,
}

/// Keys with a time to live, leases and announcements.
#[async_trait]
pub trait TtlCache: fmt::Debug + Send + Sync {
    /// The value of `key`, unless it expired or was lost.
    async fn get(&self, key: &str) -> Result<Option<Bytes>>;

    /// Keeps `value` under `key` for at most `ttl`.
    async fn set(&self, key: &str, value: Bytes, ttl: Duration) -> Result<()>;

    /// Forgets `key`.
    async fn remove(&self, key: &str) -> Result<()>;

    /// Tries to lease `key` for `ttl` in the name of `owner`.
    async fn acquire(&self, key: &str, owner: &str, ttl: Duration) -> Result<LeaseOutcome>;

    /// Extends a lease by `ttl` and publishes `state` to those who wait; `false` if it is no longer ours.
    async fn renew(&self, lease: &Lease, state: Bytes, ttl: Duration) -> Result<bool>;

    /// Gives a lease back; `false` if it was no longer ours.
    async fn release(&self, lease: &Lease) -> Result<bool>;

    /// Tells every replica, this one included, `message` about `topic`.
    async fn announce(&self, topic: &str, message: &str) -> Result<()>;

    /// Announcements from now on. A receiver that lags or a lost connection loses messages.
    fn changes(&self) -> Announcements;
}

/// A stream of announcements; it ends when the cache is shut down.
pub type Announcements = Pin<Box<dyn Stream<Item = Announcement> + Send>>;
