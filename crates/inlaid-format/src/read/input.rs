//! The bytes of a file: mapped into memory, or read where they are needed.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use arrow_buffer::MutableBuffer;
use bytes::{Buf, Bytes};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};

use super::map::map;
use crate::error::Error;
use crate::format::front_to_back::FrontToBack;
use crate::format::open;
use crate::format::ranges::{Ranges, Stored};

/// What the memory of elements is aligned to, in bytes.
const ALIGNMENT: usize = 64;

/// How the bytes of files are reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FileAccess {
    /// Files are mapped into memory, and verbatim tensors are slices of them. The operating system ends a process (with
    /// SIGBUS) that reads a mapped file which somebody has truncated in place.
    #[default]
    Map,
    /// Bytes are read when they are needed, and every tensor is a copy. A file that was truncated in place is an error.
    Read,
}

/// The bytes of an open file.
#[derive(Clone)]
pub(super) enum Input {
    Mapped(Bytes),
    /// A file, of which this many bytes are read.
    File(Arc<File>, usize),
    /// Bytes elsewhere, of which this many are read.
    Elsewhere(Arc<dyn Ranges>, usize),
}

impl Input {
    /// Opens a file.
    pub(super) fn open(path: &Path, access: FileAccess) -> Result<Input, Error> {
        match access {
            FileAccess::Map => map(path).map(Input::Mapped),
            FileAccess::Read => Input::of_file(open::regular(path).map_err(Error::io("open", path))?)
                .map_err(Error::io("read", path))
                .and_then(|input| match input.len() {
                    0 => Err(Error::damaged(path, "the file is empty")),
                    _ => Ok(input),
                }),
        }
    }

    /// The bytes that an open file has now.
    pub(super) fn of_file(file: File) -> io::Result<Input> {
        let length = file.metadata()?.len();
        Ok(Input::File(Arc::new(file), usize::try_from(length).map_err(io::Error::other)?))
    }

    /// Whether its bytes are on no disk.
    pub(super) fn is_elsewhere(&self) -> bool {
        matches!(self, Input::Elsewhere(..))
    }

    /// The same bytes, for whoever reads most of them in their order.
    pub(super) fn front_to_back(&self) -> Input {
        match self {
            Input::Elsewhere(ranges, length) => Input::Elsewhere(Arc::new(FrontToBack::new(ranges.clone())), *length),
            input => input.clone(),
        }
    }

    /// Number of bytes.
    pub(super) fn len(&self) -> usize {
        match self {
            Input::Mapped(bytes) => bytes.len(),
            Input::File(_, length) | Input::Elsewhere(_, length) => *length,
        }
    }

    /// Limits the file to its first `length` bytes.
    pub(super) fn truncate(&mut self, length: usize) {
        match self {
            Input::Mapped(bytes) => bytes.truncate(length),
            Input::File(_, all) | Input::Elsewhere(_, all) => *all = (*all).min(length),
        }
    }

    /// The bytes of a range: a slice of the map or of what is elsewhere, or a copy aligned for elements of any size.
    pub(super) fn slice(&self, range: Range<usize>) -> io::Result<Bytes> {
        if range.start > range.end || range.end > self.len() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it refers to bytes after its end"));
        }
        match self {
            Input::Mapped(bytes) => Ok(bytes.slice(range)),
            Input::Elsewhere(..) if range.is_empty() => Ok(Bytes::new()),
            Input::Elsewhere(ranges, _) => {
                let bytes = ranges.read(range.start as u64..range.end as u64)?;
                let (at, of_map) = (bytes.as_ptr().addr() % ALIGNMENT, range.start % ALIGNMENT);
                if at == 0 || at == of_map {
                    return Ok(bytes);
                }
                let mut copy = MutableBuffer::from_len_zeroed(bytes.len());
                copy.copy_from_slice(&bytes);
                Ok(Bytes::from_owner(Owned(copy.into())))
            }
            Input::File(..) => {
                let mut copy = MutableBuffer::from_len_zeroed(range.len());
                self.read(range.start, &mut copy)?;
                Ok(Bytes::from_owner(Owned(copy.into())))
            }
        }
    }

    /// Where the part of the file ends that is fetched together with a byte.
    pub(super) fn part_end(&self, at: usize) -> usize {
        match self {
            Input::Elsewhere(ranges, length) => (*length).min(ranges.part_end(at as u64) as usize).max(at),
            input => input.len().max(at),
        }
    }

    /// Where bytes are in the file; none if they are not a slice of its map.
    pub(super) fn offset_of(&self, bytes: &[u8]) -> Option<u64> {
        let Input::Mapped(map) = self else { return None };
        let at = bytes.as_ptr().addr().checked_sub(map.as_ptr().addr())?;
        at.checked_add(bytes.len()).filter(|end| *end <= map.len()).map(|_| at as u64)
    }

    /// Fills `out` with the bytes from offset `start` on.
    pub(super) fn read(&self, start: usize, out: &mut [u8]) -> io::Result<()> {
        match self {
            Input::Mapped(bytes) => {
                let end = start.checked_add(out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
                out.copy_from_slice(bytes.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
            Input::File(file, _) => file.read_exact_at(out, start as u64).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => {
                    io::Error::new(io::ErrorKind::UnexpectedEof, "it was truncated after it was opened")
                }
                _ => error,
            }),
            Input::Elsewhere(..) => {
                let end = start.checked_add(out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
                out.copy_from_slice(&self.slice(start..end)?);
                Ok(())
            }
        }
    }
}

impl TryFrom<Stored> for Input {
    type Error = io::Error;

    fn try_from(stored: Stored) -> io::Result<Input> {
        let length = usize::try_from(stored.len()).map_err(io::Error::other)?;
        Ok(match stored {
            Stored::File(file, _) => Input::File(file, length),
            Stored::Elsewhere(ranges) => Input::Elsewhere(ranges, length),
        })
    }
}

impl Length for Input {
    fn len(&self) -> u64 {
        Input::len(self) as u64
    }
}

impl ChunkReader for Input {
    type T = Box<dyn Read>;

    fn get_read(&self, start: u64) -> ParquetResult<Box<dyn Read>> {
        /// What the header of a page takes, unless it has statistics.
        const HEADER: usize = 128;
        /// What tells where the metadata of the file begins.
        const FOOTER: usize = 8;
        let start = usize::try_from(start)?;
        if start > self.len() {
            return Err(ParquetError::EOF("it refers to bytes after its end".to_owned()));
        }
        // Of a file, all headers of pages are looked at when it is opened. The last bytes are its footer.
        if self.is_elsewhere() && start < self.len().saturating_sub(FOOTER) {
            super::chunk::check_page(self, start..self.len()).map_err(ParquetError::General)?;
        }
        Ok(match self {
            Input::Mapped(bytes) => Box::new(bytes.slice(start..).reader()),
            Input::File(..) | Input::Elsewhere(..) => {
                Box::new(BufReader::with_capacity(HEADER, Rest { input: self.clone(), at: start }))
            }
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let start = usize::try_from(start)?;
        let bytes = self.slice(start..start.saturating_add(length));
        bytes.map_err(|error| ParquetError::General(error.to_string()))
    }
}

/// The bytes of a file from an offset on.
struct Rest {
    input: Input,
    at: usize,
}

impl Read for Rest {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = out.len().min(self.input.part_end(self.at) - self.at);
        self.input.read(self.at, &mut out[..length])?;
        self.at += length;
        Ok(length)
    }
}

/// An Arrow buffer that can own the memory of `Bytes`.
pub(super) struct Owned(pub(super) arrow_buffer::Buffer);

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
