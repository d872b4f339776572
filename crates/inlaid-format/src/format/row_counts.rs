//! The number of rows in pages, row groups and shards: for a given spec, the same wherever rows are written.

use super::tensor::TensorShape;
use crate::spec::{ByteSize, Spec};

/// Maximum rows of a page. Plain readers decode page by page, and pages of about 8 images read
/// fastest in pyarrow; a page is also the smallest unit of work of a thread.
const PAGE_ROWS: usize = 8;

/// Maximum bytes of pixels in a page, which always holds at least one row: 8 rows of 224x224x3 fit.
const PAGE_BYTES: usize = 5 << 18;

/// Bytes up to which a page is filled with tensors smaller than images, so that headers and levels stay negligible.
const SMALL_PAGE_BYTES: usize = 1 << 16;

/// Maximum bytes of encoded images in a row group: 2 GiB, since an Arrow array of them has 32-bit offsets, less a
/// margin for the other bytes of a Parquet page.
pub const MOST_BYTES: u64 = (1 << 31) - (1 << 16);

/// Exclusive upper limit of the elements in a shard: pyarrow builds lists with 32-bit offsets.
const SHARD_ELEMENTS: usize = i32::MAX as usize;

/// The maximum number of rows in each unit of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowCounts {
    /// Rows of a page, at least 1.
    pub page: usize,
    /// Rows of a row group, a multiple of `page`.
    pub row_group: usize,
    /// Rows of a shard, a multiple of `row_group`.
    pub shard: usize,
}

impl RowCounts {
    /// Row counts for a spec whose rows have tensors of these shapes, one for each column. The tensors of all columns
    /// count towards the size of a row group.
    pub fn new(spec: &Spec, shapes: &[TensorShape]) -> RowCounts {
        let largest = shapes.iter().map(TensorShape::bytes).max().expect("a row has a tensor");
        let row_bytes: usize = shapes.iter().map(TensorShape::bytes).sum();
        let elements = shapes.iter().map(TensorShape::elements).max().expect("a row has a tensor");
        let page = (PAGE_BYTES / largest).clamp(1, PAGE_ROWS);
        let row_group = fit(spec.row_group_bytes, page, row_bytes, elements);
        RowCounts { page, row_group, shard: fit(spec.shard_bytes, row_group, row_bytes, elements) }
    }

    /// Row counts for images stored as files: row groups and shards are limited by bytes, not by rows.
    pub const FILES: RowCounts = RowCounts { page: PAGE_ROWS, row_group: usize::MAX, shard: usize::MAX };

    /// Row counts for files of tensors that are not images and may be small. A shard has any number of
    /// row groups.
    ///
    /// `columns` holds, for each column, the bytes and the elements of one tensor.
    pub fn of_tensors(columns: &[(usize, usize)], row_group_bytes: ByteSize) -> RowCounts {
        let largest = columns.iter().map(|(bytes, _)| *bytes).max().expect("there is a column of tensors");
        let row_bytes: usize = columns.iter().map(|(bytes, _)| bytes).sum();
        let elements = columns.iter().map(|(_, elements)| *elements).max().expect("there is a column of tensors");
        let page_bytes = usize::try_from(row_group_bytes.0).unwrap_or(usize::MAX).min(PAGE_BYTES);
        let page = (page_bytes / largest).clamp(1, PAGE_ROWS.max(SMALL_PAGE_BYTES / largest));
        RowCounts { page, row_group: fit(row_group_bytes, page, row_bytes, elements), shard: usize::MAX }
    }
}

/// The number of rows that fit into `bytes`, rounded down to a multiple of `unit`, but at least one `unit`.
fn fit(bytes: ByteSize, unit: usize, row_bytes: usize, elements: usize) -> usize {
    let rows = usize::try_from(bytes.0 / row_bytes as u64).unwrap_or(usize::MAX);
    (rows.min((SHARD_ELEMENTS - 1) / elements) / unit).max(1) * unit
}
