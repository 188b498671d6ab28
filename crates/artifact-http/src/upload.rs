//! The body of a client's request as the engine reads it: bounded in silence and slowness.

use std::pin::Pin;
use std::time::Duration;

use artifact_core::{ByteStream, Error, ErrorKind, RequestBody};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout};

use crate::pace::Pace;

/// The longest silence inside a request body.
const IDLE: Duration = Duration::from_secs(30);

/// How much is read of a body that nobody wants, and for how long: a document twice as large as the largest
/// that is taken is still told that it is too large.
const DRAINED_BYTES: usize = 8 << 20;
const DRAINED_FOR: Duration = Duration::from_secs(2);

/// Wraps `body` for the engine. A client that falls silent, is slower than the least pace or
/// breaks off ends the stream with an error.
pub(crate) fn request_body<B>(body: B, headers: &HeaderMap) -> RequestBody
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let length = content_length(headers);
    RequestBody { stream: bounded(Box::pin(body)), length }
}

/// The announced length.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn bounded<B>(body: Pin<Box<B>>) -> ByteStream
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let begun = Some((Unread(Some(body)), Pace::default()));
    Box::pin(stream::unfold(begun, |state| async move {
        let (mut unread, mut pace) = state?;
        let body = unread.0.as_mut()?;
        match next(body, &mut pace).await {
            Ok(Some(bytes)) => Some((Ok(bytes), Some((unread, pace)))),
            Ok(None) => {
                unread.0 = None;
                None
            }
            Err(error) => {
                unread.0 = None;
                Some((Err(error), None))
            }
        }
    }))
}

/// A body that may be dropped before it is read. A client that is still writing when the connection is
/// closed reports that, and not the answer that refused it; so a little more is read.
struct Unread<B>(Option<Pin<Box<B>>>)
where
    B: http_body::Body<Data = Bytes> + Send + 'static;

impl<B> Drop for Unread<B>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
{
    fn drop(&mut self) {
        if let Some(body) = self.0.take()
            && !body.is_end_stream()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            // Ends by itself, within two seconds.
            drop(runtime.spawn(timeout(DRAINED_FOR, drain(body))));
        }
    }
}

async fn drain<B>(mut body: Pin<Box<B>>)
where
    B: http_body::Body<Data = Bytes>,
{
    let mut drained = 0;
    while drained < DRAINED_BYTES
        && let Some(Ok(frame)) = body.frame().await
    {
        drained += frame.data_ref().map_or(0, Bytes::len);
    }
}

async fn next<B>(body: &mut Pin<Box<B>>, pace: &mut Pace) -> Result<Option<Bytes>, Error>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    loop {
        let asked = Instant::now();
        let patience = IDLE.min(pace.remaining());
        let Ok(frame) = timeout(patience, body.frame()).await else {
            return Err(bad("the request body arrives too slowly"));
        };
        pace.waited(asked.elapsed());
        match frame {
            None => return Ok(None),
            Some(Err(error)) => {
                return Err(bad("the request body broke off").with_source(error));
            }
            // Trailers carry nothing that we use.
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    pace.moved(bytes.len() as u64);
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

fn bad(text: &'static str) -> Error {
    Error::new(ErrorKind::BadRequest, text)
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, TryStreamExt};
    use http_body::Frame;
    use http_body_util::{Full, StreamBody};

    use super::*;

    #[tokio::test]
    async fn a_body_arrives_whole_with_its_announced_length() {
        let headers = HeaderMap::from_iter([(header::CONTENT_LENGTH, "5".parse().unwrap())]);
        let body = request_body(Full::new(Bytes::from_static(b"hello")), &headers);
        assert_eq!(body.length, Some(5));
        let chunks: Vec<Bytes> = body.stream.try_collect().await.unwrap();
        assert_eq!(chunks.concat(), b"hello");
    }

    #[tokio::test]
    async fn what_is_left_of_a_refused_body_is_read_up_to_a_limit() {
        const CHUNK: usize = 256 * 1024;
        let (sender, mut taken) = tokio::sync::mpsc::unbounded_channel();
        let chunk = Bytes::from(vec![0; CHUNK]);
        let endless = stream::repeat_with(move || {
            let _ = sender.send(());
            Ok::<_, Error>(Frame::data(chunk.clone()))
        });
        drop(request_body(StreamBody::new(endless), &HeaderMap::new()));
        let mut chunks = 0;
        while taken.recv().await.is_some() {
            chunks += 1;
        }
        assert_eq!(chunks * CHUNK, DRAINED_BYTES);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_ends_the_body_with_an_error() {
        let silent = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Error>>());
        let began = Instant::now();
        let mut body = request_body(silent, &HeaderMap::new());
        let error = body.stream.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadRequest);
        assert_eq!(began.elapsed(), IDLE);
        assert!(body.stream.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_drips_is_cut_off_too() {
        let dripping = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            Some((Ok::<_, Error>(Frame::data(Bytes::from_static(b"x"))), ()))
        });
        let began = Instant::now();
        let body = request_body(StreamBody::new(Box::pin(dripping)), &HeaderMap::new());
        let result: Result<Vec<Bytes>, Error> = body.stream.try_collect().await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::BadRequest);
        assert_eq!(began.elapsed(), Duration::from_secs(60));
    }
}
