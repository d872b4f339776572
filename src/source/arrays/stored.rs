//! The bytes of an array: a part of a file, or compressed. What is compressed is inflated once, into a file without a
//! name, so that rows can be read in any order.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crc32fast::Hasher;
use flate2::read::{DeflateDecoder, MultiGzDecoder};

use crate::error::{Error, SourceError};
use crate::format::{open, ranges};
use crate::remote::Stores;
use crate::source::location::Version;

/// Bytes that are copied at a time.
const COPIED: usize = 1 << 16;

/// Most files that are kept open.
const MOST_OPEN: usize = 256;

/// Number of files that are kept open.
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// The bytes of an array, with its header.
#[derive(Debug)]
pub(super) struct Stored {
    path: PathBuf,
    /// The bytes of the file, if it is on no disk.
    elsewhere: Option<ranges::Stored>,
    place: Place,
    /// The file, once it is open.
    file: OnceLock<File>,
    /// The inflated bytes.
    inflated: OnceLock<File>,
}

/// Where the bytes of an array are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// So many bytes from an offset on.
    Plain { offset: u64, length: u64 },
    /// A gzip file.
    Gzip,
    /// A deflated member of a zip archive.
    Deflated { offset: u64, compressed: u64, crc: u32 },
}

impl Stored {
    pub(super) fn new(path: PathBuf, file: &ranges::Stored, place: Place) -> Stored {
        let elsewhere = Some(file.clone()).filter(|file| file.file().is_none());
        Stored { path, elsewhere, place, file: OnceLock::new(), inflated: OnceLock::new() }
    }

    /// What the file is now.
    pub(super) fn version(&self) -> Option<Version> {
        match &self.elsewhere {
            Some(stored) => Some(Version { bytes: stored.len(), modified: None, tag: stored.version() }),
            None => Some(Version::of(&self.path.metadata().ok()?)),
        }
    }

    /// The whole of a file.
    pub(super) fn whole(path: &Path, stores: &Stores) -> Result<Stored, Error> {
        let file = stores.open(path).map_err(Error::io("open", path))?;
        let length = file.len();
        Ok(Stored::new(path.to_owned(), &file, Place::Plain { offset: 0, length }))
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Number of bytes; none if that is known only once they are inflated.
    pub(super) fn length(&self) -> Option<u64> {
        match self.place {
            Place::Plain { length, .. } => Some(length),
            Place::Gzip | Place::Deflated { .. } => None,
        }
    }

    /// The bytes from the first one on.
    ///
    /// # Errors
    /// If the file can't be opened.
    pub(super) fn reader(&self) -> io::Result<Box<dyn Read>> {
        let file = match &self.elsewhere {
            Some(file) => file.front_to_back(),
            None => open::regular(&self.path).and_then(ranges::Stored::of_file)?,
        };
        Ok(match self.place {
            Place::Plain { offset, length } => Box::new(file.from(offset).take(length)),
            Place::Gzip => Box::new(MultiGzDecoder::new(io::BufReader::new(file.from(0)))),
            Place::Deflated { offset, compressed, .. } => {
                Box::new(DeflateDecoder::new(file.from(offset).take(compressed)))
            }
        })
    }

    /// Copies what is compressed, or on no disk, into a file in the folder `scratch`; if there is none, only checks what
    /// is compressed. It must have `length` bytes.
    ///
    /// # Errors
    /// If it is damaged or of another length, or the copy can't be written.
    pub(super) fn inflate(&self, scratch: Option<&Path>, length: u64) -> Result<(), Error> {
        let is_plain = matches!(self.place, Place::Plain { .. });
        if is_plain && (self.elsewhere.is_none() || scratch.is_none()) {
            return Ok(());
        }
        let folder = scratch.unwrap_or(Path::new(""));
        let full = |error| Error::io("copy arrays into", folder)(error).or_disk_full(length);
        let copy = scratch.map(tempfile::tempfile_in).transpose().map_err(full)?;
        let mut reader = self.reader().map_err(Error::io("open", &self.path))?.take(length.saturating_add(1));
        let (mut buffer, mut copied, mut hasher) = (vec![0; COPIED], 0, Hasher::new());
        loop {
            let read = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if self.elsewhere.is_some() => return Err(Error::io("read", &self.path)(error)),
                Err(error) => return Err(self.damaged(error.to_string())),
            };
            copied += read as u64;
            hasher.update(&buffer[..read]);
            if let Some(mut copy) = copy.as_ref() {
                copy.write_all(&buffer[..read]).map_err(full)?;
            }
        }
        if !is_plain {
            self.check_length(copied, length)?;
        }
        match self.place {
            Place::Deflated { crc, .. } if crc != hasher.finalize() => {
                Err(self.damaged("a checksum does not match".to_owned()))
            }
            _ => {
                // Set once: a source is prepared once.
                copy.map(|copy| self.inflated.set(copy));
                Ok(())
            }
        }
    }

    /// Checks the number of bytes that there are.
    ///
    /// # Errors
    /// If there are not as many as the header says.
    pub(super) fn check_length(&self, found: u64, expected: u64) -> Result<(), Error> {
        match found.cmp(&expected) {
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Less => {
                Err(self.damaged(format!("its header announces {expected} bytes in all, but it ends after {found}")))
            }
            std::cmp::Ordering::Greater => {
                Err(self.damaged(format!("it goes on after the {expected} bytes that its header announces")))
            }
        }
    }

    /// Fills `out` with the bytes from an offset on.
    ///
    /// # Errors
    /// If the file ends before, or can't be read.
    pub(super) fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match (self.place, self.inflated.get(), &self.elsewhere) {
            (_, Some(file), _) => file.read_exact_at(out, offset),
            (Place::Plain { offset: first, .. }, None, Some(file)) => file.read_at(first + offset, out),
            (Place::Plain { offset: first, .. }, None, None) => self.read_file_at(first + offset, out),
            _ => Err(io::Error::other("the source was not prepared")),
        }
    }

    /// Fills `out` with the bytes of the file from an offset on. Keeps the file open, unless many are.
    fn read_file_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if let Some(file) = self.file.get() {
            return file.read_exact_at(out, offset);
        }
        let file = open::regular(&self.path)?;
        file.read_exact_at(out, offset)?;
        if OPEN.load(Ordering::Relaxed) < MOST_OPEN && self.file.set(file).is_ok() {
            OPEN.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn damaged(&self, reason: String) -> Error {
        Error::source(&self.path)(SourceError::Damaged(reason))
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        if self.file.get().is_some() {
            OPEN.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
