//! Shards: complete, self-describing files, written one row group at a time in row order.

mod arrow;
mod checksum;
mod file;
mod footer;
mod info;
mod parquet;
mod row_group;
mod row_group_builder;
mod stored_row;

use std::path::{Path, PathBuf};

use self::arrow::ArrowShard;
use self::file::ShardFile;
use self::parquet::ParquetShard;
use crate::error::Error;
use crate::format::columns::Columns;
use crate::format::new_file::{DiskFile, NewFile};
use crate::spec::{Format, Split};

pub use checksum::{Checksum, RowGroupChecksums};
pub use file::shares_blocks;
pub use footer::{Footer, row_groups_of};
pub use info::ShardInfo;
pub use parquet::{is_writable, lies_in_a_file};
pub use row_group::RowGroup;
pub use row_group::StoredRowGroup;
pub use row_group_builder::RowGroupBuilder;
pub use stored_row::StoredRow;

/// A shard being written.
pub trait ShardWriter {
    /// Writes a row group. Its pages stay in `group`, so that the caller can reuse their buffers.
    ///
    /// # Errors
    /// If the file can't be written.
    fn write_row_group(&mut self, group: &mut RowGroup) -> Result<(), Error>;

    /// Copies row group `number` of another shard with the same columns, unchanged.
    ///
    /// # Errors
    /// If the row group does not match its checksum, or a file can't be read or written.
    fn copy_row_group(&mut self, from: &Footer, number: usize) -> Result<(), Error>;

    /// Completes the file, syncs it to disk and reads its footer back.
    ///
    /// # Errors
    /// If the file can't be written, or the footer does not read back as written.
    fn finish(self: Box<Self>) -> Result<ShardInfo, Error>;
}

/// Path of a shard relative to the dataset's folder, such as `train/train-00000.parquet`.
pub fn shard_name(split: Split, number: usize, format: Format) -> String {
    format!("{split}/{split}-{number:05}.{}", format.extension())
}

/// The number in a shard's name; 0 if it has none.
pub fn shard_number(name: &str) -> usize {
    let digits = name.rsplit_once('-').and_then(|(_, rest)| rest.split_once('.')).map(|(digits, _)| digits);
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// Begins a shard in the new file `folder/name`.
///
/// # Errors
/// If the file exists or can't be written.
pub fn create(folder: &Path, name: String, columns: &Columns) -> Result<Box<dyn ShardWriter>, Error> {
    let path = folder.join(&name);
    begin(DiskFile::create(&path)?, path, name, columns, None)
}

/// Begins a shard in a new file, which messages call `path`: with all bytes of another shard if there is one, so that it
/// has the same row groups at the same offsets. A reader that expects the other shard, with its length, can read it from
/// this file.
///
/// # Errors
/// If the other shard is damaged, or a file can't be read or written.
pub fn begin(
    file: Box<dyn NewFile>,
    path: PathBuf,
    name: String,
    columns: &Columns,
    from: Option<&Footer>,
) -> Result<Box<dyn ShardWriter>, Error> {
    let mut file = ShardFile::new(file, path.clone());
    if let Some(shard) = from {
        file.begin_with(shard)?;
    }
    Ok(match columns.format() {
        Format::Parquet => Box::new(ParquetShard::begin(file, name, columns, from).map_err(Error::write(&path))?),
        Format::Arrow => Box::new(ArrowShard::begin(file, name, columns, from).map_err(Error::write(&path))?),
    })
}

/// Copies the first `bytes` of a shard to a new file: the shard before it was appended to.
///
/// # Errors
/// If a file can't be read or written.
pub fn copy_beginning(shard: &Path, bytes: u64, to: &Path) -> Result<(), Error> {
    file::copy_beginning(shard, bytes, to)
}
