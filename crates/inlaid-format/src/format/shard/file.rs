//! The file of a shard while it is written: counted, and checksummed row group by row group, so
//! that row groups can go on into another file with the checksums they have.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use twox_hash::xxhash3_128::Hasher;

use super::checksum::{Checksum, RowGroupChecksums};
use super::footer::Footer;
use crate::error::Error;
use crate::format::disk;

/// How much is copied at a time.
const COPY_BYTES: usize = 1 << 20;

/// How much is written at a time, so that it is still in a cache of the processor when its checksum is computed.
const WRITE_BYTES: usize = 256 << 10;

/// A new file that becomes a shard.
pub(super) struct ShardFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    /// How many bytes of what is written next are in the file already.
    ahead: u64,
    /// Of what lies outside of the row groups.
    outside: Hasher,
    row_group: Option<Hasher>,
    row_groups: Vec<RowGroupChecksums>,
}

impl ShardFile {
    pub(super) fn create(path: &Path) -> Result<ShardFile, Error> {
        Ok(ShardFile {
            path: path.to_owned(),
            file: disk::create(path)?,
            bytes: 0,
            ahead: 0,
            outside: Hasher::new(),
            row_group: None,
            row_groups: Vec::new(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The bytes from here on belong to a row group.
    pub(super) fn begin_row_group(&mut self) {
        self.row_group = Some(Hasher::new());
    }

    /// They no longer do. The checksum of the row group.
    pub(super) fn end_row_group(&mut self) -> Checksum {
        Checksum::from(&self.row_group.take().expect("a row group was begun"))
    }

    /// Keeps the checksums of a row group.
    pub(super) fn add_row_group(&mut self, checksums: RowGroupChecksums) {
        self.row_groups.push(checksums);
    }

    /// Keeps the checksums of a row group that was copied, if it is what it was.
    ///
    /// # Errors
    /// If it is not.
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

    /// Of every row group so far.
    pub(super) fn row_groups(&self) -> &[RowGroupChecksums] {
        &self.row_groups
    }

    /// Of every byte outside of the row groups.
    pub(super) fn checksum(&self) -> Checksum {
        Checksum::from(&self.outside)
    }

    /// Begins with all bytes of a shard that is complete, its end included: whoever has seen the length
    /// of that shard still finds it whole here. What is written from now on is held to be one of these
    /// bytes, until [`ShardFile::go_on`].
    ///
    /// # Errors
    /// If a row group does not match its checksum, or a file can't be read or written.
    pub(super) fn begin_with(&mut self, shard: &Footer) -> Result<(), Error> {
        let is_shared = shares_blocks(shard.file(), &self.file);
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
        let end = (&self.file).seek(SeekFrom::End(0)).and_then(|_| disk::sync(&self.file));
        end.map_err(Error::io("write", &self.path))
    }

    /// What is written from now on goes behind the bytes that the file began with.
    pub(super) fn go_on(&mut self) {
        self.ahead = 0;
    }

    /// Writes what the writer of the format is going to write next, some kilobytes at a time: it only counts them then.
    pub(super) fn write_ahead<'a>(&mut self, parts: impl Iterator<Item = &'a [u8]>) -> io::Result<()> {
        let start = self.bytes;
        for part in parts {
            self.write_all(part)?;
        }
        self.ahead = self.bytes - start;
        Ok(())
    }

    /// Copies bytes of a shard. Where blocks are shared they are there, and only have to be hashed.
    pub(super) fn copy(&mut self, shard: &Footer, range: Range<u64>, is_shared: bool) -> Result<(), Error> {
        let mut from = shard.file();
        let read_error = |error| Error::io("read", shard.path())(error);
        from.seek(SeekFrom::Start(range.start)).map_err(read_error)?;
        let mut left = (range.end - range.start) as usize;
        let mut buffer = vec![0; left.min(COPY_BYTES)];
        while left > 0 {
            let piece = &mut buffer[..left.min(COPY_BYTES)];
            from.read_exact(piece).map_err(read_error)?;
            left -= piece.len();
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
        let written = disk::write(&self.file, &buf[..buf.len().min(WRITE_BYTES)])?;
        self.count(&buf[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Makes a file of the first `bytes` of another.
pub(super) fn copy_beginning(from: &Path, bytes: u64, to: &Path) -> Result<(), Error> {
    let other = File::open(from).map_err(Error::io("open", from))?;
    let file = disk::create(to)?;
    if shares_blocks(&other, &file) {
        return file.set_len(bytes).and_then(|()| disk::sync(&file)).map_err(Error::io("write", to));
    }
    let mut buffer = vec![0; COPY_BYTES];
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

/// Makes `to` a copy of `from` that takes no room, where the file system can (Btrfs, XFS).
#[cfg(target_os = "linux")]
pub fn shares_blocks(from: &File, to: &File) -> bool {
    rustix::fs::ioctl_ficlone(to, from).is_ok()
}

#[cfg(not(target_os = "linux"))]
pub fn shares_blocks(_from: &File, _to: &File) -> bool {
    false
}
