//! Which record becomes which row of which page, row group and shard. Pure: computed before the
//! first file is opened, so nothing written depends on thread timing.
//!
//! A record takes 4 bytes of a plan. Rows that turn out unusable leave their page, row group and
//! shard shorter; no other row moves for that.

use std::ops::Range;

use crate::discover::Record;
use crate::error::Error;
use crate::spec::{Order, Spec, Split};
use crate::split::Ranks;
use crate::tensor::TensorShape;

/// Rows of a page at most: plain readers decode page by page, and pages of about 8 images read
/// fastest in pyarrow; it is also the smallest piece of work of a thread.
const PAGE_ROWS: usize = 8;

/// Pixels of a page at most, but at least one row: 8 rows of 224x224x3.
const PAGE_BYTES: usize = 5 << 18;

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
    /// The row counts of a spec.
    pub fn of(spec: &Spec, shape: &TensorShape) -> RowCounts {
        let fit = |bytes: u64, unit: usize| {
            let rows = usize::try_from(bytes / shape.bytes() as u64).unwrap_or(usize::MAX);
            (rows.min((SHARD_ELEMENTS - 1) / shape.elements()) / unit).max(1) * unit
        };
        let page = (PAGE_BYTES / shape.bytes()).clamp(1, PAGE_ROWS);
        let row_group = fit(spec.row_group_bytes.0, page);
        RowCounts { page, row_group, shard: fit(spec.shard_bytes.0, row_group) }
    }
}

/// The rows of a dataset, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How many rows each unit of a file has.
    pub counts: RowCounts,
    /// The splits that have rows, in the order train, validation, test.
    pub splits: Vec<SplitPlan>,
}

/// The rows of a split, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitPlan {
    /// Which split.
    pub split: Split,
    /// Indices of records.
    pub rows: Vec<u32>,
}

/// The rows of a page, and the place of the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PagePlan<'a> {
    /// Which split.
    pub split: Split,
    /// Whether a shard ends with this page.
    pub ends_shard: bool,
    /// Whether a row group ends with this page.
    pub ends_row_group: bool,
    /// Indices of records.
    pub rows: &'a [u32],
}

impl Plan {
    /// Orders the rows of every split. Every record must have its split.
    ///
    /// # Errors
    /// If the tensor is too large.
    pub fn of(records: &[Record], spec: &Spec) -> Result<Plan, Error> {
        let ranks = Ranks::of_seed(spec.seed);
        let mut splits = Vec::new();
        for &split in Split::ALL {
            let members = records.iter().zip(0..).filter(|(record, _)| record.split == Some(split));
            let rows = match spec.order {
                Order::Path => members.map(|(_, index)| index).collect(),
                Order::Shuffled => {
                    let mut rows: Vec<(u64, u32)> =
                        members.map(|(record, index)| (ranks.order(&record.key), index)).collect();
                    rows.sort_unstable();
                    rows.into_iter().map(|(_, index)| index).collect::<Vec<u32>>()
                }
            };
            if !rows.is_empty() {
                splits.push(SplitPlan { split, rows });
            }
        }
        let shape = TensorShape::of(spec)?;
        Ok(Plan { counts: RowCounts::of(spec, &shape), splits })
    }

    /// Rows in all.
    pub fn rows(&self) -> usize {
        self.splits.iter().map(|split| split.rows.len()).sum()
    }

    /// The pages of all shards of all splits, in order.
    pub fn pages(&self) -> impl Iterator<Item = PagePlan<'_>> {
        let counts = self.counts;
        self.splits.iter().flat_map(move |split| {
            pieces(0..split.rows.len(), counts.shard).flat_map(move |in_shard| {
                pieces(in_shard.clone(), counts.row_group).flat_map(move |in_group| {
                    let (group_end, shard_end) = (in_group.end, in_shard.end);
                    pieces(in_group, counts.page).map(move |in_page| PagePlan {
                        split: split.split,
                        ends_shard: in_page.end == shard_end,
                        ends_row_group: in_page.end == group_end,
                        rows: &split.rows[in_page],
                    })
                })
            })
        })
    }
}

/// Cuts a range into pieces of `length`, the last one shorter.
fn pieces(range: Range<usize>, length: usize) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.step_by(length).map(move |start| start..(start + length).min(end))
}
