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
    Box::pin(stream::unfold(Some((body, Pace::default())), |state| async move {
        let (mut body, mut pace) = state?;
        match next(&mut body, &mut pace).await {
            Ok(Some(bytes)) => Some((Ok(bytes), Some((body, pace)))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    }))
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
