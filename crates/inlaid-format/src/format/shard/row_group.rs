//! Row groups: as they are written, and as they are found in a shard.

use std::ops::Range;

use arrow_array::{Array, ArrayRef};
use arrow_schema::ArrowError;
use arrow_select::concat::concat;

use super::checksum::RowGroupChecksums;
use crate::format::page::Page;

/// Rows that are stored together: the pages of every column of tensors and, in the same order, the rest.
#[derive(Debug, Default)]
pub struct RowGroup {
    /// Pages of every column of tensors; none of them is empty. No column where images are stored as files.
    pub tensors: Vec<Vec<Page>>,
    /// All other columns, in order and piece by piece, with as many values as the pages of a column have rows.
    pub others: Vec<Vec<ArrayRef>>,
}

/// The pieces of a column as one array.
pub(super) fn joined(pieces: &[ArrayRef]) -> Result<ArrayRef, ArrowError> {
    match pieces {
        [piece] => Ok(piece.clone()),
        pieces => concat(&pieces.iter().map(|piece| &**piece as &dyn Array).collect::<Vec<_>>()),
    }
}

/// A row group (Arrow: record batch) of a shard.
#[derive(Clone, Debug)]
pub struct StoredRowGroup {
    /// Rows in it.
    pub rows: usize,
    /// Where it lies in the file.
    pub range: Range<u64>,
    /// What in it is neither tensors nor encoded images: one or two parts, in order.
    pub(super) without_tensors: Vec<Range<u64>>,
    pub(super) checksums: RowGroupChecksums,
}
