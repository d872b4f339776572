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

    /// Tells which ranges are read next, so that they can be asked for together.
    fn will_need(&self, _ranges: &[Range<u64>]) {}

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

    /// Tells which ranges are read next.
    pub fn will_need(&self, ranges: &[Range<u64>]) {
        if let Stored::Elsewhere(elsewhere) = self {
            elsewhere.will_need(ranges);
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

impl Length for Stored {
    fn len(&self) -> u64 {
        Stored::len(self)
    }
}

impl ChunkReader for Stored {
    type T = BufReader<Rest>;

    fn get_read(&self, start: u64) -> ParquetResult<BufReader<Rest>> {
        Ok(BufReader::new(Rest { stored: self.clone(), at: start }))
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
