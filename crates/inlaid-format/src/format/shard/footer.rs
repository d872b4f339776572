//! The end of a shard, read back: what is where in it, and whether it is what was written.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::slice;

use super::ShardInfo;
use super::arrow::ArrowFooter;
use super::checksum::{Checksum, RowGroupChecksums};
use super::parquet::ParquetFooter;
use super::row_group::StoredRowGroup;
use super::stored_row::{StoredRow, Visit};
use crate::error::Error;
use crate::format::catch_panic::contain;
use crate::format::keys::CLASSES;
use crate::format::page::PageLayout;
use crate::spec::Format;

/// The end of a shard that matches its checksum: what it says about the row groups can be believed.
pub struct Footer {
    path: PathBuf,
    file: File,
    bytes: u64,
    row_groups: Vec<StoredRowGroup>,
    pub(super) content: Content,
}

/// What only readers of the format know.
pub(super) enum Content {
    Parquet(ParquetFooter),
    Arrow(ArrowFooter),
}

impl Footer {
    /// Reads the end of a shard that a manifest names, and compares it, and all else that is outside of
    /// its row groups, with its checksum.
    ///
    /// # Errors
    /// If it can't be read, is damaged or another one.
    pub fn of_shard(path: &Path, shard: &ShardInfo, format: Format) -> Result<Footer, Error> {
        let damaged = |reason: String| Error::damaged(path, reason);
        let file = File::open(path).map_err(Error::io("open", path))?;
        let bytes = file.metadata().map_err(Error::io("read", path))?.len();
        if bytes != shard.bytes {
            return Err(damaged(format!("it has {bytes} bytes instead of {}", shard.bytes)));
        }
        let read = || match format {
            Format::Parquet => ParquetFooter::read(&file).map(|(footer, all)| (Content::Parquet(footer), all)),
            Format::Arrow => ArrowFooter::read(&file).map(|(footer, all)| (Content::Arrow(footer), all)),
        };
        let (content, row_groups) = contain(read).flatten().map_err(damaged)?;
        if row_groups.len() != shard.row_groups {
            return Err(damaged(format!("it has {} row groups instead of {}", row_groups.len(), shard.row_groups)));
        }
        let footer = Footer { path: path.to_owned(), file, bytes, row_groups, content };
        match Checksum::of(&footer.outside()?) == shard.checksum {
            true => Ok(footer),
            false => Err(damaged("its beginning or end does not match the checksum".to_owned())),
        }
    }

    /// The bytes outside of the row groups. Between row groups lie the ends that the shard had before
    /// an append added to it.
    fn outside(&self) -> Result<Vec<u8>, Error> {
        let (mut parts, mut end) = (Vec::new(), 0);
        for (number, StoredRowGroup { range, .. }) in self.row_groups.iter().enumerate() {
            if range.start < end || range.end < range.start || range.end > self.bytes {
                return Err(Error::damaged(&self.path, format!("row group {number} is not where it should be")));
            }
            parts.push(end..range.start);
            end = range.end;
        }
        parts.push(end..self.bytes);
        read_ranges(&self.file, &parts).map_err(Error::io("read", &self.path))
    }

    /// The shard.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Length of the file.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The names of the classes, if it tells them.
    pub fn classes(&self) -> Option<Vec<String>> {
        let schema = match &self.content {
            Content::Parquet(footer) => footer.schema(),
            Content::Arrow(footer) => footer.schema(),
        };
        serde_json::from_str(schema.metadata().get(CLASSES)?).ok()
    }

    /// Its row groups, in order.
    pub fn row_groups(&self) -> &[StoredRowGroup] {
        &self.row_groups
    }

    /// Reads all of a row group into a buffer that only grows, and compares it with its checksum.
    ///
    /// # Errors
    /// If it can't be read, or is not what was written.
    pub fn read_row_group<'b>(&self, number: usize, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], Error> {
        let StoredRowGroup { range, checksums, .. } = &self.row_groups[number];
        let length = (range.end - range.start) as usize;
        buffer.resize(buffer.len().max(length), 0);
        read_at(&self.file, range.start, &mut buffer[..length]).map_err(Error::io("read", &self.path))?;
        match Checksum::of(&buffer[..length]) == checksums.all {
            true => Ok(&buffer[..length]),
            false => Err(self.not_its_checksum(number)),
        }
    }

    /// Says what is wrong with the pages of the tensor column in the `bytes` of a row group.
    pub fn check_pages(&self, row_group: usize, bytes: &[u8], pages: PageLayout) -> Result<(), String> {
        match &self.content {
            Content::Parquet(footer) => footer.check_pages(row_group, bytes, pages),
            // Its buffers have no structure that a checksum would not cover.
            Content::Arrow(_) => Ok(()),
        }
    }

    /// Calls `visit` with every row, in order.
    ///
    /// # Errors
    /// As [`Footer::visit_rows_of`].
    pub fn visit_rows(&self, visit: &mut dyn FnMut(StoredRow<'_>)) -> Result<(), Error> {
        (0..self.row_groups.len()).try_for_each(|number| self.visit_rows_of(number, Visit::WithoutImages, visit))
    }

    /// Calls `visit` with every row of a row group, in order; reads no tensors.
    ///
    /// # Errors
    /// If it can't be read, or is not what was written.
    pub fn visit_rows_of(&self, number: usize, what: Visit, visit: &mut dyn FnMut(StoredRow<'_>)) -> Result<(), Error> {
        let row_group = &self.row_groups[number];
        let (parts, checksum) = match what {
            Visit::WithoutImages => (&row_group.without_tensors[..], row_group.checksums.without_tensors),
            Visit::WithImages => (slice::from_ref(&row_group.range), row_group.checksums.all),
        };
        let bytes = read_ranges(&self.file, parts).map_err(Error::io("read", &self.path))?;
        if Checksum::of(&bytes) != checksum {
            return Err(self.not_its_checksum(number));
        }
        let visited = match &self.content {
            Content::Parquet(footer) => {
                footer.visit_rows(number, (parts[0].start, bytes), what, visit).map_err(|error| error.to_string())
            }
            Content::Arrow(footer) => {
                footer.visit_rows(number, row_group, bytes, what, visit).map_err(|error| error.to_string())
            }
        };
        visited.map_err(|reason| Error::damaged(&self.path, format!("row group {number}: {reason}")))
    }

    pub(super) fn not_its_checksum(&self, row_group: usize) -> Error {
        Error::damaged(&self.path, format!("row group {row_group} does not match its checksum"))
    }
}

/// The checksums of a row group that was just written to the file.
pub(super) fn checksums(file: &File, all: Checksum, without_tensors: &[Range<u64>]) -> io::Result<RowGroupChecksums> {
    let without_tensors = Checksum::of(&read_ranges(file, without_tensors)?);
    // Writing goes on where it was.
    (&mut &*file).seek(SeekFrom::End(0))?;
    Ok(RowGroupChecksums { all, without_tensors })
}

/// Reads these parts of a file, one after the other.
fn read_ranges(file: &File, ranges: &[Range<u64>]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for range in ranges {
        let start = bytes.len();
        bytes.resize(start + (range.end - range.start) as usize, 0);
        read_at(file, range.start, &mut bytes[start..])?;
    }
    Ok(bytes)
}

/// Fills the buffer with the bytes from here on.
pub(super) fn read_at(mut file: &File, start: u64, buffer: &mut [u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(buffer)
}
