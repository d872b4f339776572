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
mod small;
mod spool;
mod stop;
mod stream;
mod tar_members;
mod window;
mod zip_members;

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use self::member::{Entry, Kind, NOWHERE, Table};
use self::small::Small;
use self::stop::Stop;
use self::stream::{Store, Unpacking};
use super::location::{self, Extent, Location, Version};
use super::reading::Reading;
use crate::error::{Error, RecordError, SourceError};
use crate::format::open;
use crate::format::ranges::Stored;
use crate::remote::Stores;
use crate::spec::Limits;

pub(in crate::source) use format::Format;
pub(in crate::source) use member::{Member, MemberKind, Refused};
pub(in crate::source) use sample_columns::{SampleColumns, SampleLabels};
pub(in crate::source) use samples::{Samples, looks_like_samples};
pub(in crate::source) use spool::Spool;
pub(in crate::source) use window::Window;

/// Bytes at the start of a file that tell its format.
const HEAD: u64 = 1024;

/// An archive of files.
#[derive(Debug)]
pub(in crate::source) struct Archive {
    path: PathBuf,
    /// Its bytes, if it is on no disk.
    elsewhere: Option<Stored>,
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
    /// Small members of an archive that is on no disk.
    small: Option<Small>,
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
    /// Of bytes on no disk, which are read as they were then.
    fn elsewhere(bytes: u64) -> Identity {
        Identity { device: 0, inode: 0, bytes, modified: (0, 0) }
    }

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
    pub(in crate::source) fn is_archive(head: &[u8], path: &Path, stores: &Stores) -> bool {
        Format::of(head, path, || stores.open(path)).is_some()
    }

    /// An archive, on a disk or where a URL says. Reads only its beginning.
    ///
    /// # Errors
    /// If the file can't be read, or is no archive.
    pub(in crate::source) fn open(path: &Path, stores: &Stores) -> Result<Archive, Error> {
        let stored = stores.open(path).map_err(Error::io("read", path))?;
        let mut head = vec![0; stored.len().min(HEAD) as usize];
        let read = stored.read_up_to(0, &mut head).map_err(Error::io("read", path))?;
        let format = Format::of(&head[..read], path, || Ok(stored.clone()));
        let format = format.ok_or(SourceError::UnknownFormat).map_err(Error::source(path))?;
        let elsewhere = Some(stored).filter(|stored| stored.file().is_none());
        Ok(Archive { path: path.to_owned(), elsewhere, format, index: OnceLock::new() })
    }

    /// Whether it is on no disk.
    pub(in crate::source) fn is_elsewhere(&self) -> bool {
        self.elsewhere.is_some()
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
        let (stored, identity) = match &self.elsewhere {
            Some(stored) => (stored.front_to_back(), Identity::elsewhere(stored.len())),
            None => {
                let file = open::regular(&self.path)?;
                let identity = Identity::of(&file.metadata()?);
                (Stored::File(Arc::new(file), identity.bytes), identity)
            }
        };
        let place = || spool.map_or_else(|| Store::Memory(Vec::new()), |spool| Store::Spool(spool.clone()));
        let mut table = Table::default();
        let (mut store, mut small, mut unpacked, mut has_end) = (None, None, 0, true);
        match self.format {
            Format::Tar if self.is_elsewhere() => {
                let mut stream = small::Keeping::new(Window::new(&stored), place());
                has_end = tar_members::index(&mut stream, &mut table)?;
                small = Some(stream.finish());
            }
            Format::Tar => has_end = tar_members::index(&mut Window::new(&stored), &mut table)?,
            Format::Zip => zip_members::index(&stored, &mut table)?,
            Format::Gzip | Format::Zstd => {
                let mut stream = Unpacking::new(self.format.unpack(stored.from(0))?, place(), limits.file_bytes.0);
                has_end = tar_members::index(&mut stream, &mut table)?;
                let (place, bytes) = stream.finish();
                (store, unpacked) = (Some(place), bytes);
            }
        }
        links::resolve(&mut table);
        table.shrink();
        Ok(Index { table, identity, store, small, unpacked, has_end })
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
        let stored = match (&index.store, &self.elsewhere) {
            (Some(_), _) => None,
            (None, Some(stored)) => Some(stored.clone()),
            (None, None) => {
                let file = open::without_waiting(&self.path).map_err(RecordError::Unreadable)?;
                let metadata = file.metadata().map_err(RecordError::Unreadable)?;
                if Identity::of(&metadata) != index.identity {
                    return Err(RecordError::Changed);
                }
                Some(Stored::File(Arc::new(file), index.identity.bytes))
            }
        };
        Ok(Reader { index, stored })
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

    /// The bytes that a read of a member of an archive on no disk begins with; none if it asks for nothing.
    fn ahead(&self, member: u32, limits: &Limits) -> Option<(&Stored, Range<u64>)> {
        let (stored, index) = (self.elsewhere.as_ref()?, self.index.get()?);
        let entry = index.table.entry(member).filter(|entry| entry.kind == Kind::File)?;
        let is_at_hand = index.store.is_some() || index.small.as_ref().is_some_and(|small| small.has(entry.offset));
        if entry.bytes > limits.file_bytes.0 || is_at_hand {
            return None;
        }
        Some((stored, index.range(member, entry))).filter(|(_, range)| !range.is_empty())
    }

    /// What the archive was when it was listed; none before.
    pub(in crate::source) fn version(&self) -> Option<Version> {
        let Identity { bytes, modified, .. } = self.index.get()?.identity;
        Some(match &self.elsewhere {
            Some(stored) => Version { bytes, modified: None, tag: stored.version() },
            None => Version { bytes, modified: Some(modified), tag: None },
        })
    }

    /// Where the bytes of a member are, for whoever has not listed the archive; none if they are in a copy, or it has
    /// none.
    pub(in crate::source) fn locate(&self, member: u32) -> Option<Location> {
        let index = self.index.get().filter(|index| index.store.is_none())?;
        let entry = index.table.entry(member).filter(|entry| entry.kind == Kind::File)?;
        let of = self.version()?;
        let end = index.range(member, entry).end;
        let packed = index.table.packed(member).map(|packed| location::Packed {
            bytes: packed.bytes,
            crc: packed.crc,
            is_deflated: packed.is_deflated,
            end,
        });
        Location::part(&self.path, Extent { of, offset: entry.offset, bytes: entry.bytes, packed })
    }

    /// Begins to read a member, unless too many are being read. Returns whether it did.
    pub(in crate::source) fn begin(&self, member: u32, limits: &Limits) -> bool {
        self.ahead(member, limits).is_none_or(|(stored, range)| stored.begin(&range))
    }

    /// Gives up a member that was begun.
    pub(in crate::source) fn give_up(&self, member: u32, limits: &Limits) {
        if let Some((stored, range)) = self.ahead(member, limits) {
            stored.give_up(&range);
        }
    }
}

impl Index {
    /// Where the bytes of a member are in the archive, with what a zip has before them.
    fn range(&self, member: u32, entry: &Entry) -> Range<u64> {
        let end = match self.table.packed(member) {
            Some(packed) => zip_members::likely_end(entry, packed, self.table.name(member)),
            None => entry.offset.saturating_add(entry.bytes),
        };
        entry.offset.min(self.identity.bytes)..end.min(self.identity.bytes)
    }
}

/// An archive that is open.
#[derive(Debug)]
pub(in crate::source) struct Reader<'a> {
    index: &'a Index,
    /// The archive, unless it was unpacked.
    stored: Option<Stored>,
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
        let index = self.index;
        if let Some(bytes) = index.small.as_ref().and_then(|small| small.read(entry, buffer)) {
            return bytes;
        }
        match (&self.stored, &index.store) {
            (Some(stored), _) => match index.table.packed(member) {
                Some(packed) => {
                    let stored = stored.with_part(index.range(member, entry)).map_err(RecordError::unread)?;
                    zip_members::read(&stored, (entry.offset, entry.bytes), packed, limit, buffer)
                }
                None => read_range(stored, (entry.offset, entry.bytes), buffer),
            },
            (None, _) if entry.offset == NOWHERE => Err(RecordError::OnlyListed),
            (None, Some(store)) => store.read(entry.offset, entry.bytes, buffer),
            (None, None) => Err(RecordError::Unreadable(io::Error::other("the archive is not open"))),
        }
    }
}

/// Appends the bytes of an entry, which was found to lie in the file.
fn read_range(stored: &Stored, (offset, bytes): (u64, u64), buffer: &mut Vec<u8>) -> Result<(), RecordError> {
    read_exactly(stored, offset, bytes, buffer).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => RecordError::Changed,
        _ => RecordError::unread(error),
    })
}

/// Appends a part of a file or an object, at most `limit` bytes, to the buffer.
///
/// # Errors
/// If it can't be read, or is damaged.
pub(in crate::source) fn read_part(
    stored: &Stored,
    part: &Extent,
    limit: u64,
    buffer: &mut Vec<u8>,
) -> Result<(), RecordError> {
    let Extent { offset, bytes, packed, .. } = *part;
    match packed {
        None => read_range(stored, (offset, bytes), buffer),
        Some(location::Packed { bytes: stored_bytes, crc, is_deflated, .. }) => {
            let stored = stored.with_part(part.range()).map_err(RecordError::unread)?;
            let packed = member::Packed { bytes: stored_bytes, crc, is_deflated };
            zip_members::read(&stored, (offset, bytes), packed, limit, buffer)
        }
    }
}

/// Appends so many bytes from a place, without clearing memory for them first. Whoever reads has a file to themselves,
/// its position included.
fn read_exactly(stored: &Stored, place: u64, bytes: u64, buffer: &mut Vec<u8>) -> io::Result<()> {
    let Stored::File(file, _) = stored else {
        return stored.bytes(place..place.saturating_add(bytes)).map(|bytes| buffer.extend_from_slice(&bytes));
    };
    let mut file: &File = file;
    buffer.reserve_exact(bytes as usize);
    file.seek(SeekFrom::Start(place))?;
    match file.take(bytes).read_to_end(buffer)? as u64 == bytes {
        true => Ok(()),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests;
