//! How many rows pages, row groups and shards have: the same for a spec wherever rows are written.

use super::tensor::TensorShape;
use crate::spec::{ByteSize, Spec};

/// Rows of a page at most: plain readers decode page by page, and pages of about 8 images read
/// fastest in pyarrow; it is also the smallest piece of work of a thread.
const PAGE_ROWS: usize = 8;

/// Pixels of a page at most, but at least one row: 8 rows of 224x224x3.
const PAGE_BYTES: usize = 5 << 18;

/// Tensors that are smaller than images fill a page up to this: below, headers and levels would weigh.
const SMALL_PAGE_BYTES: usize = 1 << 16;

/// The most bytes of encoded images in a row group: an Arrow array of them has 32-bit offsets. It is a little less, as a
/// page of Parquet has to have room for more than them.
pub const MOST_BYTES: u64 = (1 << 31) - (1 << 16);

/// Elements of a shard stay below this: pyarrow builds lists with 32-bit offsets.
const SHARD_ELEMENTS: usize = i32::MAX as usize;

/// How many rows each unit of a file has at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowCounts {
    /// Rows of a page.
    pub page: usize,
    /// Rows of a row group, a multiple of those of a page.
    pub row_group: usize,
    /// Rows of a shard, a multiple of those of a row group.
    pub shard: usize,
}

impl RowCounts {
    /// Row counts of a spec, each row of which has tensors of these shapes: all of them fill a row group together.
    pub fn new(spec: &Spec, shapes: &[TensorShape]) -> RowCounts {
        let largest = shapes.iter().map(TensorShape::bytes).max().expect("a row has a tensor");
        let row_bytes: usize = shapes.iter().map(TensorShape::bytes).sum();
        let elements = shapes.iter().map(TensorShape::elements).max().expect("a row has a tensor");
        let page = (PAGE_BYTES / largest).clamp(1, PAGE_ROWS);
        let row_group = fit(spec.row_group_bytes, page, row_bytes, elements);
        RowCounts { page, row_group, shard: fit(spec.shard_bytes, row_group, row_bytes, elements) }
    }

    /// Row counts where images are stored as files: their bytes fill row groups and shards.
    pub const FILES: RowCounts = RowCounts { page: PAGE_ROWS, row_group: usize::MAX, shard: usize::MAX };

    /// The row counts of files of tensors that are no images, and may be small. A shard has any number of
    /// row groups.
    ///
    /// `columns` are the bytes and the elements of a tensor of each column.
    pub fn of_tensors(columns: &[(usize, usize)], row_group_bytes: ByteSize) -> RowCounts {
        let largest = columns.iter().map(|(bytes, _)| *bytes).max().expect("there is a column of tensors");
        let row_bytes: usize = columns.iter().map(|(bytes, _)| bytes).sum();
        let elements = columns.iter().map(|(_, elements)| *elements).max().expect("there is a column of tensors");
        let page_bytes = usize::try_from(row_group_bytes.0).unwrap_or(usize::MAX).min(PAGE_BYTES);
        let page = (page_bytes / largest).clamp(1, PAGE_ROWS.max(SMALL_PAGE_BYTES / largest));
        RowCounts { page, row_group: fit(row_group_bytes, page, row_bytes, elements), shard: usize::MAX }
    }
}

/// How many rows of so many bytes and elements fit, as a multiple of `unit`.
fn fit(bytes: ByteSize, unit: usize, row_bytes: usize, elements: usize) -> usize {
    let rows = usize::try_from(bytes.0 / row_bytes as u64).unwrap_or(usize::MAX);
    (rows.min((SHARD_ELEMENTS - 1) / elements) / unit).max(1) * unit
}
