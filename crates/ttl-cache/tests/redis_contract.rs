//! The contract of the port, with a real Redis.

mod common;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use common::{connected, leisurely};
use testkit::contract::ttl_cache::Pace;
use ttl_cache::{RedisSettings, RedisTtlCache};

/// A cache with keys of its own on the server that the tests of this file share.
async fn make() -> Option<RedisTtlCache> {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let server = testkit::services::shared::redis()?;
    let name_space = format!("test-{}", MADE.fetch_add(1, Ordering::Relaxed));
    let settings = RedisSettings { name_space: Some(name_space), ..leisurely(&server.url()) };
    Some(connected(settings).await)
}

testkit::ttl_cache_contract!(make, Pace::real(Duration::from_secs(2)));
