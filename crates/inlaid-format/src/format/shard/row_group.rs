//! Row groups, both to be written and as found in a shard.

use std::ops::Range;

use arrow_array::{Array, ArrayRef};
use arrow_schema::ArrowError;
use arrow_select::concat::concat;

use super::checksum::RowGroupChecksums;
use crate::format::page::Page;

/// Rows to be stored together: the pages of every tensor column, and the other columns of the same rows.
#[derive(Debug, Default)]
pub struct RowGroup {
    /// Pages of every tensor column, at least one page each. Empty if images are stored as files.
    pub tensors: Vec<Vec<Page>>,
    /// Pieces of every other column, in schema order. A column has one value for each row of the pages.
    pub others: Vec<Vec<ArrayRef>>,
}

/// The pieces of a column, concatenated.
pub(super) fn joined(pieces: &[ArrayRef]) -> Result<ArrayRef, ArrowError> {
    match pieces {
        [piece] => Ok(piece.clone()),
        pieces => concat(&pieces.iter().map(|piece| &**piece as &dyn Array).collect::<Vec<_>>()),
    }
}

/// A row group (Arrow: record batch) of a shard.
#[derive(Clone, Debug)]
pub struct StoredRowGroup {
    /// Number of rows.
    pub rows: usize,
    /// Byte range in the file.
    pub range: Range<u64>,
    /// Byte ranges in the file of everything except tensors and encoded images, in order.
    pub without_tensors: Vec<Range<u64>>,
    /// Checksums of its bytes.
    pub checksums: RowGroupChecksums,
}
