//! The body of an answer, and everything whose life ends with it.
//!
//! A request is over when its last byte is handed to the connection or the connection is gone,
//! not when its head is sent. So the in-flight permit, the access record and the measurement
//! travel inside the body and are settled when it is dropped.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use artifact_core::{ByteStream, Error};
use artifact_engine::ReplyBody;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::layers::{AccessRecord, Measurement, Permit};
use crate::server::Exchange;

/// The body of an answer: nothing, bytes in memory, or a stream. A stream that ends with an
/// error breaks the connection, so that no client takes half a file for a whole one.
pub struct Body {
    payload: Payload,
    sent: u64,
    failure: Option<Error>,
    attached: Attached,
}

enum Payload {
    Done,
    Full(Bytes),
    Stream { bytes: ByteStream, expected: Option<u64> },
}

/// What is settled when the body ends. The fields are dropped in this order.
#[derive(Default)]
pub(crate) struct Attached {
    pub(crate) measurement: Option<Measurement>,
    pub(crate) record: Option<AccessRecord>,
    pub(crate) permit: Option<Permit>,
    pub(crate) exchange: Option<Exchange>,
}

/// How a body ended.
#[derive(Debug)]
pub(crate) struct Delivery<'a> {
    /// Bytes handed to the connection.
    pub(crate) bytes: u64,
    /// Whether that was all of them.
    pub(crate) complete: bool,
    /// What broke it on our side.
    pub(crate) failure: Option<&'a Error>,
}

impl Body {
    /// No body.
    pub fn empty() -> Self {
        Self::of(Payload::Done)
    }

    /// Bytes in memory.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::of(if bytes.is_empty() { Payload::Done } else { Payload::Full(bytes) })
    }

    /// A stream of which `expected` bytes are promised, if that is known.
    pub fn stream(bytes: ByteStream, expected: Option<u64>) -> Self {
        Self::of(Payload::Stream { bytes, expected })
    }

    /// The body of an engine's reply.
    pub(crate) fn of_reply(body: ReplyBody, expected: Option<u64>) -> Self {
        match body {
            ReplyBody::Empty => Self::empty(),
            ReplyBody::Full(bytes) => Self::full(bytes),
            ReplyBody::Stream(bytes) => Self::stream(bytes, expected),
        }
    }

    fn of(payload: Payload) -> Self {
        Self { payload, sent: 0, failure: None, attached: Attached::default() }
    }

    /// The length, as far as it is known before sending.
    pub(crate) fn length(&self) -> Option<u64> {
        match &self.payload {
            Payload::Done => Some(0),
            Payload::Full(bytes) => Some(bytes.len() as u64),
            Payload::Stream { expected, .. } => *expected,
        }
    }

    /// Forgets the bytes: the answer to a HEAD.
    pub(crate) fn clear(&mut self) {
        self.payload = Payload::Done;
    }

    pub(crate) fn attached(&mut self) -> &mut Attached {
        &mut self.attached
    }

    fn is_complete(&self) -> bool {
        match &self.payload {
            Payload::Done => self.failure.is_none(),
            Payload::Full(_) => false,
            // With a known length the connection stops asking when it has them all.
            Payload::Stream { expected, .. } => *expected == Some(self.sent),
        }
    }

    fn count(&mut self, bytes: &Bytes) {
        self.sent += bytes.len() as u64;
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        let polled = match &mut this.payload {
            Payload::Done => return Poll::Ready(None),
            Payload::Full(bytes) => Poll::Ready(Some(Ok(std::mem::take(bytes)))),
            Payload::Stream { bytes, .. } => bytes.as_mut().poll_next(context),
        };
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(bytes))) => {
                this.count(&bytes);
                if matches!(this.payload, Payload::Full(_)) {
                    this.payload = Payload::Done;
                }
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Poll::Ready(Some(Err(error))) => {
                this.failure = Some(error.clone());
                this.payload = Payload::Done;
                Poll::Ready(Some(Err(error)))
            }
            Poll::Ready(None) => {
                this.payload = Payload::Done;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.payload, Payload::Done) && self.failure.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.payload {
            Payload::Done => SizeHint::with_exact(0),
            Payload::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Payload::Stream { expected: Some(expected), .. } => {
                SizeHint::with_exact(expected.saturating_sub(self.sent))
            }
            Payload::Stream { expected: None, .. } => SizeHint::default(),
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let complete = self.is_complete();
        let delivery = Delivery { bytes: self.sent, complete, failure: self.failure.as_ref() };
        if let Some(measurement) = self.attached.measurement.take() {
            measurement.settle(&delivery);
        }
        if let Some(record) = self.attached.record.take() {
            record.write(&delivery);
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("length", &self.length())
            .field("sent", &self.sent)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use artifact_core::ErrorKind;
    use http_body::Body as _;
    use http_body_util::BodyExt;

    use super::*;

    fn chunks(items: Vec<Result<&'static str, ErrorKind>>) -> ByteStream {
        Box::pin(futures_util::stream::iter(items.into_iter().map(|item| {
            item.map(|text| Bytes::from_static(text.as_bytes()))
                .map_err(|kind| Error::new(kind, "broken"))
        })))
    }

    #[tokio::test]
    async fn bytes_in_memory_are_one_frame_of_known_length() {
        let mut body = Body::full("hello");
        assert_eq!(body.size_hint().exact(), Some(5));
        assert!(!body.is_complete());
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "hello");
        assert!(body.is_end_stream());
        assert!(body.is_complete());
    }

    #[tokio::test]
    async fn a_stream_is_complete_at_its_end_or_at_its_promised_length() {
        let mut body = Body::stream(chunks(vec![Ok("ab"), Ok("c")]), Some(3));
        body.frame().await.unwrap().unwrap();
        assert!(!body.is_complete());
        body.frame().await.unwrap().unwrap();
        assert!(body.is_complete());
        assert!(!body.is_end_stream(), "an error may still follow the last byte");
        let mut body = Body::stream(chunks(vec![Ok("ab")]), None);
        body.frame().await.unwrap().unwrap();
        assert!(!body.is_complete());
        assert!(body.frame().await.is_none());
        assert!(body.is_complete());
    }

    #[tokio::test]
    async fn an_error_is_passed_on_and_the_body_is_never_complete() {
        let mut body = Body::stream(chunks(vec![Ok("ab"), Err(ErrorKind::Integrity)]), None);
        body.frame().await.unwrap().unwrap();
        assert_eq!(body.frame().await.unwrap().unwrap_err().kind(), ErrorKind::Integrity);
        assert!(!body.is_complete());
        assert!(!body.is_end_stream(), "hyper must not take a broken body for a whole one");
    }
}
