//! Files of the set that is being made: written once, named by what was written.

use std::io::{self, BufWriter, Write};

use artifact_core::{AssemblyError, Output, StoredFile};
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use ring::digest::{Context, SHA256};

use crate::repomd::Made;
use crate::route::REPODATA;

/// How hard to compress: the usual balance.
const LEVEL: u32 = 6;
/// How much is handed to the compressor at once.
const BUFFER: usize = 64 * 1024;

/// The files made so far.
pub(super) struct Parts<'a> {
    root: &'a str,
    output: &'a mut dyn Output,
    pub(super) made: Vec<Made>,
}

/// What writes the inside of a part.
pub(super) type Write_<'w> = &'w mut dyn FnMut(&mut dyn Write) -> Result<(), AssemblyError>;

impl<'a> Parts<'a> {
    pub(super) fn new(root: &'a str, output: &'a mut dyn Output) -> Self {
        Self { root, output, made: Vec::new() }
    }

    /// Stores a compressed part. The same content gives the same bytes.
    pub(super) fn compressed(
        &mut self,
        kind: &'static str,
        name: &str,
        write: Write_<'_>,
    ) -> Result<(), AssemblyError> {
        let mut open = None;
        let stored = self.output.store(&mut |sink| {
            let gzip = GzBuilder::new().mtime(0).write(sink, Compression::new(LEVEL));
            let mut writer = BufWriter::with_capacity(BUFFER, Hashed::new(gzip));
            write(&mut writer)?;
            let hashed = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
            open = Some(hashed.finish()?);
            Ok(())
        })?;
        self.named(kind, name, "application/gzip", stored, open)
    }

    /// Stores a part that is not compressed.
    pub(super) fn plain(
        &mut self,
        kind: &'static str,
        name: &str,
        body: &[u8],
    ) -> Result<(), AssemblyError> {
        let stored = self.output.store(&mut |sink| Ok(sink.write_all(body)?))?;
        self.named(kind, name, "application/xml", stored, None)
    }

    /// Stores a file under a name that does not depend on its content.
    pub(super) fn fixed(
        &mut self,
        path: &str,
        content_type: &'static str,
        body: &[u8],
    ) -> Result<(), AssemblyError> {
        let stored = self.output.store(&mut |sink| Ok(sink.write_all(body)?))?;
        self.output.name(stored, &format!("{}{path}", self.root), content_type)
    }

    fn named(
        &mut self,
        kind: &'static str,
        name: &str,
        content_type: &'static str,
        stored: StoredFile,
        open: Option<(String, u64)>,
    ) -> Result<(), AssemblyError> {
        let checksum = stored.blob.to_hex();
        let href = format!("{REPODATA}/{checksum}-{name}");
        self.output.name(stored, &format!("{}{href}", self.root), content_type)?;
        self.made.push(Made { kind, href, checksum, size: stored.size, open });
        Ok(())
    }
}

/// A compressor that knows what went into it.
struct Hashed<'w> {
    gzip: GzEncoder<&'w mut dyn Write>,
    digest: Context,
    size: u64,
}

impl<'w> Hashed<'w> {
    fn new(gzip: GzEncoder<&'w mut dyn Write>) -> Self {
        Self { gzip, digest: Context::new(&SHA256), size: 0 }
    }

    /// Ends the stream and gives the digest and the size of the uncompressed form.
    fn finish(self) -> io::Result<(String, u64)> {
        self.gzip.finish()?;
        Ok((hex::encode(self.digest.finish()), self.size))
    }
}

impl Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.gzip.write(bytes)?;
        self.digest.update(bytes.get(..written).unwrap_or_default());
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.gzip.flush()
    }
}
