//! Several ranges of one stored file in one answer (`multipart/byteranges`, RFC 9110 section 14.6).
//!
//! Invariant: the length is announced, so that an answer that breaks off is seen to.

use std::sync::Arc;

use artifact_core::ports::{BlobPayload, BlobStore, ByteRange};
use artifact_core::{BlobId, ByteStream, Error, ErrorKind, Result};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use uuid::Uuid;

/// The parts of an answer, not yet opened.
#[derive(Debug)]
pub(crate) struct Parts {
    boundary: String,
    pieces: Vec<Piece>,
}

/// What is sent one after the other.
#[derive(Clone, Debug)]
enum Piece {
    Text(Bytes),
    Range(ByteRange),
}

impl Parts {
    /// The answer with these ranges of a file of `size` bytes, each described by `content_type`.
    pub(crate) fn new(ranges: &[ByteRange], size: u64, content_type: &str) -> Self {
        let boundary = Uuid::new_v4().simple().to_string();
        let mut pieces = Vec::with_capacity(ranges.len() * 2 + 1);
        for (index, range) in ranges.iter().enumerate() {
            let line_end = if index == 0 { "" } else { "\r\n" };
            let (first, last) = (range.start, range.end.saturating_sub(1));
            let head = format!(
                "{line_end}--{boundary}\r\ncontent-type: {content_type}\r\n\
                 content-range: bytes {first}-{last}/{size}\r\n\r\n"
            );
            pieces.push(Piece::Text(head.into()));
            pieces.push(Piece::Range(*range));
        }
        pieces.push(Piece::Text(format!("\r\n--{boundary}--\r\n").into()));
        Self { boundary, pieces }
    }

    /// The media type of the answer.
    pub(crate) fn content_type(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }

    /// The length of the answer in bytes.
    pub(crate) fn length(&self) -> u64 {
        let length = |piece: &Piece| match piece {
            Piece::Text(text) => text.len() as u64,
            Piece::Range(range) => range.length(),
        };
        self.pieces.iter().map(length).sum()
    }

    /// The answer. Ranges are opened one after the other, when their turn comes.
    pub(crate) fn stream(self, blobs: Arc<dyn BlobStore>, id: BlobId) -> ByteStream {
        let pieces = stream::iter(self.pieces).then(move |piece| {
            let blobs = Arc::clone(&blobs);
            async move {
                match piece {
                    Piece::Text(text) => Ok(once(text)),
                    Piece::Range(range) => open(blobs.as_ref(), id, range).await,
                }
            }
        });
        Box::pin(pieces.try_flatten())
    }
}

async fn open(blobs: &dyn BlobStore, id: BlobId, range: ByteRange) -> Result<ByteStream> {
    let read = blobs
        .open(id, Some(range))
        .await?
        .ok_or_else(|| Error::new(ErrorKind::Unavailable, "the bytes of this file are missing"))?;
    Ok(match read.payload {
        BlobPayload::Bytes(bytes) => once(bytes),
        BlobPayload::Stream(stream) => stream,
    })
}

fn once(bytes: Bytes) -> ByteStream {
    Box::pin(stream::iter([Ok(bytes)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_announced_length_is_that_of_all_pieces() {
        let ranges = [ByteRange { start: 0, end: 3 }, ByteRange { start: 10, end: 20 }];
        let parts = Parts::new(&ranges, 20, "text/plain");
        let boundary = parts.content_type().split_once("boundary=").unwrap().1.to_owned();
        let whole = format!(
            "--{boundary}\r\ncontent-type: text/plain\r\ncontent-range: bytes 0-2/20\r\n\r\n\
             abc\r\n--{boundary}\r\ncontent-type: text/plain\r\ncontent-range: bytes 10-19/20\r\n\r\n\
             klmnopqrst\r\n--{boundary}--\r\n"
        );
        assert_eq!(parts.length(), whole.len() as u64);
    }
}
