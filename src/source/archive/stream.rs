//! A tar read from front to back: a plain one, whose files stay where they are, or one that is being unpacked, whose
//! files are kept in a spool.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::member::NOWHERE;
use super::spool::Spool;
use super::stop::Stop;
use super::window::Window;
use crate::error::RecordError;
use crate::source::found::EXTENSIONS;
use crate::source::metadata;

/// Bytes of a tar block.
pub(super) const BLOCK: usize = 512;

/// Bytes unpacked at once.
const CHUNK: usize = 256 << 10;

/// Greatest length of a small member, in bytes: as many as become a value of a column.
pub(super) const LONGEST_SMALL: u64 = 1 << 20;

/// Most bytes kept in memory of one archive.
const MOST_IN_MEMORY: usize = 1 << 30;

/// A tar from front to back.
pub(super) trait Stream {
    /// Place of the next byte in the tar.
    fn position(&self) -> u64;

    /// Reads the next block; returns how much of it is there.
    fn block(&mut self, block: &mut [u8; BLOCK]) -> Result<usize, Stop>;

    /// Reads exactly so many bytes.
    fn read(&mut self, bytes: &mut [u8]) -> Result<(), Stop>;

    /// Goes past so many bytes, which have to be there.
    fn skip(&mut self, bytes: u64) -> Result<(), Stop>;

    /// Goes past the bytes of a file; returns where they can be read later.
    fn keep(&mut self, name: &[u8], bytes: u64) -> Result<u64, Stop>;
}

impl Stream for Window<'_> {
    fn position(&self) -> u64 {
        self.position()
    }

    fn block(&mut self, block: &mut [u8; BLOCK]) -> Result<usize, Stop> {
        block_of(self, block)
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), Stop> {
        Ok(self.read_exact(bytes)?)
    }

    fn skip(&mut self, bytes: u64) -> Result<(), Stop> {
        match self.position().checked_add(bytes).filter(|end| *end <= self.length()) {
            Some(end) => {
                self.go(end);
                Ok(())
            }
            None => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        }
    }

    fn keep(&mut self, _: &[u8], bytes: u64) -> Result<u64, Stop> {
        let place = self.position();
        self.skip(bytes)?;
        Ok(place)
    }
}

/// Where unpacked files are kept.
#[derive(Debug)]
pub(super) enum Store {
    /// In the spool.
    Spool(Arc<Spool>),
    /// In memory: only small files that are no images, for a run that writes nothing.
    Memory(Vec<u8>),
}

impl Store {
    /// Whether so many bytes may be added.
    pub(super) fn has_room(&self, bytes: u64) -> bool {
        match self {
            Store::Spool(_) => true,
            Store::Memory(kept) => kept.len() as u64 + bytes <= MOST_IN_MEMORY as u64,
        }
    }

    /// Adds a file, and returns where it is.
    pub(super) fn add(&mut self, bytes: &[u8]) -> Result<u64, Stop> {
        match self {
            Store::Spool(spool) => {
                let place = spool.take(bytes.len() as u64);
                spool.write(bytes, place).map_err(Stop::Write)?;
                Ok(place)
            }
            Store::Memory(kept) => {
                kept.extend_from_slice(bytes);
                Ok((kept.len() - bytes.len()) as u64)
            }
        }
    }

    /// Appends a file to the buffer.
    pub(super) fn read(&self, place: u64, bytes: u64, buffer: &mut Vec<u8>) -> Result<(), RecordError> {
        match self {
            Store::Spool(spool) => {
                let from = buffer.len();
                buffer.resize(from + bytes as usize, 0);
                let file = spool.opened().map_err(RecordError::Unreadable)?;
                file.read_exact_at(&mut buffer[from..], place).map_err(RecordError::Unreadable)
            }
            Store::Memory(kept) => {
                let end = place.saturating_add(bytes) as usize;
                buffer.extend_from_slice(kept.get(place as usize..end).ok_or(RecordError::Changed)?);
                Ok(())
            }
        }
    }
}

/// A compressed tar while it is unpacked.
#[derive(Debug)]
pub(super) struct Unpacking<R> {
    reader: R,
    position: u64,
    store: Store,
    /// Greatest length of files that are kept.
    longest: u64,
    /// Bytes of all files up to that length.
    spooled: u64,
    chunk: Vec<u8>,
}

impl<R: Read> Unpacking<R> {
    pub(super) fn new(reader: R, store: Store, longest: u64) -> Unpacking<R> {
        Unpacking { reader, position: 0, store, longest, spooled: 0, chunk: vec![0; CHUNK] }
    }

    /// What was kept, and the number of bytes that a spool takes.
    pub(super) fn finish(self) -> (Store, u64) {
        (self.store, self.spooled)
    }

    /// Reads so many bytes in chunks and hands each over.
    fn each_chunk(
        &mut self,
        bytes: u64,
        mut take: impl FnMut(&mut Store, &[u8], u64) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let mut done = 0;
        while done < bytes {
            let step = (bytes - done).min(CHUNK as u64) as usize;
            self.reader.read_exact(&mut self.chunk[..step])?;
            take(&mut self.store, &self.chunk[..step], done)?;
            done += step as u64;
        }
        self.position = self.position.saturating_add(bytes);
        Ok(())
    }
}

impl<R: Read> Stream for Unpacking<R> {
    fn position(&self) -> u64 {
        self.position
    }

    fn block(&mut self, block: &mut [u8; BLOCK]) -> Result<usize, Stop> {
        let read = block_of(&mut self.reader, block)?;
        self.position = self.position.saturating_add(read as u64);
        Ok(read)
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), Stop> {
        self.reader.read_exact(bytes)?;
        self.position = self.position.saturating_add(bytes.len() as u64);
        Ok(())
    }

    fn skip(&mut self, bytes: u64) -> Result<(), Stop> {
        self.each_chunk(bytes, |_, _, _| Ok(()))
    }

    fn keep(&mut self, name: &[u8], bytes: u64) -> Result<u64, Stop> {
        if bytes > self.longest {
            self.skip(bytes)?;
            return Ok(NOWHERE);
        }
        let place = match &mut self.store {
            Store::Spool(spool) => spool.take(bytes),
            Store::Memory(kept) => {
                let is_wanted = (bytes <= LONGEST_SMALL || metadata::is_table(named(name)))
                    && kept.len() + bytes as usize <= MOST_IN_MEMORY
                    && !is_named_as_image(name);
                if is_wanted { kept.len() as u64 } else { NOWHERE }
            }
        };
        self.each_chunk(bytes, |store, chunk, done| match store {
            Store::Spool(spool) => spool.write(chunk, place + done).map_err(Stop::Write),
            Store::Memory(_) if place == NOWHERE => Ok(()),
            Store::Memory(kept) => {
                kept.extend_from_slice(chunk);
                Ok(())
            }
        })?;
        self.spooled = self.spooled.saturating_add(bytes);
        Ok(place)
    }
}

/// A name as a path.
fn named(name: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(name))
}

/// Whether a name ends as those of images do.
pub(super) fn is_named_as_image(name: &[u8]) -> bool {
    image_rank(name).is_some()
}

/// Place of the extension of a name among those of images, the most usual first.
pub(super) fn image_rank(name: &[u8]) -> Option<usize> {
    let extension = name.rsplit(|byte| *byte == b'.').next().filter(|extension| extension.len() < name.len())?;
    EXTENSIONS.iter().position(|image| image.as_bytes().eq_ignore_ascii_case(extension))
}

/// Reads a block, or what is left of the tar.
fn block_of(reader: &mut impl Read, block: &mut [u8; BLOCK]) -> Result<usize, Stop> {
    let mut read = 0;
    while read < BLOCK {
        match reader.read(&mut block[read..]) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(read)
}
