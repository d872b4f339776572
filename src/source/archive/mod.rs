//! Archives of files (tar, also compressed by gzip or Zstandard, and zip), which are read without unpacking them into
//! folders.
//!
//! Plain tars and zips are indexed once and then read at random, by any number of threads. Compressed tars are unpacked
//! once into a [`Spool`]. Nothing is ever written by the name of a member. A member takes 24 bytes of memory and its
//! name (40 and its name in a zip).

mod format;
mod links;
mod member;
mod name;
mod pax;
mod sample_columns;
mod samples;
mod spool;
mod stop;
mod stream;
mod tar_members;
mod window;
mod zip_members;

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use self::member::{Entry, Kind, NOWHERE, Table};
use self::stop::Stop;
use self::stream::{Store, Unpacking};
use self::window::Window;
use super::reading::Reading;
use crate::error::{Error, RecordError, SourceError};
use crate::format::open;
use crate::spec::Limits;

pub(in crate::source) use format::Format;
pub(in crate::source) use member::{Member, MemberKind, Refused};
pub(in crate::source) use sample_columns::{SampleColumns, SampleLabels};
pub(in crate::source) use samples::{Samples, looks_like_samples};
pub(in crate::source) use spool::Spool;

/// Bytes at the start of a file that tell its format.
const HEAD: u64 = 1024;

/// An archive of files.
#[derive(Debug)]
pub(in crate::source) struct Archive {
    path: PathBuf,
    format: Format,
    index: OnceLock<Index>,
}

/// What is known of an archive after it was read once.
#[derive(Debug)]
struct Index {
    table: Table,
    identity: Identity,
    /// The unpacked files; none if they are read from the archive.
    store: Option<Store>,
    /// Length of the unpacked files.
    unpacked: u64,
    has_end: bool,
}

/// A file that was indexed, to notice that another has taken its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl Identity {
    fn of(file: &Metadata) -> Identity {
        Identity {
            device: file.dev(),
            inode: file.ino(),
            bytes: file.len(),
            modified: (file.mtime(), file.mtime_nsec()),
        }
    }
}

impl Archive {
    /// Whether a file that begins like this (1,024 bytes are enough) is an archive. Reads more of it only if it is
    /// compressed, to see whether it is a tar below.
    pub(in crate::source) fn is_archive(head: &[u8], path: &Path) -> bool {
        Format::of(head, path).is_some()
    }

    /// An archive. Reads only its beginning.
    ///
    /// # Errors
    /// If the file can't be read, or is no archive.
    pub(in crate::source) fn open(path: &Path) -> Result<Archive, Error> {
        let file = open::regular(path).map_err(Error::io("read", path))?;
        let mut head = Vec::new();
        file.take(HEAD).read_to_end(&mut head).map_err(Error::io("read", path))?;
        let format = Format::of(&head, path);
        let format = format.ok_or(SourceError::UnknownFormat).map_err(Error::source(path))?;
        Ok(Archive { path: path.to_owned(), format, index: OnceLock::new() })
    }

    pub(in crate::source) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the archive once and lists its members. A compressed one is unpacked into the spool, except for files
    /// longer than allowed. Without a spool nothing is written; then small files that are no images are kept in memory,
    /// and others can't be read. Does nothing the second time.
    ///
    /// # Errors
    /// If the archive can't be read or is damaged, or there is no room for the unpacked files.
    pub(in crate::source) fn prepare(&self, spool: Option<&Arc<Spool>>, limits: &Limits) -> Result<(), Error> {
        if self.index.get().is_none() {
            let _reading = Reading::begin(&self.path);
            let index = self.index(spool, limits).map_err(|stop| stop.at(&self.path))?;
            // A thread that was faster has found the same.
            let _ = self.index.set(index);
        }
        Ok(())
    }

    fn index(&self, spool: Option<&Arc<Spool>>, limits: &Limits) -> Result<Index, Stop> {
        let file = open::regular(&self.path)?;
        let identity = Identity::of(&file.metadata()?);
        let mut table = Table::default();
        let (mut store, mut unpacked, mut has_end) = (None, 0, true);
        match self.format {
            Format::Tar => has_end = tar_members::index(&mut Window::new(&file, identity.bytes), &mut table)?,
            Format::Zip => zip_members::index(&file, identity.bytes, &mut table)?,
            Format::Gzip | Format::Zstd => {
                let place = spool.map_or_else(|| Store::Memory(Vec::new()), |spool| Store::Spool(spool.clone()));
                let mut stream = Unpacking::new(self.format.unpack(file)?, place, limits.file_bytes.0);
                has_end = tar_members::index(&mut stream, &mut table)?;
                let (place, bytes) = stream.finish();
                (store, unpacked) = (Some(place), bytes);
            }
        }
        links::resolve(&mut table);
        table.shrink();
        Ok(Index { table, identity, store, unpacked, has_end })
    }

    /// The members in the order of the archive; none before it is prepared.
    pub(in crate::source) fn members(&self) -> impl Iterator<Item = Member<'_>> {
        self.index.get().into_iter().flat_map(|index| index.table.iter())
    }

    /// Number of members; 0 before it is prepared.
    pub(in crate::source) fn len(&self) -> u32 {
        self.index.get().map_or(0, |index| index.table.len())
    }

    /// Name of a member; empty if there is none of this number.
    pub(in crate::source) fn name(&self, member: u32) -> &str {
        self.index.get().filter(|index| member < index.table.len()).map_or("", |index| index.table.name(member))
    }

    /// Length of a member that is a file, in bytes, as the archive claims it.
    pub(in crate::source) fn length(&self, member: u32) -> Option<u64> {
        let entry = self.index.get()?.table.entry(member)?;
        (entry.kind == Kind::File).then_some(entry.bytes)
    }

    /// Length of what a compressed archive takes in the spool, in bytes; 0 for others.
    pub(in crate::source) fn spooled_bytes(&self) -> u64 {
        self.index.get().map_or(0, |index| index.unpacked)
    }

    /// Whether the tar ends without the mark of its end, so that members may be missing.
    pub(in crate::source) fn lacks_end(&self) -> bool {
        self.index.get().is_some_and(|index| !index.has_end)
    }

    /// Opens the archive to read members of it, several if need be.
    ///
    /// # Errors
    /// If it can't be opened, is not prepared, or is not the file that was prepared.
    pub(in crate::source) fn reader(&self) -> Result<Reader<'_>, RecordError> {
        let unprepared = || RecordError::Unreadable(io::Error::other("the archive was not listed"));
        let index = self.index.get().ok_or_else(unprepared)?;
        let file = match index.store {
            Some(_) => None,
            None => {
                let file = open::without_waiting(&self.path).map_err(RecordError::Unreadable)?;
                let metadata = file.metadata().map_err(RecordError::Unreadable)?;
                if Identity::of(&metadata) != index.identity {
                    return Err(RecordError::Changed);
                }
                Some(file)
            }
        };
        Ok(Reader { index, file })
    }

    /// Appends the bytes of a member to the buffer. On an error, the buffer may hold a part of them.
    ///
    /// # Errors
    /// If the member can't be read, is damaged, or is longer than allowed.
    pub(in crate::source) fn read(
        &self,
        member: u32,
        limits: &Limits,
        buffer: &mut Vec<u8>,
    ) -> Result<(), RecordError> {
        self.reader()?.read(member, limits, buffer)
    }
}

/// An archive that is open.
#[derive(Debug)]
pub(in crate::source) struct Reader<'a> {
    index: &'a Index,
    /// The archive, unless it was unpacked.
    file: Option<File>,
}

impl Reader<'_> {
    /// Like [`Archive::read`].
    ///
    /// # Errors
    /// If the member can't be read, is damaged, or is longer than allowed.
    pub(in crate::source) fn read(
        &mut self,
        member: u32,
        limits: &Limits,
        buffer: &mut Vec<u8>,
    ) -> Result<(), RecordError> {
        let entry = self.index.table.entry(member).ok_or(RecordError::NotAFile)?;
        let limit = limits.file_bytes.0;
        match entry.kind {
            Kind::Refused(reason) => return Err(reason.error()),
            Kind::Folder => return Err(RecordError::NotAFile),
            Kind::File if entry.bytes > limit => {
                return Err(RecordError::FileTooLarge { bytes: entry.bytes, limit });
            }
            Kind::File => {}
        }
        // Whoever reads has this file to themselves, its place included.
        match (&self.file, &self.index.store) {
            (Some(file), _) => match self.index.table.packed(member) {
                Some(packed) => zip_members::read(file, self.index.identity.bytes, entry, packed, limit, buffer),
                None => read_range(file, entry, buffer),
            },
            (None, _) if entry.offset == NOWHERE => Err(RecordError::OnlyListed),
            (None, Some(Store::Spool(spool))) => {
                let from = buffer.len();
                buffer.resize(from + entry.bytes as usize, 0);
                let file = spool.opened().map_err(RecordError::Unreadable)?;
                file.read_exact_at(&mut buffer[from..], entry.offset).map_err(RecordError::Unreadable)
            }
            (None, Some(Store::Memory(kept))) => {
                let end = entry.offset.saturating_add(entry.bytes) as usize;
                let bytes = kept.get(entry.offset as usize..end).ok_or(RecordError::Changed)?;
                buffer.extend_from_slice(bytes);
                Ok(())
            }
            (None, None) => Err(RecordError::Unreadable(io::Error::other("the archive is not open"))),
        }
    }
}

/// Appends the bytes of an entry, which was found to lie in the file.
fn read_range(file: &File, entry: &Entry, buffer: &mut Vec<u8>) -> Result<(), RecordError> {
    read_exactly(file, entry.offset, entry.bytes, buffer).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => RecordError::Changed,
        _ => RecordError::Unreadable(error),
    })
}

/// Appends so many bytes from a place of a file that no other thread reads, without clearing memory for them first.
fn read_exactly(mut file: &File, place: u64, bytes: u64, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.reserve_exact(bytes as usize);
    file.seek(SeekFrom::Start(place))?;
    match file.take(bytes).read_to_end(buffer)? as u64 == bytes {
        true => Ok(()),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests;
