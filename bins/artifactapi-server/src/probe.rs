//! Asking a running server how it is, from the outside.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(100);

/// Succeeds if the server at `address` is alive.
pub(crate) fn healthcheck(address: &str) -> anyhow::Result<()> {
    match ask(address, "/healthz")? {
        200 => Ok(()),
        status => bail!("http://{address}/healthz answers {status}"),
    }
}

/// Returns when the server at `address` is ready; fails after `timeout`.
pub(crate) fn wait(address: &str, timeout: Duration) -> anyhow::Result<()> {
    let deadline = Instant::now() + timeout;
    loop {
        let outcome = ask(address, "/readyz");
        if matches!(outcome, Ok(200)) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let reason = match outcome {
                Ok(status) => format!("http://{address}/readyz?verbose answers {status}"),
                Err(error) => format!("{error:#}"),
            };
            bail!("not ready after {} s: {reason}", timeout.as_secs());
        }
        std::thread::sleep(PAUSE);
    }
}

/// The status of a GET. Written by hand, because an HTTP client would be a large thing to
/// carry for one line.
fn ask(address: &str, path: &str) -> anyhow::Result<u16> {
    let mut connection = connect(address)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let read = connection.take(1024).read_to_end(&mut answer);
    read.with_context(|| format!("no answer from {address}"))?;
    status_of(&answer).with_context(|| format!("{address} does not speak HTTP"))
}

/// Tries every address of the name, as `localhost` may have one that nobody listens on.
fn connect(address: &str) -> anyhow::Result<TcpStream> {
    let mut failure = None;
    for candidate in address.to_socket_addrs().with_context(|| format!("cannot find {address}"))? {
        match TcpStream::connect_timeout(&candidate, PATIENCE) {
            Ok(connection) => return Ok(connection),
            Err(error) => failure = Some(error),
        }
    }
    match failure {
        Some(error) => Err(error).with_context(|| format!("cannot connect to {address}")),
        None => bail!("{address} has no address"),
    }
}

fn status_of(answer: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(answer.split(|byte| *byte == b'\r').next()?).ok()?;
    line.strip_prefix("HTTP/1.1 ")?.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_read_from_the_first_line() {
        assert_eq!(status_of(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n"), Some(200));
        assert_eq!(status_of(b"HTTP/1.1 503 Service Unavailable\r\n\r\n"), Some(503));
        assert_eq!(status_of(b"SSH-2.0-x\r\n"), None);
        assert_eq!(status_of(b""), None);
    }
}
