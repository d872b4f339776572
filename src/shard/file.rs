//! The file of a shard while it is written: counted, and checksummed row group by row group, so
//! that row groups can go on into another file with the checksums they have.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use twox_hash::xxhash3_128::Hasher;

use super::checksum::Checksum;
use crate::disk;
use crate::error::Error;

/// A new file that becomes a shard.
pub(super) struct ShardFile {
    file: File,
    /// Bytes written, those that were in place included.
    bytes: u64,
    /// Up to here the file holds what will be written: a copy that shares its blocks.
    in_place: u64,
    /// Of what lies outside of the row groups.
    rest: Hasher,
    row_group: Option<Hasher>,
    row_groups: Vec<Checksum>,
}

impl ShardFile {
    pub(super) fn create(path: &Path) -> Result<ShardFile, Error> {
        Ok(ShardFile {
            file: disk::create(path)?,
            bytes: 0,
            in_place: 0,
            rest: Hasher::new(),
            row_group: None,
            row_groups: Vec::new(),
        })
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
        let checksum = Checksum::from(&self.row_group.take().expect("a row group was begun"));
        self.row_groups.push(checksum);
        checksum
    }

    /// Of every row group so far.
    pub(super) fn row_groups(&self) -> &[Checksum] {
        &self.row_groups
    }

    /// Of every byte outside of the row groups.
    pub(super) fn checksum(&self) -> Checksum {
        Checksum::from(&self.rest)
    }

    /// Makes the file share the first `bytes` of another one, which will then be written once more
    /// without effect, as the row groups of these checksums. False if the file system can't do that.
    pub(super) fn share(&mut self, other: &File, bytes: u64, row_groups: &[Checksum]) -> io::Result<bool> {
        if !shares_blocks(other, &self.file) {
            return Ok(false);
        }
        self.file.set_len(bytes)?;
        self.file.seek(SeekFrom::Start(bytes))?;
        self.in_place = bytes;
        self.row_groups.extend_from_slice(row_groups);
        Ok(true)
    }
}

impl Write for ShardFile {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let shared = self.in_place.saturating_sub(self.bytes).min(buf.len() as u64);
        if shared > 0 {
            self.bytes += shared;
            return Ok(shared as usize);
        }
        let written = disk::write(&self.file, buf)?;
        self.row_group.as_mut().unwrap_or(&mut self.rest).write(&buf[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Makes `to` a copy of `from` that takes no room, where the file system can (Btrfs, XFS).
#[cfg(target_os = "linux")]
pub(super) fn shares_blocks(from: &File, to: &File) -> bool {
    rustix::fs::ioctl_ficlone(to, from).is_ok()
}

#[cfg(not(target_os = "linux"))]
pub(super) fn shares_blocks(_from: &File, _to: &File) -> bool {
    false
}
