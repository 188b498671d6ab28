//! Streaming a range of an opened file.

use std::fs::File;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use artifact_core::ports::ByteRange;
use artifact_core::{ByteStream, Error, ErrorKind, Result};
use bytes::Bytes;
use futures_util::Stream;
use tokio::task::JoinHandle;

use crate::{block_pool, positional};

/// Large enough to hide the hop to the blocking pool, small enough for thousands of readers.
const BLOCK: u64 = 256 * 1024;

/// The bytes of `range` of `file` in blocks. While one block is consumed, the next one is read. Ends
/// with an error when the file is shorter than the range. Must be polled in a tokio runtime.
pub(crate) fn file_stream(file: File, range: ByteRange) -> ByteStream {
    Box::pin(FileStream {
        file: Arc::new(file),
        position: range.start,
        end: range.end,
        ahead: None,
        failed: false,
    })
}

type Reading = JoinHandle<io::Result<Vec<u8>>>;

#[derive(Debug)]
struct FileStream {
    file: Arc<File>,
    /// Where the next block starts; everything before is delivered or being read.
    position: u64,
    end: u64,
    /// The block being read ahead, and the length that it must have.
    ahead: Option<(Reading, usize)>,
    failed: bool,
}

impl FileStream {
    /// Starts to read the next block, if the range has one.
    fn read_ahead(&mut self) {
        let wanted = self.end.saturating_sub(self.position).min(BLOCK);
        let Some(length) = usize::try_from(wanted).ok().filter(|length| *length > 0) else {
            return;
        };
        let (file, offset) = (Arc::clone(&self.file), self.position);
        let reading = tokio::task::spawn_blocking(move || {
            let mut block = block_pool::take();
            positional::append_at(&mut block, &file, offset, length)?;
            Ok(block)
        });
        self.position = self.position.saturating_add(wanted);
        self.ahead = Some((reading, length));
    }
}

impl Stream for FileStream {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.failed {
            return Poll::Ready(None);
        }
        if self.ahead.is_none() {
            self.read_ahead();
        }
        let Some((reading, length)) = &mut self.ahead else {
            return Poll::Ready(None);
        };
        let block = ready!(Pin::new(reading).poll(context));
        let outcome = judge(block.map_err(io::Error::from).flatten(), *length);
        self.ahead = None;
        match &outcome {
            Ok(_) => self.read_ahead(),
            Err(_) => self.failed = true,
        }
        Poll::Ready(Some(outcome))
    }
}

fn judge(block: io::Result<Vec<u8>>, length: usize) -> Result<Bytes> {
    match block {
        Ok(block) if block.len() == length => Ok(block_pool::share(block)),
        Ok(_) => Err(Error::new(ErrorKind::Unavailable, "a stored file is shorter than it was")),
        Err(error) => {
            Err(Error::new(ErrorKind::Unavailable, "a stored file cannot be read")
                .with_source(error))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use futures_util::StreamExt;

    use super::*;

    fn file_of(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn sample(length: usize) -> Vec<u8> {
        (0..=250).cycle().take(length).collect()
    }

    async fn collect(mut stream: ByteStream) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(block) = stream.next().await {
            all.extend_from_slice(&block?);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn every_range_gives_exactly_its_bytes() {
        let bytes = sample(600_000);
        for (start, end) in [(0, 600_000), (0, 1), (5, 5), (262_143, 262_145), (100, 524_388)] {
            let range = ByteRange { start, end };
            let found = collect(file_stream(file_of(&bytes), range)).await.unwrap();
            let expected = &bytes[usize::try_from(start).unwrap()..usize::try_from(end).unwrap()];
            assert!(found == expected, "{range:?}");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_too_short_ends_with_an_error() {
        let file = file_of(&sample(300_000));
        let mut stream = file_stream(file, ByteRange { start: 0, end: 300_001 });
        assert!(stream.next().await.unwrap().is_ok());
        let error = stream.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(stream.next().await.is_none());
    }

    #[tokio::test]
    async fn the_next_block_is_under_way_when_one_is_delivered() {
        let file = Arc::new(file_of(&sample(600_000)));
        let mut stream = FileStream { file, position: 0, end: 600_000, ahead: None, failed: false };
        stream.next().await.unwrap().unwrap();
        assert!(stream.ahead.is_some());
        assert_eq!(stream.position, 2 * BLOCK);
        stream.next().await.unwrap().unwrap();
        stream.next().await.unwrap().unwrap();
        assert!(stream.ahead.is_none());
    }
}
