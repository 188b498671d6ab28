//! Telling apart why a Redis cannot be used.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod common;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use artifact_core::ports::TtlCache;
use common::{connected, leisurely, say, server, settings};
use testkit::services::RedisServer;
use ttl_cache::{BadAddress, RedisError, RedisTtlCache};

/// How TLS marks a record of its handshake.
const HANDSHAKE: u8 = 22;

async fn checked(url: &str) -> Result<(), RedisError> {
    RedisTtlCache::new(&leisurely(url))?.check().await
}

fn with(server: &RedisServer, credentials: &str) -> String {
    format!("redis://{credentials}@{}:{}", server.host(), server.port())
}

#[tokio::test]
async fn a_good_server_passes() {
    let Some(server) = server() else { return };
    checked(&server.url()).await.unwrap();
    checked(&format!("{}/15", server.url())).await.unwrap();
}

#[tokio::test]
async fn a_bad_url_is_refused_before_anything_is_connected() {
    let error = checked("http://localhost").await.unwrap_err();
    assert!(matches!(error, RedisError::Address(BadAddress::Scheme)), "{error}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    for url in ["redis://127.0.0.1:1", "redis://no-such-host.invalid", "rediss://127.0.0.1:1"] {
        let error = checked(url).await.unwrap_err();
        assert!(matches!(error, RedisError::Unreachable { .. }), "{url}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_unreachable() {
    let Some(server) = server() else { return };
    server.freeze();
    let cache = RedisTtlCache::new(&settings(&server.url())).unwrap();
    let error = cache.check().await.unwrap_err();
    assert!(matches!(error, RedisError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn credentials_are_sent_and_judged() {
    let Some(server) = server() else { return };
    say(&server, &["ACL SETUSER me on >s3cret ~artifactapi:* &artifactapi:* +@all"]);
    say(&server, &["CONFIG SET requirepass hunter2"]);
    for credentials in [":hunter2", "default:hunter2", "me:s3cret"] {
        checked(&with(&server, credentials)).await.unwrap();
        let cache = connected(leisurely(&with(&server, credentials))).await;
        assert!(cache.get("a").await.is_ok());
    }
    for url in [server.url(), with(&server, ":wr0ng"), with(&server, "me:hunter2")] {
        let error = checked(&url).await.unwrap_err();
        assert!(matches!(error, RedisError::Refused { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_named() {
    let Some(server) = server() else { return };
    let error = checked(&format!("{}/99", server.url())).await.unwrap_err();
    assert!(matches!(error, RedisError::Greeting { .. }), "{error}");
    assert!(error.to_string().contains("DB index"), "{error}");
}

#[tokio::test]
async fn an_old_server_is_named() {
    let url = spawn(|stream| speak_as("5.0.14", stream));
    let error = checked(&url).await.unwrap_err();
    assert!(matches!(error, RedisError::TooOld { .. }), "{error}");
    assert!(error.to_string().contains("5.0.14"), "{error}");
}

#[tokio::test]
async fn rediss_begins_with_tls() {
    let (tell, told) = std::sync::mpsc::channel();
    let url = spawn(move |mut stream| {
        let mut first = [0];
        stream.read_exact(&mut first).unwrap();
        tell.send(first[0]).unwrap();
    });
    let error = checked(&url.replace("redis:", "rediss:")).await.unwrap_err();
    assert!(matches!(error, RedisError::Unreachable { .. }), "{error}");
    assert_eq!(told.recv().unwrap(), HANDSHAKE);
}

#[tokio::test]
async fn no_text_has_the_password() {
    let Some(server) = server() else { return };
    say(&server, &["CONFIG SET requirepass hunter2"]);
    let url = with(&server, "me:s3cret");
    let settings = settings(&url);
    let described = format!("{settings:?}");
    let cache = RedisTtlCache::new(&settings).unwrap();
    let refused = cache.check().await.unwrap_err();
    let failed = cache.get("a").await.unwrap_err();
    let unusable = RedisTtlCache::new(&common::settings("redis://me:s3cret@host/x")).unwrap_err();
    let texts = [
        described,
        format!("{cache:?}"),
        format!("{refused:?} {refused}"),
        format!("{failed:?} {failed}"),
        format!("{unusable:?} {unusable}"),
    ];
    for text in texts {
        assert!(!text.contains("s3cret"), "{text}");
    }
}

/// A server of one kind of conversation; its URL.
fn spawn(converse: impl Fn(TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    // Ends with the process of the test.
    thread::spawn(move || {
        let converse = std::sync::Arc::new(converse);
        for stream in listener.incoming().flatten() {
            let converse = std::sync::Arc::clone(&converse);
            thread::spawn(move || converse(stream));
        }
    });
    format!("redis://127.0.0.1:{port}")
}

/// Answers as a Redis of `version` does, as far as a greeting goes.
fn speak_as(version: &str, mut stream: TcpStream) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    while let Some(line) = lines.next() {
        let count: usize = line.trim_start_matches('*').parse().unwrap();
        let words: Vec<String> = (0..count).filter_map(|_| lines.by_ref().nth(1)).collect();
        let answer = match words.first().map(String::as_str) {
            Some("PING") => "+PONG\r\n".to_owned(),
            Some("INFO") => {
                let text = format!("# Server\r\nredis_version:{version}\r\n");
                format!("${}\r\n{text}\r\n", text.len())
            }
            _ => "-ERR unknown command\r\n".to_owned(),
        };
        let _ = stream.write_all(answer.as_bytes());
    }
}
