//! Streaming a range of an opened file.
//!
//! What the kernel has in memory is copied from there, block by block, when it is asked for: a hop to
//! the blocking pool costs more than the copy, and bytes that another processor has copied are further away.
//! From the first block on that is not there, blocks are read on the blocking pool.

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
/// Small enough to be sent from the processor's cache, into which it was copied.
const BLOCK_IN_MEMORY: u64 = 64 * 1024;

/// The bytes of `range` of `file` in blocks. While one block that comes from the disk is consumed, the next one
/// is read. Ends with an error when the file is shorter than the range. Must be polled in a tokio runtime.
pub(crate) fn file_stream(file: File, range: ByteRange) -> ByteStream {
    Box::pin(FileStream {
        file: Arc::new(file),
        position: range.start,
        end: range.end,
        is_in_memory: true,
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
    /// Whether everything was, so far.
    is_in_memory: bool,
    /// The block being read ahead, and the length that it must have.
    ahead: Option<(Reading, usize)>,
    failed: bool,
}

impl FileStream {
    /// The next block, if the kernel has it in memory. What else there is to say of it, the blocking
    /// pool finds out.
    fn block_in_memory(&mut self) -> Option<Bytes> {
        let length = usize::try_from(self.remaining().min(BLOCK_IN_MEMORY)).ok()?;
        let mut block = block_pool::take_filled(length);
        let read = positional::read_in_memory(&self.file, self.position, &mut block);
        let count = read.ok().filter(|count| *count > 0)?;
        block.truncate(count);
        self.position = self.position.saturating_add(count as u64);
        Some(block_pool::share(block))
    }

    fn remaining(&self) -> u64 {
        self.end.saturating_sub(self.position)
    }

    /// Starts to read the next block, if the range has one.
    fn read_ahead(&mut self) {
        let wanted = self.remaining().min(BLOCK);
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
        if self.is_in_memory {
            if let Some(block) = self.block_in_memory() {
                return Poll::Ready(Some(Ok(block)));
            }
            self.is_in_memory = false;
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

    use futures_util::{FutureExt, StreamExt};

    use super::*;

    fn file_of(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn sample(length: usize) -> Vec<u8> {
        (0..=250).cycle().take(length).collect()
    }

    /// A stream that has already seen a block that was not in memory.
    fn stream_from_disk(file: Arc<File>, end: u64) -> FileStream {
        FileStream { file, position: 0, end, is_in_memory: false, ahead: None, failed: false }
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
            let mut from_disk = stream_from_disk(Arc::new(file_of(&bytes)), end);
            from_disk.position = start;
            assert!(collect(Box::pin(from_disk)).await.unwrap() == expected, "{range:?}");
        }
    }

    #[tokio::test]
    async fn what_is_in_memory_comes_without_a_hop() {
        let file = file_of(&sample(200_000));
        // Not every file system can tell.
        let is_told = positional::read_in_memory(&file, 0, &mut [0]).is_ok();
        let mut stream = file_stream(file, ByteRange { start: 0, end: 200_000 });
        let first = stream.next().now_or_never();
        assert_eq!(first.is_some(), is_told);
        if let Some(block) = first {
            assert_eq!(block.unwrap().unwrap().len(), 65_536);
        }
    }

    #[tokio::test]
    async fn a_file_that_is_too_short_ends_with_an_error() {
        let file = || file_of(&sample(300_000));
        let from_memory = file_stream(file(), ByteRange { start: 0, end: 300_001 });
        let from_disk = Box::pin(stream_from_disk(Arc::new(file()), 300_001));
        for mut stream in [from_memory, from_disk] {
            let mut received = 0;
            let error = loop {
                match stream.next().await.unwrap() {
                    Ok(block) => received += block.len(),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            assert!((1..=300_000).contains(&received), "{received}");
            assert!(stream.next().await.is_none());
        }
    }

    #[tokio::test]
    async fn the_next_block_is_under_way_when_one_is_delivered() {
        let file = Arc::new(file_of(&sample(600_000)));
        let mut stream = stream_from_disk(file, 600_000);
        stream.next().await.unwrap().unwrap();
        assert!(stream.ahead.is_some());
        assert_eq!(stream.position, 2 * BLOCK);
        stream.next().await.unwrap().unwrap();
        stream.next().await.unwrap().unwrap();
        assert!(stream.ahead.is_none());
    }
}
