//! A file that is read from front to back with jumps: many small steps share one read, and jumps read nothing.

use std::io::{self, Read, Seek, SeekFrom};

use crate::format::ranges::Stored;

/// Bytes read at once while steps are short.
const LARGE: usize = 64 << 10;
/// Bytes read at once after a jump past what was read: whoever jumps wants little.
const SMALL: usize = 4 << 10;

/// A place in a file, with the bytes around it.
#[derive(Debug)]
pub(in crate::source) struct Window<'a> {
    file: &'a Stored,
    length: u64,
    position: u64,
    buffer: Vec<u8>,
    /// Place of the buffer in the file.
    start: u64,
    /// Bytes to read next time.
    step: usize,
}

impl<'a> Window<'a> {
    pub(in crate::source) fn new(file: &'a Stored) -> Window<'a> {
        Window { file, length: file.len(), position: 0, buffer: Vec::new(), start: 0, step: SMALL }
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Goes to a place, possibly past the end.
    pub(super) fn go(&mut self, position: u64) {
        self.step = match position.checked_sub(self.start + self.buffer.len() as u64) {
            Some(beyond) if beyond > LARGE as u64 => SMALL,
            Some(_) => LARGE,
            None => self.step,
        };
        self.position = position;
    }

    /// The bytes from here on that were read, at least one unless the file ends here.
    fn fill(&mut self) -> io::Result<&[u8]> {
        let within = self.position.checked_sub(self.start).filter(|within| *within < self.buffer.len() as u64);
        let within = match within {
            Some(within) => within as usize,
            None => {
                let bytes = self.length.saturating_sub(self.position).min(self.step as u64) as usize;
                self.buffer.resize(bytes, 0);
                self.start = self.position;
                let read = self.file.read_up_to(self.position, &mut self.buffer)?;
                self.buffer.truncate(read);
                self.step = LARGE;
                0
            }
        };
        Ok(&self.buffer[within..])
    }
}

impl Read for Window<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill()?;
        let read = bytes.len().min(into.len());
        into[..read].copy_from_slice(&bytes[..read]);
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Window<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        let position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        self.go(position);
        Ok(position)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn reads_anywhere() {
        let mut file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..300_000u32).map(|number| (number / 7) as u8).collect();
        file.write_all(&bytes).unwrap();
        let file = Stored::of_file(file).unwrap();
        let mut window = Window::new(&file);
        for (place, length) in [(0, 10), (5, 70_000), (200_000, 512), (199_990, 100), (299_999, 1), (0, 300_000)] {
            window.go(place);
            let mut read = vec![0; length];
            window.read_exact(&mut read).unwrap();
            assert_eq!(read, bytes[place as usize..][..length]);
        }
        window.go(300_000);
        assert_eq!(window.read(&mut [0]).unwrap(), 0);
        window.go(u64::MAX - 1);
        assert_eq!(window.read(&mut [0]).unwrap(), 0);
    }
}
