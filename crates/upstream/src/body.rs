//! Bodies under guard: the timeouts hold until the last byte, not only until the head.

use std::time::Duration;

use artifact_core::ByteStream;
use artifact_core::ports::{UpstreamError, UpstreamReason};
use bytes::Bytes;
use futures_util::stream::unfold;
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, timeout_at};

use crate::failure::{chain, error};
use crate::health::Ticket;
use crate::permits::Permit;

/// What a body has to keep.
#[derive(Clone, Debug)]
pub(crate) struct Guards {
    /// From one chunk to the next.
    pub(crate) idle: Duration,
    /// The span over which the rate must hold.
    pub(crate) rate_window: Duration,
    /// The slowest acceptable body.
    pub(crate) bytes_per_second: u64,
    /// When the body must be complete.
    pub(crate) deadline: Instant,
    /// How long the body must be, if that is known.
    pub(crate) length: Option<u64>,
}

/// `body`, ended by an error as soon as it breaks one of `guards`. Only time spent waiting for
/// upstream counts, so a slow reader is never mistaken for a slow origin.
pub(crate) fn guarded(
    body: impl Stream<Item = Result<Bytes, hyper::Error>> + Send + Unpin + 'static,
    guards: Guards,
) -> impl Stream<Item = Result<Bytes, UpstreamError>> + Send + 'static {
    let guard = Guard { body, guards, received: 0, waited: Duration::ZERO, recent: 0 };
    unfold(Some(guard), |guard| async move {
        let mut guard = guard?;
        let item = guard.next().await?;
        let is_over = item.is_err();
        Some((item, (!is_over).then_some(guard)))
    })
}

struct Guard<S> {
    body: S,
    guards: Guards,
    received: u64,
    /// Time spent waiting and bytes received since the rate was last looked at.
    waited: Duration,
    recent: u64,
}

impl<S: Stream<Item = Result<Bytes, hyper::Error>> + Unpin> Guard<S> {
    async fn next(&mut self) -> Option<Result<Bytes, UpstreamError>> {
        let since = Instant::now();
        let limit = (since + self.guards.idle).min(self.guards.deadline);
        match timeout_at(limit, self.body.next()).await {
            Err(_) => Some(Err(error(UpstreamReason::Timeout, "the body stopped arriving"))),
            Ok(None) => self.end().err().map(Err),
            Ok(Some(Err(broken))) => Some(Err(broken_body(&broken))),
            Ok(Some(Ok(chunk))) => Some(self.accept(chunk, since.elapsed())),
        }
    }

    fn accept(&mut self, chunk: Bytes, waited: Duration) -> Result<Bytes, UpstreamError> {
        let length = chunk.len() as u64;
        self.received += length;
        self.recent += length;
        self.waited += waited;
        if self.waited >= self.guards.rate_window {
            let least = self.guards.bytes_per_second.saturating_mul(self.waited.as_secs());
            if self.recent < least {
                return Err(error(UpstreamReason::Timeout, "the body arrives too slowly"));
            }
            self.waited = Duration::ZERO;
            self.recent = 0;
        }
        Ok(chunk)
    }

    fn end(&self) -> Result<(), UpstreamError> {
        match self.guards.length {
            Some(length) if length != self.received => {
                let received = self.received;
                let message = format!("the body has {received} bytes instead of {length}");
                Err(error(UpstreamReason::Truncated, message))
            }
            _ => Ok(()),
        }
    }
}

fn broken_body(broken: &hyper::Error) -> UpstreamError {
    let reason =
        if broken.is_parse() { UpstreamReason::Protocol } else { UpstreamReason::Truncated };
    error(reason, format!("the body broke off: {}", chain(broken)))
}

/// What is held as long as a body is under way.
#[derive(Debug)]
pub(crate) struct Custody {
    /// Absent where the head has already decided what is recorded.
    pub(crate) ticket: Option<Ticket>,
    pub(crate) permit: Permit,
}

/// `body` as the port promises it: an error counts against the origin and is the last item;
/// the room it took is free as soon as it is over or dropped.
pub(crate) fn settled(
    body: impl Stream<Item = Result<Bytes, UpstreamError>> + Send + 'static,
    custody: Custody,
) -> ByteStream {
    Box::pin(unfold(Some((Box::pin(body), custody)), |state| async move {
        let (mut body, custody) = state?;
        match body.next().await? {
            Ok(chunk) => Some((Ok(chunk), Some((body, custody)))),
            Err(error) => {
                let Custody { ticket, permit } = custody;
                if let Some(ticket) = ticket {
                    ticket.fail();
                }
                drop(permit);
                Some((Err(error.into()), None))
            }
        }
    }))
}

#[cfg(test)]
mod tests {
    use futures_util::{TryStreamExt, stream};

    use super::*;

    fn guards() -> Guards {
        Guards {
            idle: Duration::from_secs(30),
            rate_window: Duration::from_secs(60),
            bytes_per_second: 1024,
            deadline: Instant::now() + Duration::from_secs(600),
            length: None,
        }
    }

    /// `chunks` pieces of `size` bytes, one every `interval`.
    fn drip(
        chunks: usize,
        size: usize,
        interval: Duration,
    ) -> impl Stream<Item = Result<Bytes, hyper::Error>> + Send + Unpin {
        Box::pin(stream::iter(0..chunks).then(move |_| async move {
            tokio::time::sleep(interval).await;
            Ok(Bytes::from(vec![0; size]))
        }))
    }

    async fn read(
        body: impl Stream<Item = Result<Bytes, hyper::Error>> + Send + Unpin + 'static,
        guards: Guards,
    ) -> Result<usize, UpstreamReason> {
        let chunks: Result<Vec<Bytes>, _> = guarded(body, guards).try_collect().await;
        chunks.map(|chunks| chunks.iter().map(Bytes::len).sum()).map_err(|error| error.reason)
    }

    #[tokio::test(start_paused = true)]
    async fn a_steady_body_passes() {
        let body = drip(500, 1024, Duration::from_secs(1));
        assert_eq!(read(body, guards()).await, Ok(500 * 1024));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stalled_body_times_out() {
        let body = drip(2, 1 << 20, Duration::from_secs(31));
        assert_eq!(read(body, guards()).await, Err(UpstreamReason::Timeout));
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickling_body_times_out_after_the_window() {
        let body = drip(500, 1023, Duration::from_secs(1));
        let started = Instant::now();
        assert_eq!(read(body, guards()).await, Err(UpstreamReason::Timeout));
        assert_eq!(started.elapsed().as_secs(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_past_its_deadline_times_out_although_it_flows() {
        let guards = Guards { deadline: Instant::now() + Duration::from_secs(10), ..guards() };
        let body = drip(500, 4096, Duration::from_secs(1));
        assert_eq!(read(body, guards).await, Err(UpstreamReason::Timeout));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_not_held_against_the_origin() {
        let body = stream::iter((0..10).map(|_| Ok(Bytes::from_static(b"x"))));
        let mut body = std::pin::pin!(guarded(body, guards()));
        let mut received = 0;
        while let Some(chunk) = body.next().await {
            received += chunk.unwrap().len();
            tokio::time::sleep(Duration::from_secs(45)).await;
        }
        assert_eq!(received, 10);
    }

    #[tokio::test]
    async fn another_length_than_announced_is_an_error() {
        for (length, expected) in
            [(3, Ok(3)), (2, Err(UpstreamReason::Truncated)), (4, Err(UpstreamReason::Truncated))]
        {
            let body = stream::iter([Ok(Bytes::from_static(b"abc"))]);
            let guards = Guards { length: Some(length), ..guards() };
            assert_eq!(read(body, guards).await, expected);
        }
    }
}
