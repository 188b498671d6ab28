//! Reading objects, whole or in part.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use artifact_core::ports::{BlobPayload, BlobRead, ByteRange};
use artifact_core::{Error, ErrorKind};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use rusoto_core::ByteStream;
use rusoto_s3::{GetObjectOutput, GetObjectRequest, S3, S3Client};

use super::bucket::{Bucket, length};
use super::failure::S3Failure;
use super::link::Errand;

/// Up to this length the bytes are collected before the answer.
const AT_ONCE: u64 = 256 * 1024;

/// An object that is being read.
struct Opened {
    size: u64,
    length: u64,
    body: ByteStream,
}

impl Bucket {
    /// The bytes of `range` of the object `key`, clamped to it; `None` if there is none.
    pub(super) async fn open(
        &self,
        key: &str,
        range: Option<ByteRange>,
    ) -> Result<Option<BlobRead>, S3Failure> {
        if range.is_some_and(|range| range.length() == 0) {
            return self.open_nothing(key).await;
        }
        match self.get(key, range).await {
            Ok(opened) => opened.read().await.map(Some),
            Err(failure) if failure.is_missing_key() => Ok(None),
            Err(failure) if failure.is_behind_the_end() => self.open_nothing(key).await,
            Err(failure) => Err(failure),
        }
    }

    /// No bytes, and how many there would be.
    async fn open_nothing(&self, key: &str) -> Result<Option<BlobRead>, S3Failure> {
        let size = self.size(key).await?;
        Ok(size.map(|size| BlobRead { size, payload: BlobPayload::Bytes(Bytes::new()) }))
    }

    async fn get(&self, key: &str, range: Option<ByteRange>) -> Result<Opened, S3Failure> {
        let request = GetObjectRequest {
            bucket: self.name(),
            key: key.to_owned(),
            range: range.map(range_header),
            ..Default::default()
        };
        let get = |client: S3Client| {
            let request = request.clone();
            async move { client.get_object(request).await }
        };
        let output = self.call(Errand::Read, get).await?;
        opened(output, range)
    }

    /// The bytes of a small object; `None` if there is none.
    pub(super) async fn small(&self, key: &str) -> Result<Option<Bytes>, S3Failure> {
        match self.open(key, None).await? {
            None => Ok(None),
            Some(BlobRead { payload: BlobPayload::Bytes(bytes), .. }) => Ok(Some(bytes)),
            Some(_) => Err(S3Failure::Unreadable { problem: "it is far too long".to_owned() }),
        }
    }
}

fn range_header(range: ByteRange) -> String {
    if range.end == u64::MAX {
        return format!("bytes={}-", range.start);
    }
    format!("bytes={}-{}", range.start, range.end - 1)
}

fn opened(output: GetObjectOutput, range: Option<ByteRange>) -> Result<Opened, S3Failure> {
    let unreadable = |problem: &str| S3Failure::Unreadable { problem: problem.to_owned() };
    let length = length(output.content_length)?;
    let body = output.body.ok_or_else(|| unreadable("it has no body"))?;
    let Some(range) = range else { return Ok(Opened { size: length, length, body }) };
    let stated = output.content_range.as_deref().and_then(content_range);
    let (start, size) = stated.ok_or_else(|| unreadable("it does not say which part it is"))?;
    let expected = range.end.min(size).saturating_sub(range.start);
    if start != range.start || length != expected {
        return Err(unreadable("it is another part than asked for"));
    }
    Ok(Opened { size, length, body })
}

/// Start and whole size of `bytes 0-9/100`.
fn content_range(text: &str) -> Option<(u64, u64)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.parse().ok()?, size.parse().ok()?))
}

impl Opened {
    async fn read(self) -> Result<BlobRead, S3Failure> {
        let Self { size, length, body } = self;
        let payload = if length <= AT_ONCE {
            BlobPayload::Bytes(collect(body, length).await?)
        } else {
            BlobPayload::Stream(Box::pin(Exactly { body, missing: length }))
        };
        Ok(BlobRead { size, payload })
    }
}

async fn collect(mut body: ByteStream, length: u64) -> Result<Bytes, S3Failure> {
    let mut bytes = BytesMut::new();
    while let Some(piece) = body.next().await {
        bytes.extend_from_slice(
            &piece.map_err(|source| S3Failure::Broken { source: source.into() })?,
        );
    }
    if bytes.len() as u64 == length {
        return Ok(bytes.freeze());
    }
    Err(S3Failure::Unreadable { problem: "it is not as long as it states".to_owned() })
}

/// The bytes of an answer. Ends with an error if they are not as many as it states.
struct Exactly {
    body: ByteStream,
    missing: u64,
}

impl Stream for Exactly {
    type Item = artifact_core::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let broken = || Error::new(ErrorKind::Unavailable, "the blob store broke off");
        let item = match ready!(self.body.poll_next_unpin(context)) {
            Some(Ok(piece)) => match self.missing.checked_sub(piece.len() as u64) {
                Some(missing) => {
                    self.missing = missing;
                    Some(Ok(piece))
                }
                None => Some(Err(broken())),
            },
            Some(Err(error)) => Some(Err(broken().with_source(error))),
            None if self.missing > 0 => Some(Err(broken())),
            None => None,
        };
        if matches!(item, Some(Err(_))) {
            self.missing = 0;
        }
        Poll::Ready(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_asked_for_with_its_last_byte() {
        let table = [
            (0, 1, "bytes=0-0"),
            (10, 20, "bytes=10-19"),
            (990, 5000, "bytes=990-4999"),
            (7, u64::MAX, "bytes=7-"),
        ];
        for (start, end, expected) in table {
            assert_eq!(range_header(ByteRange { start, end }), expected);
        }
    }

    #[test]
    fn a_content_range_tells_start_and_size() {
        assert_eq!(content_range("bytes 10-19/1000"), Some((10, 1000)));
        for text in ["", "bytes */1000", "bytes 10-19/*", "items 1-2/3", "bytes 10/1000"] {
            assert_eq!(content_range(text), None, "{text}");
        }
    }

    fn answer(length: i64, content_range: Option<&str>) -> GetObjectOutput {
        GetObjectOutput {
            content_length: Some(length),
            content_range: content_range.map(str::to_owned),
            body: Some(ByteStream::from(Vec::new())),
            ..Default::default()
        }
    }

    #[test]
    fn an_answer_must_be_the_part_that_was_asked_for() {
        let range = Some(ByteRange { start: 10, end: 20 });
        assert!(opened(answer(10, Some("bytes 10-19/1000")), range).is_ok());
        assert!(opened(answer(5, Some("bytes 10-14/15")), range).is_ok(), "clamped");
        for (length, content_range) in [
            (1000, None),
            (10, Some("bytes 0-9/1000")),
            (9, Some("bytes 10-18/1000")),
            (-1, Some("bytes 10-19/1000")),
        ] {
            assert!(opened(answer(length, content_range), range).is_err(), "{content_range:?}");
        }
    }

    #[tokio::test]
    async fn a_body_that_is_too_short_or_too_long_ends_with_an_error() {
        for missing in [4, 6] {
            let mut stream = Exactly { body: ByteStream::from(b"bytes".to_vec()), missing };
            let mut outcomes = Vec::new();
            while let Some(item) = stream.next().await {
                outcomes.push(item.is_ok());
            }
            assert_eq!(outcomes.last(), Some(&false), "{missing}");
        }
    }
}
