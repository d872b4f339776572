//! How many rows pages, row groups and shards have: the same for a spec wherever rows are written.

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
    /// The row counts of a spec whose tensors have so many bytes.
    pub fn new(spec: &Spec, row_bytes: usize) -> RowCounts {
        let page = (PAGE_BYTES / row_bytes).clamp(1, PAGE_ROWS);
        let elements = row_bytes / spec.dtype.bytes();
        let row_group = fit(spec.row_group_bytes, page, row_bytes, elements);
        RowCounts { page, row_group, shard: fit(spec.shard_bytes, row_group, row_bytes, elements) }
    }

    /// Those of encoded images: it is their bytes that fill row groups and shards.
    pub const ENCODED: RowCounts = RowCounts { page: PAGE_ROWS, row_group: usize::MAX, shard: usize::MAX };

    /// The row counts of files of tensors that are no images, and may be small. A shard has any number of
    /// row groups.
    pub fn of_tensors(row_bytes: usize, elements: usize, row_group_bytes: ByteSize) -> RowCounts {
        let page_bytes = usize::try_from(row_group_bytes.0).unwrap_or(usize::MAX).min(PAGE_BYTES);
        let page = (page_bytes / row_bytes).clamp(1, PAGE_ROWS.max(SMALL_PAGE_BYTES / row_bytes));
        RowCounts { page, row_group: fit(row_group_bytes, page, row_bytes, elements), shard: usize::MAX }
    }
}

/// How many rows of so many bytes and elements fit, as a multiple of `unit`.
fn fit(bytes: ByteSize, unit: usize, row_bytes: usize, elements: usize) -> usize {
    let rows = usize::try_from(bytes.0 / row_bytes as u64).unwrap_or(usize::MAX);
    (rows.min((SHARD_ELEMENTS - 1) / elements) / unit).max(1) * unit
}

/// Whether a row group that has so many bytes of encoded images ends before one of so many more: it has at least one
/// row.
pub fn ends_row_group(bytes: usize, image: usize, spec: &Spec) -> bool {
    bytes > 0 && (bytes + image) as u64 > spec.row_group_bytes.0.min(MOST_BYTES)
}
