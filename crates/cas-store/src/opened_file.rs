//! Reading a blob's file: what is short in the hop that opened it, what is long in a stream.

use std::fs::{File, Metadata};
use std::path::Path;

use artifact_core::ports::{BlobPayload, BlobRead, ByteRange};

use crate::error::IoContext;
use crate::file_stream::file_stream;
use crate::{StoreError, positional};

/// Up to this length a range is read in the same hop that opens the file.
const AT_ONCE: u64 = 256 * 1024;

/// What one hop to the blocking pool brings back.
#[derive(Debug)]
pub(crate) enum Opened {
    Short { size: u64, bytes: Vec<u8> },
    Long { size: u64, file: File, range: ByteRange },
}

impl Opened {
    /// The bytes of `range` of `file`, clamped to it. Blocks.
    pub(crate) fn read(
        file: File,
        path: &Path,
        range: Option<ByteRange>,
    ) -> Result<Self, StoreError> {
        let size = blob_size(&file.metadata().during("inspect", path)?, path)?;
        let range = range.unwrap_or(ByteRange { start: 0, end: size });
        let range = ByteRange { start: range.start.min(size), end: range.end.min(size) };
        if range.length() > AT_ONCE {
            return Ok(Self::Long { size, file, range });
        }
        let length = usize::try_from(range.length()).unwrap_or(usize::MAX);
        let bytes = positional::read_at(&file, range.start, length).during("read", path)?;
        Ok(Self::Short { size, bytes })
    }

    /// The size of the whole blob.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Short { size, .. } | Self::Long { size, .. } => *size,
        }
    }
}

impl From<Opened> for BlobRead {
    fn from(opened: Opened) -> Self {
        match opened {
            Opened::Short { size, bytes } => {
                Self { size, payload: BlobPayload::Bytes(bytes.into()) }
            }
            Opened::Long { size, file, range } => {
                Self { size, payload: BlobPayload::Stream(file_stream(file, range)) }
            }
        }
    }
}

/// The size of the blob whose file is so described.
pub(crate) fn blob_size(metadata: &Metadata, path: &Path) -> Result<u64, StoreError> {
    if metadata.is_file() {
        return Ok(metadata.len());
    }
    Err(StoreError::Damaged { path: path.into() })
}
