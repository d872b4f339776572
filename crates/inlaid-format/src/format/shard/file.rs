//! A shard's file while it is being written: counts its bytes and computes a checksum for every row
//! group, so that row groups can be copied to another file with their checksums.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use twox_hash::xxhash3_128::Hasher;

use super::checksum::{Checksum, RowGroupChecksums};
use super::footer::{Footer, read_ranges};
use crate::error::Error;
use crate::format::new_file::NewFile;
use crate::format::ranges::Stored;
use crate::format::{disk, open};

/// Bytes copied at a time, and pieces of as many that are asked for together.
const COPY_BYTES: u64 = 1 << 20;
const COPIED_TOGETHER: usize = 16;

/// Bytes written at a time: few enough to be still in the processor's cache when their checksum is computed.
const WRITE_BYTES: usize = 256 << 10;

/// Length up to which bytes are copied, to be written together with those that follow.
const SMALL_BYTES: usize = 32 << 10;

/// A new file that becomes a shard.
pub(super) struct ShardFile {
    path: PathBuf,
    file: Box<dyn NewFile>,
    bytes: u64,
    /// Number of bytes to be written next that are in the file already.
    ahead: u64,
    /// Hash of the bytes outside the row groups.
    outside: Hasher,
    row_group: Option<Hasher>,
    row_groups: Vec<RowGroupChecksums>,
}

impl ShardFile {
    /// A shard in a new file, which messages call `path`.
    pub(super) fn new(file: Box<dyn NewFile>, path: PathBuf) -> ShardFile {
        let (outside, row_groups) = (Hasher::new(), Vec::new());
        ShardFile { path, file, bytes: 0, ahead: 0, outside, row_group: None, row_groups }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What was written since the row group before the last.
    pub(super) fn written(&self) -> io::Result<Stored> {
        self.file.written()
    }

    /// Has what was written so far stored.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.file.sync()
    }

    /// Waits until the complete file is stored.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.file.finish()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Begins a row group: the bytes from here on belong to it.
    pub(super) fn begin_row_group(&mut self) {
        self.file.let_go(self.bytes);
        self.row_group = Some(Hasher::new());
    }

    /// Ends the row group and returns its checksum.
    pub(super) fn end_row_group(&mut self) -> Checksum {
        Checksum::from(&self.row_group.take().expect("a row group was begun"))
    }

    /// Stores the checksums of a row group.
    pub(super) fn add_row_group(&mut self, checksums: RowGroupChecksums) {
        self.row_groups.push(checksums);
    }

    /// Stores the checksums of a copied row group. `all` is the checksum of the bytes that were copied.
    ///
    /// # Errors
    /// If the bytes do not match the checksum of the original.
    pub(super) fn add_copy(&mut self, from: &Footer, number: usize, all: Checksum) -> Result<(), Error> {
        let checksums = from.row_groups()[number].checksums;
        match checksums.all == all {
            true => {
                self.row_groups.push(checksums);
                Ok(())
            }
            false => Err(from.not_its_checksum(number)),
        }
    }

    /// The checksums of the row group that was written last. `all` is that of its bytes.
    pub(super) fn checksums(&self, all: Checksum, without_tensors: &[Range<u64>]) -> io::Result<RowGroupChecksums> {
        let without_tensors = Checksum::of(&read_ranges(&self.written()?, without_tensors)?);
        Ok(RowGroupChecksums { all, without_tensors })
    }

    /// Checksums of every row group so far.
    pub(super) fn row_groups(&self) -> &[RowGroupChecksums] {
        &self.row_groups
    }

    /// Checksum of every byte so far outside the row groups.
    pub(super) fn checksum(&self) -> Checksum {
        Checksum::from(&self.outside)
    }

    /// Begins with all bytes of a complete shard, including its footer, so that a reader that knows the length
    /// of that shard can still read all of it here. Until [`ShardFile::go_on`] is called, bytes written from now
    /// on are taken for these bytes and skipped.
    ///
    /// # Errors
    /// If a row group does not match its checksum, or a file can't be read or written.
    pub(super) fn begin_with(&mut self, shard: &Footer) -> Result<(), Error> {
        let files = shard.stored().file().zip(self.file.file());
        let is_shared = files.is_some_and(|(from, to)| shares_blocks(from, to));
        let mut end = 0;
        for (number, row_group) in shard.row_groups().iter().enumerate() {
            self.copy(shard, end..row_group.range.start, is_shared)?;
            end = row_group.range.end;
            if is_shared {
                self.bytes += end - row_group.range.start;
                self.add_row_group(row_group.checksums);
                continue;
            }
            self.begin_row_group();
            self.copy(shard, row_group.range.clone(), false)?;
            let all = self.end_row_group();
            self.add_copy(shard, number, all)?;
        }
        self.copy(shard, end..shard.bytes(), is_shared)?;
        self.ahead = u64::MAX;
        if let Some(mut file) = self.file.file() {
            file.seek(SeekFrom::End(0)).map_err(Error::io("write", &self.path))?;
        }
        self.file.sync().map_err(Error::io("write", &self.path))
    }

    /// Appends everything written from now on to the bytes that the file began with.
    pub(super) fn go_on(&mut self) {
        self.ahead = 0;
    }

    /// Writes, in large pieces, the bytes that the format's writer is going to write next in pieces of a few kilobytes.
    /// When the writer gets to them, they are only counted.
    pub(super) fn write_ahead<'a>(&mut self, parts: impl Iterator<Item = &'a [u8]>) -> io::Result<()> {
        let start = self.bytes;
        // Headers, and pages of small tensors: a copy takes less than a call of the operating system.
        let mut small = Vec::new();
        for part in parts {
            if small.len() + part.len() > WRITE_BYTES {
                self.write_all(&small)?;
                small.clear();
            }
            match part.len() {
                ..=SMALL_BYTES => small.extend_from_slice(part),
                _ => {
                    self.write_all(&small)?;
                    small.clear();
                    self.write_all(part)?;
                }
            }
        }
        self.write_all(&small)?;
        self.ahead = self.bytes - start;
        Ok(())
    }

    /// Copies bytes of a shard. If the files share blocks, the bytes are there already and only have to be hashed.
    pub(super) fn copy(&mut self, shard: &Footer, range: Range<u64>, is_shared: bool) -> Result<(), Error> {
        let from = shard.stored();
        let (mut at, mut buffer) = (range.start, vec![0; (range.end - range.start).min(COPY_BYTES) as usize]);
        while at < range.end {
            let pieces = (at..range.end).step_by(COPY_BYTES as usize).take(COPIED_TOGETHER);
            let pieces: Vec<_> = pieces.map(|start| start..range.end.min(start + COPY_BYTES)).collect();
            from.will_need(&pieces);
            let piece = &mut buffer[..(range.end - at).min(COPY_BYTES) as usize];
            from.read_at(at, piece).map_err(Error::io("read", shard.path()))?;
            at += piece.len() as u64;
            match is_shared {
                true => self.count(piece),
                false => self.write_all(piece).map_err(Error::io("write", &self.path))?,
            }
        }
        Ok(())
    }

    fn count(&mut self, written: &[u8]) {
        self.row_group.as_mut().unwrap_or(&mut self.outside).write(written);
        self.bytes += written.len() as u64;
    }
}

impl Write for ShardFile {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.ahead > 0 {
            let passed = buf.len().min(self.ahead.try_into().unwrap_or(usize::MAX));
            self.ahead -= passed as u64;
            return Ok(passed);
        }
        let written = self.file.write(&buf[..buf.len().min(WRITE_BYTES)])?;
        self.count(&buf[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Copies the first `bytes` of a file to a new file.
pub(super) fn copy_beginning(from: &Path, bytes: u64, to: &Path) -> Result<(), Error> {
    let other = open::regular(from).map_err(Error::io("open", from))?;
    let file = disk::create(to)?;
    if shares_blocks(&other, &file) {
        return file.set_len(bytes).and_then(|()| disk::sync(&file)).map_err(Error::io("write", to));
    }
    let mut buffer = vec![0; COPY_BYTES as usize];
    let mut rest = (&other).take(bytes);
    loop {
        let length = rest.read(&mut buffer).map_err(Error::io("read", from))?;
        if length == 0 {
            return disk::sync(&file).map_err(Error::io("write", to));
        }
        let mut piece = &buffer[..length];
        while !piece.is_empty() {
            piece = &piece[disk::write(&file, piece).map_err(Error::io("write", to))?..];
        }
    }
}

/// Makes `to` a copy of `from` that shares its blocks, if the file system supports it (Btrfs, XFS). Returns whether
/// it does.
#[cfg(target_os = "linux")]
pub fn shares_blocks(from: &File, to: &File) -> bool {
    rustix::fs::ioctl_ficlone(to, from).is_ok()
}

#[cfg(not(target_os = "linux"))]
pub fn shares_blocks(_from: &File, _to: &File) -> bool {
    false
}
