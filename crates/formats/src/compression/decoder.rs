//! Recognising a compression and undoing it.

use std::fmt;
use std::io::{self, BufReader, Read};

use super::source::{Failure, Source};
use super::zstandard::Frames;

/// How much of a source is read at once.
const CHUNK: usize = 64 * 1024;
/// The longest mark by which a compression is known.
const MARK: usize = 6;

/// How a stream is compressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Compression {
    /// Not at all.
    Identity,
    /// gzip, in any number of members.
    Gzip,
    /// bzip2, in any number of streams.
    Bzip2,
    /// xz, in any number of streams.
    Xz,
    /// Zstandard, in any number of frames.
    Zstandard,
}

impl Compression {
    /// The compression of a stream that begins with `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        match bytes {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstandard,
            _ => Self::Identity,
        }
    }

    /// The name by which people know it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Zstandard => "zstd",
        }
    }
}

/// What a decoder may use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// The most bytes that come out.
    pub size: u64,
    /// The most memory for a window or a dictionary, in bytes.
    pub memory: u32,
}

/// What is wrong with a compressed stream.
#[derive(Debug, thiserror::Error)]
pub enum CompressionError {
    /// It is not what its first bytes say.
    #[error("the {name} stream is damaged: {reason}")]
    Damaged {
        /// The name of the compression.
        name: &'static str,
        /// What the decoder said.
        reason: String,
    },
    /// It decompresses to more than is admitted.
    #[error("the stream decompresses to more than {0} bytes")]
    TooLarge(u64),
}

impl CompressionError {
    /// The fault of the stream itself that `error`, which came out of [`Decompressed`], carries.
    /// `None`: the source failed.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref().and_then(|inner| inner.downcast_ref())
    }
}

/// The decompressed form of a stream.
pub struct Decompressed<'a> {
    inner: Box<dyn Read + Send + 'a>,
    compression: Compression,
    failure: Failure,
    left: u64,
    limit: u64,
}

impl<'a> Decompressed<'a> {
    /// Begins to decompress `source`. Reads its first bytes.
    pub fn open(mut source: impl Read + Send + 'a, limits: Limits) -> io::Result<Self> {
        let mut mark = Vec::with_capacity(MARK);
        source.by_ref().take(MARK as u64).read_to_end(&mut mark)?;
        let compression = Compression::of(&mark);
        let failure = Failure::default();
        let inner = io::Cursor::new(mark).chain(source);
        let source = BufReader::with_capacity(CHUNK, Source { inner, failure: failure.clone() });
        let kibibytes = limits.memory / 1024;
        let inner: Box<dyn Read + Send + 'a> = match compression {
            Compression::Identity => Box::new(source),
            Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(source)),
            Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(source)),
            Compression::Xz => {
                Box::new(lzma_rust2::XzReader::new_mem_limit(source, true, kibibytes))
            }
            Compression::Zstandard => Box::new(Frames::new(source, u64::from(limits.memory))),
        };
        Ok(Self { inner, compression, failure, left: limits.size, limit: limits.size })
    }

    /// How the stream is compressed.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    fn explained(&self, error: &io::Error) -> io::Error {
        if let Some(failure) = self.failure.take() {
            return failure;
        }
        let name = self.compression.name();
        let reason = error.to_string();
        io::Error::new(io::ErrorKind::InvalidData, CompressionError::Damaged { name, reason })
    }

    /// Makes sure that nothing comes when as much as is admitted has come.
    fn ends_here(&mut self) -> io::Result<usize> {
        let mut probe = [0];
        match self.inner.read(&mut probe) {
            Ok(0) => Ok(0),
            Ok(_) => {
                let error = CompressionError::TooLarge(self.limit);
                Err(io::Error::new(io::ErrorKind::InvalidData, error))
            }
            Err(error) => Err(self.explained(&error)),
        }
    }
}

impl Read for Decompressed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if room == 0 {
            return self.ends_here();
        }
        let Some(buffer) = buffer.get_mut(..room) else { return Ok(0) };
        match self.inner.read(buffer) {
            Ok(read) => {
                self.left -= read as u64;
                Ok(read)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => Err(self.explained(&error)),
        }
    }
}

impl fmt::Debug for Decompressed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressed")
            .field("compression", &self.compression)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    const ALL: [Compression; 5] = [
        Compression::Identity,
        Compression::Gzip,
        Compression::Bzip2,
        Compression::Xz,
        Compression::Zstandard,
    ];
    const LIMITS: Limits = Limits { size: 1 << 20, memory: 64 << 20 };

    fn compressed(text: &[u8], compression: Compression) -> Vec<u8> {
        match compression {
            Compression::Identity => text.to_vec(),
            Compression::Gzip => {
                let mut gzip =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                gzip.write_all(text).unwrap();
                gzip.finish().unwrap()
            }
            Compression::Bzip2 => {
                let mut bzip2 =
                    bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
                bzip2.write_all(text).unwrap();
                bzip2.finish().unwrap()
            }
            Compression::Xz => {
                let options = lzma_rust2::XzOptions::with_preset(0);
                let mut xz = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
                xz.write_all(text).unwrap();
                xz.finish().unwrap()
            }
            Compression::Zstandard => {
                let level = ruzstd::encoding::CompressionLevel::Fastest;
                ruzstd::encoding::compress_to_vec(text, level)
            }
        }
    }

    fn decompressed(stream: &[u8], limits: Limits) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Decompressed::open(stream, limits)?.read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn a_stream_is_known_by_its_first_bytes_and_may_have_several_members() {
        for compression in ALL {
            let one = compressed(b"<first/>", compression);
            let two = [one.clone(), compressed(b"<second/>", compression)].concat();
            assert_eq!(Compression::of(&one), compression);
            assert_eq!(
                decompressed(&two, LIMITS).unwrap(),
                b"<first/><second/>",
                "{compression:?}"
            );
        }
        assert_eq!(decompressed(b"", LIMITS).unwrap(), b"");
    }

    #[test]
    fn no_more_comes_out_than_is_admitted() {
        let text = vec![b'x'; 10_000];
        for compression in ALL {
            let stream = compressed(&text, compression);
            let exact = Limits { size: 10_000, ..LIMITS };
            assert_eq!(decompressed(&stream, exact).unwrap().len(), 10_000, "{compression:?}");
            let error = decompressed(&stream, Limits { size: 9_999, ..LIMITS }).unwrap_err();
            let fault = CompressionError::of(&error).unwrap();
            assert!(matches!(fault, CompressionError::TooLarge(9_999)), "{compression:?}");
        }
    }

    #[test]
    fn a_window_that_is_too_large_is_refused() {
        let stream = compressed(&vec![b'x'; 1000], Compression::Xz);
        let error = decompressed(&stream, Limits { memory: 1024, ..LIMITS }).unwrap_err();
        assert!(CompressionError::of(&error).is_some());
        // A frame that announces a window of two gigabytes.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00];
        assert!(decompressed(&frame, LIMITS).is_err());
    }

    #[test]
    fn damage_is_the_stream_s_fault_and_failure_the_source_s() {
        struct Failing<'a>(&'a [u8]);
        impl Read for Failing<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                match self.0.read(buffer)? {
                    0 => Err(io::Error::new(io::ErrorKind::TimedOut, "slow")),
                    read => Ok(read),
                }
            }
        }
        let text: Vec<u8> = (0..20_000_u32).flat_map(u32::to_le_bytes).collect();
        for compression in &ALL[1..] {
            let stream = compressed(&text, *compression);
            let half = &stream[..stream.len() / 2];
            let error = decompressed(half, LIMITS).unwrap_err();
            assert!(CompressionError::of(&error).is_some(), "{compression:?}: {error}");
            let mut open = Decompressed::open(Failing(half), LIMITS).unwrap();
            let error = open.read_to_end(&mut Vec::new()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{compression:?}");
            assert!(CompressionError::of(&error).is_none(), "{compression:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_out_again(text in prop::collection::vec(any::<u8>(), 8..300)) {
            for compression in &ALL[1..] {
                let out = decompressed(&compressed(&text, *compression), LIMITS).unwrap();
                prop_assert_eq!(&out, &text);
            }
        }

        #[test]
        fn any_bytes_come_out_or_are_refused(mark in 0..5_usize, rest in prop::collection::vec(any::<u8>(), 0..200)) {
            let marks: [&[u8]; 5] = [b"", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"];
            let stream = [marks[mark], &rest].concat();
            let _ = decompressed(&stream, LIMITS);
        }
    }
}
