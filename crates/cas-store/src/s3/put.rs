//! Taking a finished file in.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use artifact_core::ports::ByteRange;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{TryStreamExt, stream};
use md5::{Digest as _, Md5};
use rusoto_core::{ByteStream, RusotoError};
use rusoto_s3::{PutObjectRequest, S3, S3Client};

use super::bucket::Bucket;
use super::failure::S3Failure;
use super::link::Errand;
use crate::error::IoContext;
use crate::file_stream::file_stream;
use crate::{StoreError, positional};

const BLOCK: u64 = 256 * 1024;

/// The file to be stored, open: whoever removes its name does not disturb the upload.
#[derive(Clone, Debug)]
pub(super) struct Source {
    file: Arc<File>,
    pub(super) size: u64,
}

impl Source {
    /// Opens the file at `path`, which must be `size` bytes long.
    pub(super) fn open(path: &Path, size: u64) -> Result<Self, StoreError> {
        let file = File::open(path).during("open", path)?;
        let actual = file.metadata().during("inspect", path)?.len();
        if actual != size {
            return Err(StoreError::SourceSize { path: path.into(), expected: size, actual });
        }
        Ok(Self { file: Arc::new(file), size })
    }

    /// The bytes of `range` as a body of known length.
    pub(super) fn body(&self, range: ByteRange) -> io::Result<ByteStream> {
        let length = usize::try_from(range.length()).map_err(io::Error::other)?;
        let stream = file_stream(self.file.try_clone()?, range).map_err(io::Error::other);
        Ok(ByteStream::new_with_size(stream, length))
    }

    /// The checksum of `range`, for the server to compare: the one that every server knows. The
    /// bytes were written a moment ago and come from the page cache.
    pub(super) async fn md5(&self, range: ByteRange) -> Result<String, S3Failure> {
        let file = Arc::clone(&self.file);
        let hashed = tokio::task::spawn_blocking(move || md5_of(&file, range)).await;
        let hashed = hashed.map_err(io::Error::from).flatten();
        hashed.map_err(|error| S3Failure::Source { source: error })
    }
}

/// Bytes in memory that are sent as they are.
#[derive(Clone, Debug)]
pub(super) struct Payload {
    chunks: Arc<[Bytes]>,
    pub(super) size: u64,
}

impl Payload {
    pub(super) fn new(chunks: Vec<Bytes>) -> Self {
        let size = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        Self { chunks: chunks.into(), size }
    }

    /// The bytes as a body of known length.
    pub(super) fn body(&self) -> ByteStream {
        let chunks: Vec<_> = self.chunks.iter().cloned().map(Ok).collect();
        let length = usize::try_from(self.size).unwrap_or(usize::MAX);
        ByteStream::new_with_size(stream::iter(chunks), length)
    }

    /// The checksum, for the server to compare.
    pub(super) async fn md5(&self) -> Result<String, S3Failure> {
        let chunks = Arc::clone(&self.chunks);
        let hashed = tokio::task::spawn_blocking(move || {
            let mut md5 = Md5::new();
            chunks.iter().for_each(|chunk| md5.update(chunk));
            STANDARD.encode(md5.finalize())
        });
        hashed.await.map_err(|error| S3Failure::Source { source: error.into() })
    }
}

impl Bucket {
    /// Stores `source` under `key` with one request.
    pub(super) async fn put_at_once(&self, key: &str, source: &Source) -> Result<(), S3Failure> {
        let range = ByteRange { start: 0, end: source.size };
        let md5 = source.md5(range).await?;
        let put = |client: S3Client| {
            let body = source.body(range);
            let request = self.put_request(key, md5.clone());
            async move {
                let body = Some(body.map_err(RusotoError::from)?);
                client.put_object(PutObjectRequest { body, ..request }).await
            }
        };
        self.call(Errand::Ask, put).await.map(drop)
    }

    /// Stores a few `bytes` under `key`.
    pub(super) async fn put_bytes(&self, key: &str, bytes: &Bytes) -> Result<(), S3Failure> {
        let put = |client: S3Client| {
            let body = Some(ByteStream::from(bytes.to_vec()));
            let request = self.put_request(key, STANDARD.encode(Md5::digest(bytes)));
            async move { client.put_object(PutObjectRequest { body, ..request }).await }
        };
        self.call(Errand::Ask, put).await.map(drop)
    }

    /// Stores `chunks` under `key` with one request.
    pub(super) async fn put_chunks(&self, key: &str, chunks: Payload) -> Result<(), S3Failure> {
        let md5 = chunks.md5().await?;
        let put = |client: S3Client| {
            let body = Some(chunks.body());
            let request = self.put_request(key, md5.clone());
            async move { client.put_object(PutObjectRequest { body, ..request }).await }
        };
        self.call(Errand::Ask, put).await.map(drop)
    }

    fn put_request(&self, key: &str, md5: String) -> PutObjectRequest {
        PutObjectRequest {
            bucket: self.name(),
            key: key.to_owned(),
            content_md5: Some(md5),
            ..Default::default()
        }
    }
}

fn md5_of(file: &File, range: ByteRange) -> io::Result<String> {
    let mut md5 = Md5::new();
    let mut block = Vec::new();
    let mut start = range.start;
    while start < range.end {
        let length = (range.end - start).min(BLOCK);
        block.clear();
        positional::append_at(&mut block, file, start, usize::try_from(length).unwrap_or(0))?;
        md5.update(&block);
        start += length;
    }
    Ok(STANDARD.encode(md5.finalize()))
}
