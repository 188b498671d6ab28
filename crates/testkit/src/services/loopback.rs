//! Ports and plain questions on loopback.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// How long an answer may take.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// A port that nobody listens on.
///
/// It is below the ports that systems give to outgoing connections: a server that is stopped
/// for a while finds it free again.
pub fn free_port() -> u16 {
    loop {
        let [high, low, ..] = uuid::Uuid::new_v4().into_bytes();
        let port = 16_384 + u16::from_be_bytes([high, low]) % 16_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// The beginning of what the server at `port` says to `question`, `None` if it says nothing.
pub(crate) fn ask(port: u16, question: &str) -> Option<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect_timeout(&address, ANSWER_LIMIT).ok()?;
    stream.set_read_timeout(Some(ANSWER_LIMIT)).ok()?;
    converse(stream, question)
}

/// The beginning of what is said to `question` on `stream`, `None` if it is nothing.
pub(crate) fn converse(mut stream: impl Read + Write, question: &str) -> Option<String> {
    stream.write_all(question.as_bytes()).ok()?;
    let mut answer = [0; 64];
    let length = stream.read(&mut answer).ok()?;
    Some(String::from_utf8_lossy(answer.get(..length)?).into_owned())
}
