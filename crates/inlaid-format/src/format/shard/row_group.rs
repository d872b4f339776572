//! Row groups: as they are written, and as they are found in a shard.

use std::ops::Range;

use arrow_array::ArrayRef;

use super::checksum::RowGroupChecksums;
use crate::format::page::Page;

/// Rows that lie together in a file: pages of tensors and, in the same order, the rest.
#[derive(Debug, Default)]
pub struct RowGroup {
    /// None is empty. There are none where images are encoded.
    pub pages: Vec<Page>,
    /// All columns but the tensors, in order, with as many values as the pages have rows.
    pub others: Vec<ArrayRef>,
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
