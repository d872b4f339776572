//! Bytes that are read range by range: those of a file, or those of an object in a store.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};

use super::front_to_back::FrontToBack;

/// Bytes that lie elsewhere, such as those of an object in a store.
pub trait Ranges: fmt::Debug + Send + Sync {
    /// Number of bytes.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of a range, all of which exist.
    ///
    /// # Errors
    /// If they can't be read, or are not those of the object that was opened.
    fn read(&self, range: Range<u64>) -> io::Result<Bytes>;

    /// Where the part ends that is read together with a byte, as far as it is known.
    fn part_end(&self, _at: u64) -> u64 {
        self.len()
    }

    /// Tells which ranges are read next, so that they can be asked for together.
    fn will_need(&self, _ranges: &[Range<u64>]) {}

    /// Begins to read a range that is read as a whole, or given up, later. Returns false if too much is being read.
    fn begin(&self, _range: &Range<u64>) -> bool {
        true
    }

    /// Gives up a range that was begun.
    fn give_up(&self, _range: &Range<u64>) {}

    /// What differs once the bytes do, if the store tells it.
    fn version(&self) -> Option<String> {
        None
    }
}

/// The bytes of a file, wherever it lies. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Stored {
    /// A file on a disk, of which this many bytes are read.
    File(Arc<File>, u64),
    /// Bytes elsewhere.
    Elsewhere(Arc<dyn Ranges>),
}

impl Stored {
    /// The bytes that an open file has now.
    ///
    /// # Errors
    /// If its length can't be read.
    pub fn of_file(file: File) -> io::Result<Stored> {
        let length = file.metadata()?.len();
        Ok(Stored::File(Arc::new(file), length))
    }

    /// Number of bytes.
    pub fn len(&self) -> u64 {
        match self {
            Stored::File(_, length) => *length,
            Stored::Elsewhere(ranges) => ranges.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `out` with the bytes from offset `start` on.
    ///
    /// # Errors
    /// If they can't be read, or there are fewer.
    pub fn read_at(&self, start: u64, out: &mut [u8]) -> io::Result<()> {
        match self {
            Stored::File(file, _) => file.read_exact_at(out, start),
            Stored::Elsewhere(ranges) => {
                let end = start.checked_add(out.len() as u64).filter(|end| *end <= ranges.len());
                let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
                if !out.is_empty() {
                    out.copy_from_slice(&ranges.read(start..end)?);
                }
                Ok(())
            }
        }
    }

    /// Fills `out` as far as there are bytes from offset `start` on, and returns how many there are.
    ///
    /// # Errors
    /// If they can't be read.
    pub fn read_up_to(&self, start: u64, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Stored::File(file, _) => read_file_up_to(file, start, out),
            Stored::Elsewhere(ranges) => {
                let length = (out.len() as u64).min(ranges.len().saturating_sub(start)) as usize;
                self.read_at(start, &mut out[..length])?;
                Ok(length)
            }
        }
    }

    /// The bytes of a range.
    ///
    /// # Errors
    /// If they can't be read, or there are fewer.
    pub fn bytes(&self, range: Range<u64>) -> io::Result<Bytes> {
        match self {
            Stored::Elsewhere(ranges) if range.start < range.end && range.end <= ranges.len() => ranges.read(range),
            _ => {
                let mut bytes = vec![0; range.end.saturating_sub(range.start) as usize];
                self.read_at(range.start, &mut bytes)?;
                Ok(bytes.into())
            }
        }
    }

    /// Begins to read a range, as [`Ranges::begin`].
    pub fn begin(&self, range: &Range<u64>) -> bool {
        match self {
            Stored::File(..) => true,
            Stored::Elsewhere(ranges) => ranges.begin(range),
        }
    }

    /// Gives up a range that was begun.
    pub fn give_up(&self, range: &Range<u64>) {
        if let Stored::Elsewhere(ranges) = self {
            ranges.give_up(range);
        }
    }

    /// The same bytes; those of a range that are elsewhere are read at once, if they exist.
    ///
    /// # Errors
    /// If they can't be read.
    pub fn with_part(&self, range: Range<u64>) -> io::Result<Stored> {
        match self {
            Stored::Elsewhere(whole) if !range.is_empty() && range.end <= whole.len() => {
                let (start, bytes) = (range.start, whole.read(range)?);
                Ok(Stored::Elsewhere(Arc::new(WithPart { whole: whole.clone(), start, bytes })))
            }
            _ => Ok(self.clone()),
        }
    }

    /// The bytes from offset `start` on, one after another.
    pub fn from(&self, start: u64) -> Rest {
        Rest { stored: self.clone(), at: start }
    }

    /// The same bytes, for whoever reads most of them in their order.
    pub fn front_to_back(&self) -> Stored {
        match self {
            Stored::File(..) => self.clone(),
            Stored::Elsewhere(ranges) => Stored::Elsewhere(Arc::new(FrontToBack::new(ranges.clone()))),
        }
    }

    /// Tells which ranges are read next.
    pub fn will_need(&self, ranges: &[Range<u64>]) {
        if let Stored::Elsewhere(elsewhere) = self {
            elsewhere.will_need(ranges);
        }
    }

    /// What differs once the bytes do, if they are elsewhere and their store tells it.
    pub fn version(&self) -> Option<String> {
        match self {
            Stored::File(..) => None,
            Stored::Elsewhere(ranges) => ranges.version(),
        }
    }

    /// The file, if it is one on a disk.
    pub fn file(&self) -> Option<&File> {
        match self {
            Stored::File(file, _) => Some(file),
            Stored::Elsewhere(_) => None,
        }
    }
}

/// Bytes elsewhere, of which a part was read.
#[derive(Debug)]
struct WithPart {
    whole: Arc<dyn Ranges>,
    /// Where the part begins.
    start: u64,
    bytes: Bytes,
}

impl Ranges for WithPart {
    fn len(&self) -> u64 {
        self.whole.len()
    }

    fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        let within = range.start.checked_sub(self.start).zip(range.end.checked_sub(self.start));
        match within.filter(|(_, end)| *end <= self.bytes.len() as u64) {
            Some((start, end)) => Ok(self.bytes.slice(start as usize..end as usize)),
            None => self.whole.read(range),
        }
    }
}

impl Length for Stored {
    fn len(&self) -> u64 {
        Stored::len(self)
    }
}

impl ChunkReader for Stored {
    type T = BufReader<Rest>;

    fn get_read(&self, start: u64) -> ParquetResult<BufReader<Rest>> {
        Ok(BufReader::new(self.from(start)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let end = start.checked_add(length as u64).filter(|end| *end <= self.len());
        if end.is_none() {
            return Err(ParquetError::EOF("it refers to bytes after its end".to_owned()));
        }
        let mut bytes = vec![0; length];
        self.read_at(start, &mut bytes)?;
        Ok(bytes.into())
    }
}

/// The bytes from an offset on.
#[derive(Debug)]
pub struct Rest {
    stored: Stored,
    at: u64,
}

impl Read for Rest {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = out.len().min(usize::try_from(self.stored.len().saturating_sub(self.at)).unwrap_or(usize::MAX));
        self.stored.read_at(self.at, &mut out[..length])?;
        self.at += length as u64;
        Ok(length)
    }
}

/// Reads a file until `out` is full or the file ends.
fn read_file_up_to(file: &File, start: u64, out: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < out.len() {
        match file.read_at(&mut out[read..], start + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}
