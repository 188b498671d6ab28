//! Reading the file of a flight while it grows.

use artifact_core::ports::ByteRange;
use artifact_core::{ByteStream, Error, ErrorKind, Result};
use bytes::Bytes;
use futures_util::stream;

use super::{Passenger, Phase};

/// The most that one read takes, which bounds the memory of a reader.
const READ_SIZE: u64 = 128 * 1024;

struct Reading {
    passenger: Passenger,
    offset: u64,
    /// Where to stop; `None` is the end of the body.
    end: Option<u64>,
    broken: bool,
}

impl Passenger {
    /// The body from the file, or the part of it. Must be called after the head is known.
    pub(crate) fn into_stream(self, range: Option<ByteRange>) -> ByteStream {
        let reading = Reading {
            offset: range.map_or(0, |range| range.start),
            end: range.map(|range| range.end),
            passenger: self,
            broken: false,
        };
        Box::pin(stream::unfold(reading, |mut reading| async move {
            if reading.broken {
                return None;
            }
            let item = reading.next().await.transpose()?;
            reading.broken = item.is_err();
            Some((item, reading))
        }))
    }

    /// The whole body at once. Waits until it is verified; `limit` bounds it.
    pub(crate) async fn into_bytes(mut self, limit: u64) -> Result<Bytes> {
        if let Phase::Failed(error) = self.verified().await {
            return Err(error);
        }
        let size = self.visible();
        if size > limit {
            return Err(Error::new(ErrorKind::Upstream, "the upstream document is too large"));
        }
        let mut body = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        let mut reading = Reading { passenger: self, offset: 0, end: Some(size), broken: false };
        while let Some(chunk) = reading.next().await? {
            body.extend_from_slice(&chunk);
        }
        Ok(body.into())
    }
}

impl Reading {
    /// The next piece; `None` at the verified end.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let (visible, ended) = {
                let progress = self.passenger.progress.borrow_and_update();
                let ended = match &progress.phase {
                    Phase::Failed(error) => return Err(error.clone()),
                    Phase::Waiting | Phase::Streaming => false,
                    Phase::Verified(_)
                    | Phase::Unstored(_)
                    | Phase::Published(_)
                    | Phase::Confirmed(_)
                    | Phase::Bypass(_) => true,
                };
                (progress.visible, ended)
            };
            let end = self.end.unwrap_or(visible).min(visible);
            if self.offset < end {
                return self.read((end - self.offset).min(READ_SIZE)).await.map(Some);
            }
            if self.end.is_some_and(|end| self.offset >= end) || ended {
                return Ok(None);
            }
            if self.passenger.progress.changed().await.is_err() {
                return Err(Error::new(ErrorKind::Internal, "the download was given up"));
            }
        }
    }

    async fn read(&mut self, length: u64) -> Result<Bytes> {
        let Some(head) = self.passenger.head() else {
            return Err(Error::new(ErrorKind::Internal, "the download has no head"));
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let chunk = head.reader.read_at(self.offset, length).await?;
        if chunk.is_empty() {
            return Err(Error::new(
                ErrorKind::Internal,
                "the spool file is shorter than announced",
            ));
        }
        self.offset += chunk.len() as u64;
        Ok(chunk)
    }
}
