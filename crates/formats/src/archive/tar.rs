//! tar, as far as package formats use it: plain headers.

use super::ArchiveError;

const BLOCK: usize = 512;
const NAME: std::ops::Range<usize> = 0..100;
const SIZE: std::ops::Range<usize> = 124..136;
const CHECKSUM: std::ops::Range<usize> = 148..156;
const KIND: usize = 156;
const MAGIC: std::ops::Range<usize> = 257..262;
const PREFIX: std::ops::Range<usize> = 345..500;

/// What an entry is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EntryKind {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// Anything else: a link, a device, a header that extends the next entry.
    Other,
}

/// An entry of an archive.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry<'a> {
    /// Its name, exactly as it is written. Extended headers, which could say another one, are given
    /// as entries of their own and are not applied.
    pub name: &'a str,
    /// What stands before the name and a slash, in long names.
    pub prefix: &'a str,
    /// What it is.
    pub kind: EntryKind,
    /// What it holds.
    pub content: &'a [u8],
}

/// The entries of an archive up to its end mark, or to the end of the bytes without one.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    archive: &'a [u8],
    at: usize,
}

impl<'a> Entries<'a> {
    /// The entries of `archive`.
    pub fn new(archive: &'a [u8]) -> Self {
        Self { archive, at: 0 }
    }

    fn read(&mut self, header: &'a [u8]) -> Result<Entry<'a>, &'static str> {
        if !is_intact(header) {
            return Err("its header has a wrong checksum");
        }
        let size = octal(field(header, SIZE)).ok_or("its size is no number")?;
        let start = self.at + BLOCK;
        let content = start
            .checked_add(size)
            .and_then(|end| self.archive.get(start..end))
            .ok_or("it is cut short")?;
        self.at = start + size.next_multiple_of(BLOCK);
        let has_prefix = field(header, MAGIC) == b"ustar";
        let kind = match header.get(KIND) {
            Some(b'0' | b'7' | 0) => EntryKind::File,
            Some(b'5') => EntryKind::Directory,
            _ => EntryKind::Other,
        };
        Ok(Entry {
            name: text(field(header, NAME))?,
            prefix: if has_prefix { text(field(header, PREFIX))? } else { "" },
            kind,
            content,
        })
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.archive.get(self.at..).filter(|rest| !rest.is_empty())?;
        let at = self.at;
        let damaged = |reason| ArchiveError::Tar { at, reason };
        let Some(header) = rest.get(..BLOCK) else {
            self.at = self.archive.len();
            return Some(Err(damaged("its header is cut short")));
        };
        if header.iter().all(|byte| *byte == 0) {
            self.at = self.archive.len();
            return None;
        }
        let read = self.read(header).map_err(damaged);
        if read.is_err() {
            self.at = self.archive.len();
        }
        Some(read)
    }
}

fn field(header: &[u8], range: std::ops::Range<usize>) -> &[u8] {
    header.get(range).unwrap_or_default()
}

/// The sum of the header with blanks in the place of the sum. Old programs summed signed bytes.
fn is_intact(header: &[u8]) -> bool {
    let Some(stated) = octal(field(header, CHECKSUM)) else { return false };
    let (mut sum, mut signed_sum) = (0_usize, 0_i64);
    for (at, byte) in header.iter().enumerate() {
        let byte = if CHECKSUM.contains(&at) { b' ' } else { *byte };
        sum += usize::from(byte);
        signed_sum += i64::from(byte.cast_signed());
    }
    sum == stated || i64::try_from(stated) == Ok(signed_sum)
}

/// A number in octal digits between blanks and NULs; nothing at all is zero.
fn octal(field: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(field).ok()?;
    let digits = text.trim_matches([' ', '\0']);
    if digits.is_empty() {
        return Some(0);
    }
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { usize::from_str_radix(digits, 8).ok() } else { None }
}

/// Up to the first NUL.
fn text(field: &[u8]) -> Result<&str, &'static str> {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    std::str::from_utf8(field.get(..end).unwrap_or_default()).map_err(|_| "its name is not UTF-8")
}

/// Writes an archive of plain files that anyone may read, owned by nobody and without a date.
#[derive(Clone, Debug, Default)]
pub struct TarWriter {
    archive: Vec<u8>,
}

impl TarWriter {
    /// An empty archive.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a file.
    pub fn file(&mut self, name: &str, content: &[u8]) -> Result<(), ArchiveError> {
        let unwritable = || ArchiveError::Unwritable(name.to_owned());
        if name.is_empty() || name.len() > NAME.len() || name.contains('\0') {
            return Err(unwritable());
        }
        // Eleven octal digits.
        if content.len() as u64 >= 1 << 33 {
            return Err(unwritable());
        }
        self.archive.extend_from_slice(&header(name, content.len()));
        self.archive.extend_from_slice(content);
        let padding = content.len().next_multiple_of(BLOCK) - content.len();
        self.archive.resize(self.archive.len() + padding, 0);
        Ok(())
    }

    /// The archive with its end mark.
    pub fn finish(mut self) -> Vec<u8> {
        self.archive.resize(self.archive.len() + 2 * BLOCK, 0);
        self.archive
    }

    /// The archive without an end mark, so that more may follow.
    pub fn without_end(self) -> Vec<u8> {
        self.archive
    }
}

fn header(name: &str, size: usize) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    put(&mut header, 0, name.as_bytes());
    put(&mut header, 100, b"0000644\x000000000\x000000000\0");
    put(&mut header, SIZE.start, format!("{size:011o}\0").as_bytes());
    put(&mut header, 136, b"00000000000\0");
    put(&mut header, CHECKSUM.start, b"        ");
    // Explicitly a plain file: some readers refuse the NUL that means the same.
    put(&mut header, KIND, b"0");
    put(&mut header, MAGIC.start, b"ustar\x0000");
    let sum: usize = header.iter().map(|byte| usize::from(*byte)).sum();
    put(&mut header, CHECKSUM.start, format!("{sum:06o}\0 ").as_bytes());
    header
}

fn put(header: &mut [u8; BLOCK], at: usize, bytes: &[u8]) {
    for (to, from) in header.iter_mut().skip(at).zip(bytes) {
        *to = *from;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(archive: &[u8]) -> Result<Vec<Entry<'_>>, ArchiveError> {
        Entries::new(archive).collect()
    }

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = TarWriter::new();
        for (name, content) in files {
            writer.file(name, content).unwrap();
        }
        writer.finish()
    }

    #[test]
    fn what_was_written_is_read() {
        let archive = archive(&[("a", b""), ("b", &[7; 512]), ("dir/c", &[8; 513])]);
        assert_eq!(archive.len(), 512 * (1 + 2 + 3 + 2));
        let entries = read(&archive).unwrap();
        let names: Vec<_> = entries.iter().map(|entry| (entry.name, entry.content.len())).collect();
        assert_eq!(names, [("a", 0), ("b", 512), ("dir/c", 513)]);
        assert!(entries.iter().all(|entry| entry.kind == EntryKind::File));
    }

    #[test]
    fn archives_without_an_end_follow_each_other() {
        let mut first = TarWriter::new();
        first.file("signature", b"x").unwrap();
        let mut joined = first.without_end();
        joined.extend(archive(&[("content", b"y")]));
        assert_eq!(read(&joined).unwrap().len(), 2);
    }

    #[test]
    fn nothing_is_read_behind_the_end_mark() {
        let mut joined = archive(&[("a", b"x")]);
        joined.extend(archive(&[("b", b"y")]));
        assert_eq!(read(&joined).unwrap().len(), 1);
    }

    #[test]
    fn the_size_of_an_entry_is_not_believed() {
        let good = archive(&[("a", b"x")]);
        for size in [b"77777777777\0", b"00000002000\0"] {
            let mut bad = good.clone();
            bad[SIZE].copy_from_slice(size);
            bad[CHECKSUM].copy_from_slice(b"        ");
            let sum: usize = bad[..BLOCK].iter().map(|byte| usize::from(*byte)).sum();
            bad[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            let reason = "it is cut short";
            let short = bad[..BLOCK * 2].to_vec();
            assert_eq!(read(&short), Err(ArchiveError::Tar { at: 0, reason }));
        }
    }

    #[test]
    fn damage_ends_the_reading() {
        let good = archive(&[("a", b"x"), ("b", b"y")]);
        for at in [0, 124, 148, 156, 300] {
            let mut bad = good.clone();
            bad[at] ^= 4;
            let entries: Vec<_> = Entries::new(&bad).collect();
            assert_eq!(entries.len(), 1, "byte {at}");
            assert!(entries[0].is_err(), "byte {at}");
        }
        assert!(read(&good[..512]).is_err());
        assert!(read(b"short").is_err());
    }

    #[test]
    fn names_that_do_not_fit_are_refused() {
        for name in ["", "a\0b", &"x".repeat(101)] {
            assert!(TarWriter::new().file(name, b"").is_err(), "{name:?}");
        }
        assert!(TarWriter::new().file(&"x".repeat(100), b"").is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..1500)) {
            let _ = read(&bytes);
        }
    }
}
