//! The cache that replicas share.
//!
//! Redis is a hint: every operation answers within its budget or fails, nothing waits for a
//! connection, and a server that hangs is left alone after a few failures.

mod address;
mod circuit;
mod commands;
mod error;
mod keeper;
mod lease;
mod listener;
mod session;
mod settings;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use artifact_core::Result;
use artifact_core::ports::{Announcement, Announcements, Lease, LeaseOutcome, TtlCache};
use async_trait::async_trait;
use bytes::Bytes;
use fred::interfaces::{KeysInterface, PubsubInterface};
use fred::types::{Expiration, RespVersion};
use tokio::sync::broadcast;
use tokio_util::task::AbortOnDropHandle;

pub use address::BadAddress;
pub use error::RedisError;
pub use settings::RedisSettings;

use crate::announcements::{ANNOUNCEMENTS, heard};
use crate::expiry::LONGEST;
use commands::{Commands, Current};
use lease::Script;
use listener::Listener;
use session::{Connector, Session};

/// The oldest Redis that is supported.
const OLDEST: u64 = 6;

/// Hints, leases and announcements in a Redis that other replicas use too.
///
/// Two connections are kept: one for commands, one that listens. Both are restored for as long
/// as the cache lives; until they are, operations fail at once.
pub struct RedisTtlCache {
    connector: Arc<Connector>,
    prefix: String,
    commands: Commands,
    announcements: broadcast::Sender<Announcement>,
    /// Ended with the cache.
    _keepers: [AbortOnDropHandle<()>; 2],
}

impl RedisTtlCache {
    /// A cache that begins to connect. The server need not be there; [`check`](Self::check)
    /// finds out. Needs a Tokio runtime.
    pub fn new(settings: &RedisSettings) -> Result<Self, RedisError> {
        let prefix = settings.prefix();
        let connector = Arc::new(Connector::new(settings)?);
        let current = Current::default();
        let (announcements, _) = broadcast::channel(ANNOUNCEMENTS);
        let listener = Listener::new(channel(&prefix), announcements.downgrade());
        let keepers = [
            keeper::keep(Arc::clone(&connector), current.clone()),
            keeper::keep(Arc::clone(&connector), listener),
        ];
        let commands = Commands::new(current, settings.budget);
        Ok(Self { connector, prefix, commands, announcements, _keepers: keepers })
    }

    /// Whether the server can be used, asked over a connection of its own.
    pub async fn check(&self) -> Result<(), RedisError> {
        // An old server does not know the newer protocol and could not tell its version.
        let session = Session::open(&self.connector, RespVersion::RESP2).await?;
        match session.version() {
            Some(version) if version.major < OLDEST => {
                let server = self.connector.server().to_owned();
                Err(RedisError::TooOld { server, version: version.to_string() })
            }
            _ => Ok(()),
        }
    }

    fn hint(&self, key: &str) -> String {
        format!("{}:hint:{key}", self.prefix)
    }

    fn lease(&self, key: &str) -> String {
        format!("{}:lease:{key}", self.prefix)
    }

    async fn run_script(
        &self,
        script: &Script,
        key: &str,
        arguments: Vec<Bytes>,
    ) -> Result<fred::types::Value, RedisError> {
        let key = self.lease(key);
        self.commands.run(|client| script.run(client, key, arguments)).await
    }
}

fn channel(prefix: &str) -> String {
    format!("{prefix}:announcements")
}

/// What Redis takes: whole milliseconds, at least one.
fn milliseconds(ttl: Duration) -> i64 {
    i64::try_from(ttl.min(LONGEST).as_millis()).unwrap_or(i64::MAX).max(1)
}

impl fmt::Debug for RedisTtlCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisTtlCache")
            .field("server", &self.connector.server())
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl TtlCache for RedisTtlCache {
    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        let key = self.hint(key);
        Ok(self.commands.run(|client| async move { client.get(key).await }).await?)
    }

    async fn set(&self, key: &str, value: Bytes, ttl: Duration) -> Result<()> {
        if ttl.is_zero() {
            return self.remove(key).await;
        }
        let key = self.hint(key);
        let expiration = Some(Expiration::PX(milliseconds(ttl)));
        let set = |client: commands::Connected| async move {
            client.set::<(), _, _>(key, value, expiration, None, false).await
        };
        Ok(self.commands.run(set).await?)
    }

    async fn remove(&self, key: &str) -> Result<()> {
        let key = self.hint(key);
        Ok(self.commands.run(|client| async move { client.del(key).await }).await?)
    }

    async fn acquire(&self, key: &str, owner: &str, ttl: Duration) -> Result<LeaseOutcome> {
        let arguments = vec![lease::tag(owner), lease::number(milliseconds(ttl))];
        let answer = self.run_script(&lease::ACQUIRE, key, arguments).await?;
        Ok(match lease::holder_state(answer) {
            Some(state) => LeaseOutcome::Held(state),
            None => LeaseOutcome::Acquired(Lease { key: key.to_owned(), owner: owner.to_owned() }),
        })
    }

    async fn renew(&self, lease: &Lease, state: Bytes, ttl: Duration) -> Result<bool> {
        let arguments = vec![lease::tag(&lease.owner), lease::number(milliseconds(ttl)), state];
        let answer = self.run_script(&lease::RENEW, &lease.key, arguments).await?;
        Ok(lease::is_done(&answer))
    }

    async fn release(&self, lease: &Lease) -> Result<bool> {
        let arguments = vec![lease::tag(&lease.owner)];
        let answer = self.run_script(&lease::RELEASE, &lease.key, arguments).await?;
        Ok(lease::is_done(&answer))
    }

    async fn announce(&self, topic: &str, message: &str) -> Result<()> {
        let announcement = Announcement { topic: topic.to_owned(), message: message.to_owned() };
        let text = listener::encoded(announcement);
        let channel = channel(&self.prefix);
        let publish = |client: commands::Connected| async move {
            client.publish::<i64, _, _>(channel, text).await
        };
        self.commands.run(publish).await?;
        Ok(())
    }

    fn changes(&self) -> Announcements {
        heard(self.announcements.subscribe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_live_is_what_redis_takes() {
        for (ttl, expected) in [
            (Duration::ZERO, 1),
            (Duration::from_micros(1), 1),
            (Duration::from_millis(1500), 1500),
            (Duration::MAX, 315_360_000_000),
        ] {
            assert_eq!(milliseconds(ttl), expected, "{ttl:?}");
        }
    }
}
