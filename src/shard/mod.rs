//! Shards: whole, self-describing files, written row group by row group in the order of the rows.

mod arrow;
mod checksum;
mod file;
mod parquet;
mod row;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::columns::Columns;
use crate::error::Error;
use crate::page::{Page, PageLayout};
use crate::spec::{Format, Split};

pub use checksum::Checksum;
pub use row::Row;
pub(crate) use row::StoredRow;

/// Where the end of a shard keeps the checksums of its row groups: a JSON list. So a row group that
/// is copied into another shard keeps its checksum, and a shard can be checked by itself.
const CHECKSUMS: &str = "inlaid.row_groups";

/// Rows that lie together in a file: pages of tensors and, in the same order, the rest.
#[derive(Debug, Default)]
pub struct RowGroup {
    /// None is empty.
    pub pages: Vec<Page>,
    /// As many as the pages have rows.
    pub rows: Vec<Row>,
}

/// A shard that is complete and on disk.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ShardInfo {
    /// Below the dataset's folder, `/`-separated.
    pub file: String,
    /// How many rows it has.
    pub rows: usize,
    /// How many row groups (Arrow: record batches) it has.
    pub row_groups: usize,
    /// Length of the file.
    pub bytes: u64,
    /// Of every byte outside of the row groups; the checksums of the row groups lie among them.
    pub checksum: Checksum,
}

/// A shard being written.
pub trait ShardWriter {
    /// Adds the rows; the group's pages are left in place for their buffers.
    ///
    /// # Errors
    /// If the file can't be written.
    fn write_row_group(&mut self, group: &mut RowGroup) -> Result<(), Error>;

    /// Adds the first row groups of another shard of the same columns as they are.
    ///
    /// # Errors
    /// If the other shard is damaged, or the file can't be written.
    fn copy_row_groups(&mut self, shard: &Path, row_groups: usize) -> Result<(), Error>;

    /// Completes the file, brings it to disk and reads its end back.
    ///
    /// # Errors
    /// If the file can't be written, or does not read as written.
    fn finish(self: Box<Self>) -> Result<ShardInfo, Error>;
}

/// The name of a shard below the dataset's folder: `train/train-00000.parquet`.
pub fn shard_name(split: Split, number: usize, format: Format) -> String {
    format!("{split}/{split}-{number:05}.{}", format.extension())
}

/// The number in a shard's name.
pub(crate) fn shard_number(name: &str) -> usize {
    let digits = name.rsplit_once('-').and_then(|(_, rest)| rest.split_once('.')).map(|(digits, _)| digits);
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// Begins the file `folder/name`, which must not exist.
///
/// # Errors
/// If the file can't be written.
pub fn create(folder: &Path, name: String, columns: &Columns) -> Result<Box<dyn ShardWriter>, Error> {
    let path: PathBuf = folder.join(&name);
    Ok(match columns.format() {
        Format::Parquet => Box::new(parquet::ParquetShard::create(path, name, columns)?),
        Format::Arrow => Box::new(arrow::ArrowShard::create(path, name, columns)?),
    })
}

/// The end of a shard: what is where in it.
pub(crate) enum Footer {
    Parquet(parquet::ParquetFooter),
    Arrow(Box<arrow::ArrowFooter>),
}

impl Footer {
    fn read(path: &Path, format: Format) -> Result<Footer, Error> {
        Ok(match format {
            Format::Parquet => Footer::Parquet(parquet::ParquetFooter::read(path)?),
            Format::Arrow => Footer::Arrow(Box::new(arrow::ArrowFooter::read(path)?)),
        })
    }

    /// Reads the end of a shard that a manifest names, and compares it with its checksum: what it says
    /// about the row groups can be believed.
    ///
    /// # Errors
    /// If it can't be read, is damaged or another one.
    pub(crate) fn of_shard(path: &Path, shard: &ShardInfo, format: Format) -> Result<Footer, Error> {
        let damaged = |reason: String| Error::damaged(path, reason);
        let mut file = File::open(path).map_err(Error::io("open", path))?;
        let bytes = file.metadata().map_err(Error::io("read", path))?.len();
        if bytes != shard.bytes {
            return Err(damaged(format!("it has {bytes} bytes instead of {}", shard.bytes)));
        }
        let footer = Footer::read(path, format)?;
        let row_groups = footer.row_groups();
        if row_groups.len() != shard.row_groups {
            return Err(damaged(format!("it has {} row groups instead of {}", row_groups.len(), shard.row_groups)));
        }
        let begin = row_groups.first().map_or(bytes, |(range, _)| range.start);
        let mut end = begin;
        for (number, (range, _)) in row_groups.iter().enumerate() {
            // Row groups lie one after the other.
            if range.start != end || range.end < end || range.end > bytes {
                return Err(damaged(format!("row group {number} is not where it should be")));
            }
            end = range.end;
        }
        let mut outside = Vec::new();
        let mut read = || {
            Read::by_ref(&mut file).take(begin).read_to_end(&mut outside)?;
            file.seek(SeekFrom::Start(end))?;
            file.read_to_end(&mut outside)
        };
        read().map_err(Error::io("read", path))?;
        match Checksum::of(&outside) == shard.checksum {
            true => Ok(footer),
            false => Err(damaged("its beginning or end does not match the checksum".to_owned())),
        }
    }

    /// Where every row group lies in the file, and its checksum.
    pub(crate) fn row_groups(&self) -> Vec<(Range<u64>, Checksum)> {
        let (ranges, checksums) = match self {
            Footer::Parquet(footer) => (footer.row_group_ranges(), &footer.checksums),
            Footer::Arrow(footer) => (footer.row_group_ranges().to_vec(), &footer.checksums),
        };
        ranges.into_iter().zip(checksums.iter().copied()).collect()
    }

    /// Says what is wrong with the pages of the tensor column in the `bytes` of a row group.
    pub(crate) fn check_pages(&self, row_group: usize, bytes: &[u8], pages: PageLayout) -> Result<(), String> {
        match self {
            Footer::Parquet(footer) => footer.check_pages(row_group, bytes, pages),
            // Its buffers have no structure that a checksum would not cover.
            Footer::Arrow(_) => Ok(()),
        }
    }

    /// Calls `visit` with every row, in order.
    ///
    /// # Errors
    /// In words, if the rows can't be read.
    pub(crate) fn visit_rows(&self, visit: &mut dyn FnMut(StoredRow<'_>)) -> Result<(), String> {
        match self {
            Footer::Parquet(footer) => footer.visit_rows(visit).map_err(|error| error.to_string()),
            Footer::Arrow(footer) => footer.visit_rows(visit).map_err(|error| error.to_string()),
        }
    }
}

/// Whether the file system of this folder lets files share blocks, so that a copy costs nothing.
pub(crate) fn shares_blocks(folder: &Path) -> bool {
    let files = || Ok::<_, std::io::Error>((tempfile::tempfile_in(folder)?, tempfile::tempfile_in(folder)?));
    files().is_ok_and(|(from, to)| file::shares_blocks(&from, &to))
}
