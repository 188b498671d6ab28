//! What the tests with a real Redis share.

#![allow(dead_code, clippy::unwrap_used, reason = "each test uses its part; helpers may panic")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use artifact_core::Secret;
use artifact_core::ports::{Announcements, TtlCache};
use futures_util::StreamExt;
use testkit::services::RedisServer;
use tokio::time::{Instant, sleep, timeout};
use ttl_cache::{RedisSettings, RedisTtlCache};

/// Far longer than anything takes on a machine with other work.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A server of the test's own, or `None` if Redis is not installed.
pub(crate) fn server() -> Option<RedisServer> {
    RedisServer::start().unwrap()
}

pub(crate) fn settings(url: &str) -> RedisSettings {
    RedisSettings::new(Secret::new(url))
}

/// Settings for what is not about time: a busy machine must not fail an operation.
pub(crate) fn leisurely(url: &str) -> RedisSettings {
    RedisSettings { budget: PATIENCE, connect: PATIENCE, ..settings(url) }
}

/// A cache whose connections both stand.
pub(crate) async fn connected(settings: RedisSettings) -> RedisTtlCache {
    let cache = RedisTtlCache::new(&settings).unwrap();
    is_heard(&cache, &mut cache.changes()).await;
    cache
}

/// Waits until `changes` hears what `cache` says, and has heard all that it said.
pub(crate) async fn is_heard(cache: &RedisTtlCache, changes: &mut Announcements) {
    let began = Instant::now();
    for attempt in 0.. {
        assert!(began.elapsed() < PATIENCE, "nothing is heard");
        let attempt = format!("attempt {attempt}");
        if cache.announce("connected", &attempt).await.is_ok() {
            let is_heard = async { while changes.next().await.unwrap().message != attempt {} };
            if timeout(Duration::from_millis(200), is_heard).await.is_ok() {
                return;
            }
        } else {
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// How long it takes until `cache` answers.
pub(crate) async fn until_it_answers(cache: &RedisTtlCache) -> Duration {
    let began = Instant::now();
    while cache.get("any").await.is_err() {
        assert!(began.elapsed() < PATIENCE, "no answer");
        sleep(Duration::from_millis(10)).await;
    }
    began.elapsed()
}

/// Sends plain commands, and gives what comes back.
pub(crate) fn say(server: &RedisServer, commands: &[&str]) -> String {
    let mut stream = TcpStream::connect((server.host(), server.port())).unwrap();
    for command in commands {
        stream.write_all(command.as_bytes()).unwrap();
        stream.write_all(b"\r\n").unwrap();
    }
    stream.write_all(b"QUIT\r\n").unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    answers
}

/// How many connections the server has besides the one that asks.
pub(crate) fn connections(server: &RedisServer) -> usize {
    say(server, &["CLIENT LIST"]).matches("laddr=").count() - 1
}
