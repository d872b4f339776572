//! Which record becomes which row of which page, row group and shard. Pure: computed before the
//! first file is opened, so nothing written depends on thread timing.
//!
//! A record takes 4 bytes of a plan. Rows that turn out unusable leave their page, row group and
//! shard shorter; no other row moves for that.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::discover::Record;
use crate::shard::ShardInfo;
use crate::spec::{ByteSize, Order, Spec, Split, Storage};
use crate::split::Ranks;

/// Rows of a page at most: plain readers decode page by page, and pages of about 8 images read
/// fastest in pyarrow; it is also the smallest piece of work of a thread.
const PAGE_ROWS: usize = 8;

/// Pixels of a page at most, but at least one row: 8 rows of 224x224x3.
const PAGE_BYTES: usize = 5 << 18;

/// Tensors that are smaller than images fill a page up to this: below, headers and levels would weigh.
const SMALL_PAGE_BYTES: usize = 1 << 16;

/// A tail as long as so many full row groups takes new rows, however few: copying it costs about as
/// much as bringing the commit to disk, and without it every small append would leave a shard.
const TAIL_BYTES: u64 = 2;

/// A tail of so many row groups takes no more: every append leaves the end of the file that it adds to
/// in the file, and those ends grow with the number of row groups.
const TAIL_ROW_GROUPS: usize = 64;

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
    /// The row counts of a spec whose tensors have so many bytes, or encoded images about so many. Those have
    /// row groups that end where their bytes end, so it is only shards that are counted.
    pub fn of(spec: &Spec, row_bytes: usize) -> RowCounts {
        let page = (PAGE_BYTES / row_bytes).clamp(1, PAGE_ROWS);
        if spec.storage == Storage::Encoded {
            let shard = fit(spec.shard_bytes, page, row_bytes, 1);
            return RowCounts { page, row_group: shard, shard };
        }
        let elements = row_bytes / spec.dtype.bytes();
        let row_group = fit(spec.row_group_bytes, page, row_bytes, elements);
        RowCounts { page, row_group, shard: fit(spec.shard_bytes, row_group, row_bytes, elements) }
    }

    /// The row counts of files of tensors that are no images, and may be small. A shard has any number of
    /// row groups.
    pub(crate) fn of_tensors(row_bytes: usize, elements: usize, row_group_bytes: ByteSize) -> RowCounts {
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

/// The rows that a run writes, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How many rows each unit of a file has.
    pub counts: RowCounts,
    /// Bytes of the tensor of a row; about those of an encoded image.
    pub row_bytes: usize,
    /// In the order train, validation, test.
    pub shards: Vec<ShardPlan>,
}

/// The rows of a shard, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardPlan {
    /// Which split.
    pub split: Split,
    /// Where the rows go.
    pub place: Place,
    /// Indices of records.
    pub rows: Vec<u32>,
}

/// Where the rows of a shard go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Into a new shard behind the others of its split.
    New,
    /// Behind the rows of its split's last shard.
    Tail,
}

/// The last shards of the splits, that a run may add to.
#[derive(Clone, Debug, Default)]
pub struct Tails {
    /// The last shard of a split.
    pub shards: BTreeMap<Split, ShardInfo>,
    /// Whether copies share the blocks of the original, so that any tail is cheap to add to.
    pub share_blocks: bool,
}

/// The rows of a page, and the place of the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PagePlan<'a> {
    /// Which split.
    pub split: Split,
    /// Where its shard is.
    pub place: Place,
    /// Whether a shard ends with this page.
    pub ends_shard: bool,
    /// Whether a row group ends with this page.
    pub ends_row_group: bool,
    /// Indices of records.
    pub rows: &'a [u32],
}

impl Plan {
    /// Orders the rows of every split and cuts them into shards. Every record must have its split.
    ///
    /// A tail takes new rows if it is cheap to copy: its blocks are shared, it is at most twice as
    /// long as what is added, or as two row groups; and if it has fewer than [`TAIL_ROW_GROUPS`].
    /// Otherwise a new shard begins. So an append copies no more than that, no row ever moves to
    /// another file, and of the shards of a split that appends began only the last is both shorter
    /// than two row groups and made of fewer than [`TAIL_ROW_GROUPS`].
    ///
    /// A tensor has `row_bytes`, an encoded image about so many.
    pub fn of(records: &[Record], spec: &Spec, row_bytes: usize, tails: &Tails) -> Plan {
        let counts = RowCounts::of(spec, row_bytes);
        let mut shards = Vec::new();
        for &split in Split::ALL {
            let rows = ordered(records, split, spec);
            let mut rest = &rows[..];
            if let Some(tail) = tails.shards.get(&split) {
                let added = (rows.len() * row_bytes) as u64;
                let cheap = tail.bytes <= (2 * added).max(TAIL_BYTES * spec.row_group_bytes.0);
                if (cheap || tails.share_blocks) && tail.row_groups < TAIL_ROW_GROUPS {
                    let room = counts.shard.saturating_sub(tail.rows).min(rest.len());
                    let (fitting, others) = rest.split_at(room);
                    if room > 0 {
                        shards.push(ShardPlan { split, place: Place::Tail, rows: fitting.to_vec() });
                    }
                    rest = others;
                }
            }
            let new = |rows: &[u32]| ShardPlan { split, place: Place::New, rows: rows.to_vec() };
            shards.extend(rest.chunks(counts.shard).map(new));
        }
        Plan { counts, row_bytes, shards }
    }

    /// Rows in all.
    pub fn rows(&self) -> usize {
        self.shards.iter().map(|shard| shard.rows.len()).sum()
    }

    /// The pages of all shards of all splits, in order.
    pub fn pages(&self) -> impl Iterator<Item = PagePlan<'_>> {
        let counts = self.counts;
        self.shards.iter().flat_map(move |shard| {
            pieces(0..shard.rows.len(), counts.row_group).flat_map(move |in_group| {
                let group_end = in_group.end;
                pieces(in_group, counts.page).map(move |in_page| PagePlan {
                    split: shard.split,
                    place: shard.place,
                    ends_shard: in_page.end == shard.rows.len(),
                    ends_row_group: in_page.end == group_end,
                    rows: &shard.rows[in_page],
                })
            })
        })
    }
}

/// The records of a split in the order of its rows.
fn ordered(records: &[Record], split: Split, spec: &Spec) -> Vec<u32> {
    let members = records.iter().zip(0..).filter(|(record, _)| record.split == Some(split));
    match spec.order {
        Order::Path => members.map(|(_, index)| index).collect(),
        Order::Shuffled => {
            let ranks = Ranks::of_seed(spec.seed);
            let mut rows: Vec<(u64, u32)> = members.map(|(record, index)| (ranks.order(&record.key), index)).collect();
            rows.sort_unstable();
            rows.into_iter().map(|(_, index)| index).collect()
        }
    }
}

/// Cuts a range into pieces of `length`, the last one shorter.
fn pieces(range: Range<usize>, length: usize) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.step_by(length).map(move |start| start..(start + length).min(end))
}
