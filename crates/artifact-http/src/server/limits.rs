//! What one client may cost.

use std::time::Duration;

/// Limits of the listener; the defaults are the product's.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at a time; beyond it clients wait to be accepted.
    pub connections: usize,
    /// From the first byte of a request's head to its last; also from the connection's
    /// beginning to the end of its first head, whatever the protocol.
    pub head_timeout: Duration,
    /// How long a connection may be idle between two requests.
    pub idle_timeout: Duration,
    /// How long a client may keep an answer waiting in total, per 60 KiB that it takes.
    pub slow_reader: Duration,
    /// Header fields of a request.
    pub headers: usize,
    /// Bytes of a request's head.
    pub head_bytes: usize,
    /// HTTP/2 requests at a time on one connection.
    pub streams: u32,
    /// Between the end of readiness and the end of accepting.
    pub shutdown_delay: Duration,
    /// How long a stopping server waits for answers under way.
    pub shutdown_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            head_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(75),
            slow_reader: crate::pace::WINDOW,
            headers: 100,
            head_bytes: 64 * 1024,
            streams: 100,
            shutdown_delay: Duration::ZERO,
            shutdown_timeout: Duration::from_secs(60),
        }
    }
}
