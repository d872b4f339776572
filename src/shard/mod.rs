//! Shards: whole, self-describing files, written row group by row group in the order of the rows.

mod arrow;
mod checksum;
mod parquet;

use std::path::{Path, PathBuf};

use crate::columns::Columns;
use crate::error::Error;
use crate::page::Page;
use crate::sha256::Sha256;
use crate::spec::{Format, Split};

pub use checksum::Checksum;

/// What a row has beside its tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The key.
    pub path: Box<str>,
    /// The class.
    pub label: Option<u32>,
    /// Of the upright source image, in pixels.
    pub source_height: u32,
    /// Of the upright source image, in pixels.
    pub source_width: u32,
    /// Of the source file's bytes.
    pub sha256: Sha256,
}

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
    /// Of every byte of the file.
    pub checksum: Checksum,
}

/// A shard being written.
pub trait ShardWriter {
    /// Adds the rows; the group's pages are left in place for their buffers.
    ///
    /// # Errors
    /// If the file can't be written.
    fn write_row_group(&mut self, group: &mut RowGroup) -> Result<(), Error>;

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
