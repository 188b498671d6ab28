//! Bodies on the wire, each with a watch on its progress.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http_body::Frame;
use http_body_util::{BodyDataStream, BodyExt, Empty, Full, StreamBody};
use hyper::body::Incoming;
use rusoto_core::signature::SignedRequestPayload;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::failure::S3Failure;
use super::link::Verdict;
use super::tls::RequestBody;
use crate::blocking::lock;

/// When the last piece of a body was asked for.
#[derive(Clone, Debug)]
pub(super) struct Progress(Arc<Mutex<Instant>>);

impl Progress {
    pub(super) fn starting_now() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    fn note(&self) {
        *lock(&self.0) = Instant::now();
    }

    /// Ends when nothing was asked for during `patience`.
    pub(super) async fn stalled(&self, patience: Duration) {
        loop {
            let deadline = *lock(&self.0) + patience;
            if Instant::now() >= deadline {
                return;
            }
            sleep_until(deadline).await;
        }
    }
}

/// The body that `payload` is sent as. Every piece that is taken is noted in `progress`.
pub(super) fn sent(payload: Option<SignedRequestPayload>, progress: Progress) -> RequestBody {
    match payload {
        None => Empty::new().map_err(|never| match never {}).boxed_unsync(),
        Some(SignedRequestPayload::Buffer(bytes)) => {
            Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
        }
        Some(SignedRequestPayload::Stream(stream)) => {
            let frames = stream.map(move |piece| {
                progress.note();
                piece.map(Frame::data)
            });
            StreamBody::new(frames).boxed_unsync()
        }
    }
}

/// The body of an answer. Fails when nothing comes during `patience`; the time that its reader
/// takes does not count.
pub(super) struct Received {
    body: BodyDataStream<Incoming>,
    patience: Duration,
    /// Runs while the reader waits.
    waiting: Option<Pin<Box<Sleep>>>,
    verdict: Verdict,
}

impl Received {
    pub(super) fn new(body: Incoming, patience: Duration, verdict: Verdict) -> Self {
        Self { body: BodyDataStream::new(body), patience, waiting: None, verdict }
    }

    fn judge(&self, piece: Result<Bytes, hyper::Error>) -> io::Result<Bytes> {
        piece.map_err(|error| {
            let told = io::Error::other(error.to_string());
            self.verdict.note(S3Failure::Broken { source: error.into() });
            told
        })
    }
}

impl Stream for Received {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Poll::Ready(piece) = self.body.poll_next_unpin(context) {
            self.waiting = None;
            return Poll::Ready(piece.map(|piece| self.judge(piece)));
        }
        let patience = self.patience;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(waiting.as_mut().poll(context));
        self.verdict.note(S3Failure::TimedOut { after: patience });
        Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())))
    }
}
