//! The footer of a shard, read back: locates the row groups and verifies checksums.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::slice;

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};

use super::ShardInfo;
use super::arrow::ArrowFooter;
use super::checksum::Checksum;
use super::parquet::ParquetFooter;
use super::row_group::StoredRowGroup;
use super::stored_row::StoredRow;
use crate::error::{Error, counted};
use crate::format::catch_panic::contain;
use crate::format::columns::Columns;
use crate::format::files::Files;
use crate::format::keys::CLASSES;
use crate::format::open;
use crate::format::ranges::Stored;
use crate::format::row_layout::TensorLayout;
use crate::format::tensor_column::leading_tensors;
use crate::spec::Format;

/// Row groups whose keys are asked for together, if the shard is elsewhere.
const AHEAD: usize = 16;

/// The footer of a shard that matches its checksum, so that its description of the row groups can be trusted.
pub struct Footer {
    path: PathBuf,
    stored: Stored,
    row_groups: Vec<StoredRowGroup>,
    pub(super) content: Content,
}

/// The row groups of a file that has checksums as a shard has, as its footer tells them; none for other files. Nothing
/// says that the footer itself is right.
pub fn row_groups_of(stored: &Stored, format: Format) -> Option<Vec<StoredRowGroup>> {
    let read = || match format {
        Format::Parquet => ParquetFooter::read(stored).map(|(_, all)| all),
        Format::Arrow => ArrowFooter::read(stored).map(|(_, all)| all),
    };
    contain(read).flatten().ok()
}

/// The parts of a row group to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parts {
    /// Everything except tensors and images stored as files.
    WithoutImages,
    /// Everything.
    All,
}

/// The part of the footer that depends on the format.
pub(super) enum Content {
    Parquet(ParquetFooter),
    Arrow(ArrowFooter),
}

impl Footer {
    /// Opens a shard listed in a manifest, reads its footer, and verifies the checksum of all bytes outside its
    /// row groups.
    ///
    /// # Errors
    /// If the shard can't be read, is damaged, or is not the shard that the manifest lists.
    pub fn of_shard(path: &Path, shard: &ShardInfo, format: Format) -> Result<Footer, Error> {
        let file = open::regular(path).map_err(Error::io("open", path))?;
        let stored = Stored::of_file(file).map_err(Error::io("read", path))?;
        Footer::of_stored(path, stored, shard, format)
    }

    /// As [`Footer::of_shard`], for a shard that is open already; `path` is what messages call it.
    ///
    /// # Errors
    /// As [`Footer::of_shard`].
    pub fn of_stored(path: &Path, stored: Stored, shard: &ShardInfo, format: Format) -> Result<Footer, Error> {
        let damaged = |reason: String| Error::damaged(path, reason);
        let bytes = stored.len();
        if bytes != shard.bytes {
            return Err(damaged(format!("it has {bytes} bytes instead of {}", shard.bytes)));
        }
        let read = || match format {
            Format::Parquet => ParquetFooter::read(&stored).map(|(footer, all)| (Content::Parquet(footer), all)),
            Format::Arrow => ArrowFooter::read(&stored).map(|(footer, all)| (Content::Arrow(footer), all)),
        };
        let (content, row_groups) = contain(read).flatten().map_err(damaged)?;
        if row_groups.len() != shard.row_groups {
            return Err(damaged(format!(
                "it has {} instead of {}",
                counted(row_groups.len(), "row group"),
                shard.row_groups
            )));
        }
        let footer = Footer { path: path.to_owned(), stored, row_groups, content };
        match Checksum::of(&footer.outside()?) == shard.checksum {
            true => Ok(footer),
            false => Err(damaged("its beginning or end does not match the checksum".to_owned())),
        }
    }

    /// As [`Footer::of_shard`], for a dataset whose shards have these columns: rows of another shape or type
    /// are never taken for rows of the dataset.
    ///
    /// # Errors
    /// As [`Footer::of_shard`], and if the shard has other columns.
    pub fn of_dataset(files: &dyn Files, shard: &ShardInfo, columns: &Columns) -> Result<Footer, Error> {
        let path = files.path(&shard.file);
        let footer = Footer::of_stored(&path, files.open(&shard.file)?, shard, columns.format())?;
        match footer.schema().fields() == columns.schema().fields() {
            true => Ok(footer),
            false => Err(Error::damaged(&path, "its columns are not those that `inlaid.json` describes")),
        }
    }

    /// The bytes outside the row groups. Between row groups there may be footers from before an append added
    /// to the shard.
    fn outside(&self) -> Result<Vec<u8>, Error> {
        let (mut parts, mut end) = (Vec::new(), 0);
        for (number, StoredRowGroup { range, .. }) in self.row_groups.iter().enumerate() {
            if range.start < end || range.end < range.start || range.end > self.stored.len() {
                return Err(Error::damaged(&self.path, format!("row group {number} is not where it should be")));
            }
            parts.push(end..range.start);
            end = range.end;
        }
        parts.push(end..self.stored.len());
        read_ranges(&self.stored, &parts).map_err(Error::io("read", &self.path))
    }

    /// Path of the shard.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn stored(&self) -> &Stored {
        &self.stored
    }

    /// Length of the file, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.stored.len()
    }

    /// The class names in the shard's schema; none if it has none.
    pub fn classes(&self) -> Option<Vec<String>> {
        serde_json::from_str(self.schema().metadata().get(CLASSES)?).ok()
    }

    /// The row groups, in order.
    pub fn row_groups(&self) -> &[StoredRowGroup] {
        &self.row_groups
    }

    /// Reads a whole row group into `buffer`, which only grows, and verifies its checksum. Returns the bytes read.
    ///
    /// # Errors
    /// If the row group can't be read, or does not match its checksum.
    pub fn read_row_group<'b>(&self, number: usize, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], Error> {
        let StoredRowGroup { range, checksums, .. } = &self.row_groups[number];
        let length = (range.end - range.start) as usize;
        buffer.resize(buffer.len().max(length), 0);
        self.stored.read_at(range.start, &mut buffer[..length]).map_err(Error::io("read", &self.path))?;
        match Checksum::of(&buffer[..length]) == checksums.all {
            true => Ok(&buffer[..length]),
            false => Err(self.not_its_checksum(number)),
        }
    }

    /// Checks the pages of the tensor columns, with these layouts, in the `bytes` of a row group.
    ///
    /// # Errors
    /// A description of the first problem.
    pub fn check_pages(&self, row_group: usize, bytes: &[u8], tensors: &[TensorLayout]) -> Result<(), String> {
        match &self.content {
            Content::Parquet(footer) => tensors.iter().enumerate().try_for_each(|(leaf, column)| {
                footer.check_pages(row_group, bytes, leaf, column.pages).map_err(|reason| match leaf {
                    0 => reason,
                    _ => format!("column `{}`: {reason}", column.name),
                })
            }),
            // The checksum covers everything in Arrow buffers.
            Content::Arrow(_) => Ok(()),
        }
    }

    /// Calls `visit` with every row, in order. Reads neither tensors nor images stored as files.
    ///
    /// # Errors
    /// If a row group can't be read, or does not match its checksum.
    pub fn visit_rows(&self, visit: &mut dyn FnMut(StoredRow<'_>)) -> Result<(), Error> {
        let schema = self.schema();
        let columns = StoredRow::COLUMNS.into_iter().map(|name| schema.index_of(name));
        let columns = columns.collect::<Result<Vec<_>, _>>();
        let columns = columns.map_err(|error| Error::damaged(&self.path, error.to_string()))?;
        for number in 0..self.row_groups.len() {
            let next = &self.row_groups[number..self.row_groups.len().min(number + AHEAD)];
            let parts: Vec<_> = next.iter().flat_map(|group| group.without_tensors.iter().cloned()).collect();
            self.stored.will_need(&parts);
            self.read_columns(number, Parts::WithoutImages, columns.clone(), &mut |batch| {
                StoredRow::visit(&batch, visit)
            })?;
        }
        Ok(())
    }

    /// Calls `visit` with all columns of a row group except the tensors, in schema order, one batch at a time.
    ///
    /// # Errors
    /// As [`Footer::visit_rows`], and the first error of `visit`.
    pub fn visit_others(
        &self,
        number: usize,
        visit: &mut dyn FnMut(RecordBatch) -> Result<(), ArrowError>,
    ) -> Result<(), Error> {
        let tensors = leading_tensors(self.schema());
        let columns = (tensors..self.schema().fields().len()).collect();
        self.read_columns(number, if tensors == 0 { Parts::All } else { Parts::WithoutImages }, columns, visit)
    }

    fn read_columns(
        &self,
        number: usize,
        what: Parts,
        columns: Vec<usize>,
        visit: &mut dyn FnMut(RecordBatch) -> Result<(), ArrowError>,
    ) -> Result<(), Error> {
        let row_group = &self.row_groups[number];
        let (parts, checksum) = match what {
            Parts::WithoutImages => (&row_group.without_tensors[..], row_group.checksums.without_tensors),
            Parts::All => (slice::from_ref(&row_group.range), row_group.checksums.all),
        };
        let bytes = read_ranges(&self.stored, parts).map_err(Error::io("read", &self.path))?;
        if Checksum::of(&bytes) != checksum {
            return Err(self.not_its_checksum(number));
        }
        let visited = match &self.content {
            Content::Parquet(footer) => {
                footer.read_columns(number, parts[0].start, bytes, columns, visit).map_err(|error| error.to_string())
            }
            Content::Arrow(footer) => footer
                .read_columns(number, row_group, bytes, columns)
                .and_then(visit)
                .map_err(|error| error.to_string()),
        };
        visited.map_err(|reason| Error::damaged(&self.path, format!("row group {number}: {reason}")))
    }

    fn schema(&self) -> &SchemaRef {
        match &self.content {
            Content::Parquet(footer) => footer.schema(),
            Content::Arrow(footer) => footer.schema(),
        }
    }

    pub(super) fn not_its_checksum(&self, row_group: usize) -> Error {
        Error::damaged(&self.path, format!("row group {row_group} does not match its checksum"))
    }
}

/// Reads these ranges of a shard and concatenates them.
pub(super) fn read_ranges(stored: &Stored, ranges: &[Range<u64>]) -> io::Result<Vec<u8>> {
    stored.will_need(ranges);
    let mut bytes = Vec::new();
    for range in ranges {
        let start = bytes.len();
        bytes.resize(start + (range.end - range.start) as usize, 0);
        stored.read_at(range.start, &mut bytes[start..])?;
    }
    Ok(bytes)
}

impl fmt::Debug for Footer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Footer").field("path", &self.path).field("row_groups", &self.row_groups).finish_non_exhaustive()
    }
}
