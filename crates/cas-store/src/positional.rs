//! Reads by position: no shared cursor, so any number of readers share one open file.

use std::fs::File;
use std::io::{self, IoSliceMut};

use rustix::buffer::spare_capacity;
use rustix::io::{Errno, ReadWriteFlags, pread, preadv2};

/// Appends up to `length` bytes of `file` from `offset` to `buffer` and returns how many; fewer
/// only at the end of the file. Reads into spare capacity, which is not cleared first.
pub(crate) fn append_at(
    buffer: &mut Vec<u8>,
    file: &File,
    offset: u64,
    length: usize,
) -> io::Result<usize> {
    let before = buffer.len();
    buffer.reserve_exact(length);
    loop {
        let done = buffer.len() - before;
        if done >= length {
            // An allocator may hand out more spare capacity than was asked for.
            buffer.truncate(before + length);
            return Ok(length);
        }
        match pread(file, spare_capacity(buffer), offset + done as u64) {
            Ok(0) => return Ok(done),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Up to `length` bytes of `file` from `offset`; fewer only at the end of the file.
pub(crate) fn read_at(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut buffer = Vec::new();
    append_at(&mut buffer, file, offset, length)?;
    Ok(buffer)
}

/// Fills the beginning of `buffer` with what the kernel has in memory of `file` from `offset`, and
/// returns how much that is. Fails where it would have to wait for a disk, or cannot tell.
pub(crate) fn read_in_memory(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut buffers = [IoSliceMut::new(buffer)];
    Ok(preadv2(file, &mut buffers, offset, ReadWriteFlags::NOWAIT)?)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_read_is_cut_at_the_length_and_at_the_end_of_the_file() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        assert_eq!(read_at(&file, 2, 3).unwrap(), b"234");
        assert_eq!(read_at(&file, 8, 5).unwrap(), b"89");
        assert_eq!(read_at(&file, 10, 5).unwrap(), b"");
        assert_eq!(read_at(&file, 99, 5).unwrap(), b"");
        assert_eq!(read_at(&file, 0, 0).unwrap(), b"");
    }

    #[test]
    fn spare_capacity_never_lets_a_read_run_past_its_length() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let mut buffer = Vec::with_capacity(64);
        buffer.extend_from_slice(b"head:");
        assert_eq!(append_at(&mut buffer, &file, 1, 4).unwrap(), 4);
        assert_eq!(buffer, b"head:1234");
    }

    #[test]
    fn what_the_kernel_has_in_memory_is_read_as_far_as_it_is_there() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let mut buffer = *b"--------";
        match read_in_memory(&file, 4, &mut buffer) {
            Ok(count) => assert_eq!((count, &buffer), (6, b"456789--")),
            // Not every file system can tell.
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::Unsupported),
        }
    }
}
