//! The listener over real loopback connections, with a scripted handler.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "clippy exempts test functions but not the helpers beside them"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use artifact_core::{Error, ErrorKind};
use artifact_http::{Answering, Body, Ended, Handler, Limits, Peer, Server, Shutdown};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Answers by path.
#[derive(Clone, Default)]
struct Script {
    proceed: Arc<Notify>,
    is_draining: Arc<AtomicBool>,
}

impl Handler for Script {
    fn handle(&self, request: Request<Incoming>, _: Peer) -> Answering {
        let script = self.clone();
        Box::pin(async move { Response::new(script.body(request.uri().path())) })
    }

    fn begin_draining(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }
}

impl Script {
    fn body(&self, path: &str) -> Body {
        match path {
            "/broken" => self.gated(Err(Error::new(ErrorKind::Integrity, "the digest is wrong"))),
            "/gated" => self.gated(Ok(Bytes::from_static(b"last"))),
            "/endless" => {
                let block = Bytes::from(vec![0; 256 * 1024]);
                Body::stream(Box::pin(stream::repeat_with(move || Ok(block.clone()))), None)
            }
            _ => Body::full("hello"),
        }
    }

    /// A first chunk, and behind the gate `last`.
    fn gated(&self, last: Result<Bytes, Error>) -> Body {
        let proceed = Arc::clone(&self.proceed);
        let gate = stream::once(async move {
            proceed.notified().await;
            last
        });
        let first = stream::iter([Ok(Bytes::from_static(b"first,"))]);
        Body::stream(Box::pin(first.chain(gate)), None)
    }
}

struct Running {
    address: SocketAddr,
    script: Script,
    shutdown: Shutdown,
    ended: JoinHandle<Ended>,
}

async fn start(limits: Limits) -> Running {
    let server = Server::bind("127.0.0.1:0", limits).await.unwrap();
    let address = server.local_address().unwrap();
    let (script, shutdown) = (Script::default(), Shutdown::default());
    let ended = tokio::spawn(server.serve(script.clone(), shutdown.clone()));
    Running { address, script, shutdown, ended }
}

async fn send(address: SocketAddr, request: &str) -> TcpStream {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    connection
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")
}

/// Reads until `end` was seen.
async fn read_until(connection: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0; 1024];
    while !text.contains(end) {
        let read = connection.read(&mut buffer).await.unwrap();
        assert!(read > 0, "the connection ended after {text:?}");
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    text
}

/// Everything until the server closes, however it does.
async fn rest(connection: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _closed_or_reset = connection.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

fn short(head: u64, idle: u64) -> Limits {
    Limits {
        head_timeout: Duration::from_millis(head),
        idle_timeout: Duration::from_millis(idle),
        ..Limits::default()
    }
}

#[tokio::test]
async fn an_error_after_the_head_breaks_the_answer_visibly() {
    let server = start(Limits::default()).await;
    let mut connection = send(server.address, &get("/broken")).await;
    let head = read_until(&mut connection, "first,").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("transfer-encoding: chunked"), "{head}");
    server.script.proceed.notify_one();
    let answer = rest(&mut connection).await;
    assert!(!answer.ends_with("0\r\n\r\n"), "the end of a whole body must not be sent: {answer}");
}

#[tokio::test]
async fn an_error_after_the_head_resets_an_http2_stream() {
    let server = start(Limits::default()).await;
    let io = TokioIo::new(TcpStream::connect(server.address).await.unwrap());
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let url = format!("http://{}/broken", server.address);
    let request = Request::get(url).body(Empty::<Bytes>::new()).unwrap();
    let response = client.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    server.script.proceed.notify_one();
    assert!(response.into_body().collect().await.is_err());

    let url = format!("http://{}/hello", server.address);
    let request = Request::get(url).body(Empty::<Bytes>::new()).unwrap();
    let body = client.send_request(request).await.unwrap().into_body();
    assert_eq!(body.collect().await.unwrap().to_bytes(), "hello");
}

#[tokio::test]
async fn a_graceful_shutdown_lets_a_running_download_finish() {
    let server = start(Limits::default()).await;
    let mut download = send(server.address, &get("/gated")).await;
    read_until(&mut download, "first,").await;

    server.shutdown.gracefully.cancel();
    let refused = async {
        // The listener is closed once connecting fails; until then the kernel may still accept.
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), refused).await.unwrap();
    assert!(server.script.is_draining.load(Ordering::Relaxed));
    assert!(!server.ended.is_finished());

    server.script.proceed.notify_one();
    let answer = rest(&mut download).await;
    assert!(answer.contains("last") && answer.ends_with("0\r\n\r\n"), "{answer}");
    assert_eq!(server.ended.await.unwrap(), Ended::Drained);
}

#[tokio::test]
async fn the_shutdown_timeout_and_the_second_signal_cut_what_is_left() {
    let limits = Limits { shutdown_timeout: Duration::from_millis(50), ..Limits::default() };
    let server = start(limits).await;
    let mut download = send(server.address, &get("/gated")).await;
    read_until(&mut download, "first,").await;
    server.shutdown.gracefully.cancel();
    assert_eq!(server.ended.await.unwrap(), Ended::Cut);
    assert!(!rest(&mut download).await.ends_with("0\r\n\r\n"));

    let server = start(Limits::default()).await;
    let mut download = send(server.address, &get("/gated")).await;
    read_until(&mut download, "first,").await;
    server.shutdown.gracefully.cancel();
    server.shutdown.now.cancel();
    assert_eq!(server.ended.await.unwrap(), Ended::Cut);
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_the_shutdown() {
    let server = start(Limits::default()).await;
    let mut connection = send(server.address, &get("/hello")).await;
    read_until(&mut connection, "hello").await;
    server.shutdown.gracefully.cancel();
    assert_eq!(rest(&mut connection).await, "");
    assert_eq!(server.ended.await.unwrap(), Ended::Drained);
}

#[tokio::test]
async fn clients_that_do_not_finish_their_head_are_cut() {
    let server = start(short(80, 60_000)).await;
    for beginning in ["", "G", "PRI * HT", "GET / HTTP/1.1\r\nhost: x\r\nx-slow: "] {
        let mut connection = send(server.address, beginning).await;
        let answer = tokio::time::timeout(Duration::from_secs(10), rest(&mut connection)).await;
        assert_eq!(answer.unwrap(), "", "{beginning:?}");
    }
}

#[tokio::test]
async fn the_head_of_a_second_request_is_bounded_too() {
    let server = start(short(80, 60_000)).await;
    let mut connection = send(server.address, &get("/hello")).await;
    read_until(&mut connection, "hello").await;
    connection.write_all(b"GET /hello HT").await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(10), rest(&mut connection)).await;
    assert_eq!(answer.unwrap(), "");
}

#[tokio::test]
async fn an_idle_connection_outlives_the_head_timeout_and_ends_at_its_own() {
    let server = start(short(40, 400)).await;
    let mut connection = send(server.address, &get("/hello")).await;
    read_until(&mut connection, "hello").await;
    let idle_since = std::time::Instant::now();
    assert_eq!(rest(&mut connection).await, "");
    assert!(idle_since.elapsed() >= Duration::from_millis(390), "{:?}", idle_since.elapsed());
}

#[tokio::test]
async fn a_download_under_way_is_never_idle() {
    let server = start(short(40, 40)).await;
    let mut download = send(server.address, &get("/gated")).await;
    read_until(&mut download, "first,").await;
    let silence = download.read_u8();
    let quiet = tokio::time::timeout(Duration::from_millis(200), silence).await;
    assert!(quiet.is_err(), "nothing must happen while upstream takes its time");
    server.script.proceed.notify_one();
    read_until(&mut download, "last").await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut() {
    let limits = Limits { slow_reader: Duration::from_millis(100), ..Limits::default() };
    let server = start(limits).await;
    let _silent = send(server.address, &get("/endless")).await;
    server.shutdown.gracefully.cancel();
    // The download never ends by itself; that the server drains shows that it was cut.
    let ended = tokio::time::timeout(Duration::from_secs(20), server.ended).await;
    assert_eq!(ended.unwrap().unwrap(), Ended::Drained);
}

#[tokio::test]
async fn heads_beyond_the_limits_are_refused() {
    let server = start(Limits::default()).await;
    let many = "x-one-of-many: 1\r\n".repeat(101);
    let large = format!("x-large: {}\r\n", "1".repeat(70_000));
    for headers in [many, large] {
        let request = format!("GET / HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
        let mut connection = TcpStream::connect(server.address).await.unwrap();
        // The server may close before it took everything.
        let _broken_pipe = connection.write_all(request.as_bytes()).await;
        let answer = rest(&mut connection).await;
        assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}
