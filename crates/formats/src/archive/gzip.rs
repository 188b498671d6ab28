//! gzip, one member at a time.

use std::io::{Read as _, Write as _};

use flate2::bufread::GzDecoder;
use flate2::{Compression, GzBuilder};

use super::ArchiveError;

/// More than signatures, control data and content.
const MOST_MEMBERS: usize = 64;
/// "Unknown" in the place of the system that compressed.
const NO_SYSTEM: u8 = 255;

/// A member of a gzip file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Member<'a> {
    /// As it stands in the file.
    pub compressed: &'a [u8],
    /// What it holds.
    pub content: Vec<u8>,
}

/// The members of a gzip file, checked. Together they may hold `limit` bytes.
pub fn members(file: &[u8], limit: u64) -> Result<Vec<Member<'_>>, ArchiveError> {
    let (mut found, mut rest, mut left) = (Vec::new(), file, limit);
    while found.is_empty() || !rest.is_empty() {
        if found.len() == MOST_MEMBERS {
            return Err(ArchiveError::TooManyMembers(MOST_MEMBERS));
        }
        let damaged = |error: std::io::Error| ArchiveError::Gzip {
            at: file.len() - rest.len(),
            reason: error.to_string(),
        };
        let mut content = Vec::new();
        let mut decoder = GzDecoder::new(rest);
        decoder.by_ref().take(left.saturating_add(1)).read_to_end(&mut content).map_err(damaged)?;
        left = left.checked_sub(content.len() as u64).ok_or(ArchiveError::TooLarge(limit))?;
        let after = decoder.into_inner();
        let (compressed, after) = rest.split_at(rest.len() - after.len());
        found.push(Member { compressed, content });
        rest = after;
    }
    Ok(found)
}

/// One member that holds `content`, without a name or a date.
pub fn compress(content: &[u8]) -> std::io::Result<Vec<u8>> {
    let builder = GzBuilder::new().mtime(0).operating_system(NO_SYSTEM);
    let mut encoder = builder.write(Vec::new(), Compression::default());
    encoder.write_all(content)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: u64 = 1 << 20;

    #[test]
    fn members_are_given_with_their_borders() {
        let (one, other) = (compress(b"one").unwrap(), compress(b"other").unwrap());
        let file = [one.clone(), other.clone()].concat();
        let found = members(&file, LIMIT).unwrap();
        let expected = [
            Member { compressed: &one, content: b"one".to_vec() },
            Member { compressed: &other, content: b"other".to_vec() },
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_bomb_is_refused_without_being_held() {
        let bomb = compress(&vec![0; 4 << 20]).unwrap();
        assert_eq!(members(&bomb, LIMIT), Err(ArchiveError::TooLarge(LIMIT)));
        let half = compress(&vec![0; 600 << 10]).unwrap();
        assert!(members(&half, LIMIT).is_ok());
        let twice = [half.clone(), half].concat();
        assert_eq!(members(&twice, LIMIT), Err(ArchiveError::TooLarge(LIMIT)));
        let crumbs = compress(b"").unwrap().repeat(100_000);
        assert_eq!(members(&crumbs, LIMIT), Err(ArchiveError::TooManyMembers(MOST_MEMBERS)));
    }

    #[test]
    fn what_is_damaged_or_cut_or_followed_by_something_else_is_refused() {
        let good = compress(b"some content that is long enough to be damaged").unwrap();
        for bad in [
            b"".to_vec(),
            b"plain".to_vec(),
            good[..good.len() - 1].to_vec(),
            [&good[..], b"\0\0\0\0"].concat(),
            [&good[..], b"garbage that is longer than a header"].concat(),
        ] {
            let read = members(&bad, LIMIT);
            assert!(matches!(read, Err(ArchiveError::Gzip { .. })), "{bad:?}: {read:?}");
        }
        let mut wrong = good.clone();
        let checksum = wrong.len() - 8;
        wrong[checksum] ^= 1;
        assert!(matches!(members(&wrong, LIMIT), Err(ArchiveError::Gzip { at: 0, .. })));
    }

    #[test]
    fn nothing_of_the_moment_or_the_machine_is_written() {
        let member = compress(b"data").unwrap();
        assert_eq!(member[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = members(&bytes, LIMIT);
            let written = compress(&bytes).unwrap();
            prop_assert_eq!(&members(&written, LIMIT).unwrap()[0].content, &bytes);
        }
    }
}
