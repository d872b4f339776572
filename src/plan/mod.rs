//! Assigns every record a row in a page, row group and shard. Pure: computed before the first image is
//! decoded, so nothing written depends on thread timing.
//!
//! A record takes 4 bytes of a plan. A record that turns out to be unusable leaves its page, row group and
//! shard one row shorter; no other row moves.

mod apportion;
pub(crate) mod split;

use std::collections::BTreeMap;

use crate::dataset::place::Place;
use crate::format::row_counts::RowCounts;
use crate::format::shard::{ShardInfo, shard_number};
use crate::image::recipe::Recipe;
use crate::plan::split::Ranks;
use crate::source::Record;
use crate::spec::{Order, Spec, Split, Storage};

/// Length of a tail, in full row groups, up to which it takes new rows, however few: copying it costs about as
/// much as flushing the commit to disk, and otherwise every small append would leave a shard.
const TAIL_BYTES: u64 = 2;

/// Number of row groups at which a tail takes no more rows: every append leaves the previous footer inside the
/// file, and footers grow with the number of row groups.
const TAIL_ROW_GROUPS: usize = 64;

/// Most bytes of files in a page where files are stored unchanged: a whole page is in memory.
const FILES_BYTES: u64 = 4 << 20;

/// Size of the rows in a file, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowBytes {
    /// The same for every row: exact for tensors, an estimate for encoded images.
    Same(usize),
    /// Length of each record's file, by index of the record, where files are stored unchanged; 0 for records that will
    /// be rejected.
    OfFiles(Vec<u32>),
}

impl RowBytes {
    /// Size of a record's row, in bytes.
    fn of(&self, record: u32) -> u64 {
        match self {
            RowBytes::Same(bytes) => *bytes as u64,
            RowBytes::OfFiles(bytes) => bytes[record as usize].into(),
        }
    }

    /// Total size of the rows of these records, in bytes.
    pub fn sum(&self, records: &[u32]) -> u64 {
        records.iter().map(|record| self.of(*record)).sum()
    }
}

/// Remaining room: a number of rows, and a number of bytes.
#[derive(Clone, Copy)]
struct Room {
    rows: usize,
    bytes: u64,
}

impl Room {
    /// Number of leading rows that fit.
    fn fitting(self, rows: &[u32], row_bytes: &RowBytes) -> usize {
        let mut left = self.bytes;
        let fits = |row: &&u32| match left.checked_sub(row_bytes.of(**row)) {
            Some(rest) => {
                left = rest;
                true
            }
            None => false,
        };
        rows.iter().take(self.rows).take_while(fits).count()
    }
}

/// Rows that a run writes, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Most rows of each unit of a file.
    pub counts: RowCounts,
    /// Size of the rows, in bytes.
    pub row_bytes: RowBytes,
    /// Shards, in the order train, validation, test.
    pub shards: Vec<ShardPlan>,
}

/// Rows of a shard, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardPlan {
    /// Split of the shard.
    pub split: Split,
    /// Destination of the rows: the tail of the split, or a new shard.
    pub place: Place,
    /// Indices of the records that become the rows.
    pub rows: Vec<u32>,
}

/// Last shard of each split, which a run may add to.
#[derive(Clone, Debug, Default)]
pub struct Tails {
    /// Last shard by split.
    pub shards: BTreeMap<Split, ShardInfo>,
    /// Whether the file system can copy by sharing blocks, so that adding to any tail is cheap.
    pub share_blocks: bool,
}

/// Rows of a page, and its place in a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PagePlan<'a> {
    /// Split of the shard.
    pub split: Split,
    /// Destination of the rows: the tail of the split, or a new shard.
    pub place: Place,
    /// Whether a shard ends with this page.
    pub ends_shard: bool,
    /// Whether a row group of tensors ends with this page.
    pub ends_row_group: bool,
    /// Indices of the records that become the rows.
    pub rows: &'a [u32],
}

impl Plan {
    /// Orders the rows of every split and divides them into shards. Every record must have been assigned a split.
    ///
    /// A tail takes new rows if it has fewer than [`TAIL_ROW_GROUPS`] and is cheap to copy: the copy shares its blocks,
    /// or the tail is at most twice as long as the added rows, or at most [`TAIL_BYTES`] row groups long. Otherwise a
    /// new shard begins. This bounds what an append copies, and no row ever moves to another file. Of a split's shards
    /// that appends began, only the last can be both shorter than [`TAIL_BYTES`] row groups and made of fewer than
    /// [`TAIL_ROW_GROUPS`].
    pub fn new(records: &[Record], recipe: &Recipe, row_bytes: RowBytes, tails: &Tails) -> Plan {
        let spec = recipe.spec();
        let is_encoded = spec.storage == Storage::Encoded;
        let counts = recipe.layout().counts();
        let room = |rows, bytes: u64| Room {
            rows: counts.shard.saturating_sub(rows),
            bytes: if is_encoded { spec.shard_bytes.0.saturating_sub(bytes) } else { u64::MAX },
        };
        let mut shards = Vec::new();
        for &split in Split::ALL {
            let rows = ordered(records, split, spec);
            let mut rest = &rows[..];
            // Merged shards leave gaps in the numbers, and so does a shard whose rows are all rejected: the name of a shard
            // does not depend on those before it.
            let mut number = tails.shards.get(&split).map_or(0, |tail| shard_number(&tail.file) + 1);
            if let Some(tail) = tails.shards.get(&split) {
                let added = row_bytes.sum(&rows);
                let cheap = tail.bytes <= (2 * added).max(TAIL_BYTES * spec.row_group_bytes.0);
                if (cheap || tails.share_blocks) && tail.row_groups < TAIL_ROW_GROUPS {
                    let (fitting, others) = rest.split_at(room(tail.rows, tail.bytes).fitting(rest, &row_bytes));
                    if !fitting.is_empty() {
                        shards.push(ShardPlan { split, place: Place::Tail, rows: fitting.to_vec() });
                    }
                    rest = others;
                }
            }
            while !rest.is_empty() {
                let (shard, others) = rest.split_at(room(0, 0).fitting(rest, &row_bytes).max(1));
                shards.push(ShardPlan { split, place: Place::New(number), rows: shard.to_vec() });
                (rest, number) = (others, number + 1);
            }
        }
        Plan { counts, row_bytes, shards }
    }

    /// Total number of rows.
    pub fn rows(&self) -> usize {
        self.shards.iter().map(|shard| shard.rows.len()).sum()
    }

    /// Pages of all shards of all splits, in order.
    pub fn pages(&self) -> impl Iterator<Item = PagePlan<'_>> {
        let bytes = if matches!(self.row_bytes, RowBytes::OfFiles(_)) { FILES_BYTES } else { u64::MAX };
        let room = Room { rows: self.counts.page, bytes };
        self.shards.iter().flat_map(move |shard| {
            let (mut rest, mut in_row_group) = (&shard.rows[..], 0);
            std::iter::from_fn(move || {
                let length = room.fitting(rest, &self.row_bytes).max(1);
                let rows = rest.split_off(..length)?;
                in_row_group += rows.len();
                let ends_shard = rest.is_empty();
                let ends_row_group = ends_shard || in_row_group >= self.counts.row_group;
                if ends_row_group {
                    in_row_group = 0;
                }
                Some(PagePlan { split: shard.split, place: shard.place, ends_shard, ends_row_group, rows })
            })
        })
    }
}

/// Records of a split, in the order of its rows.
fn ordered(records: &[Record], split: Split, spec: &Spec) -> Vec<u32> {
    let members = records.iter().zip(0..).filter(|(record, _)| record.split == Some(split));
    match spec.order {
        Order::Path => members.map(|(_, index)| index).collect(),
        Order::Shuffled => {
            let ranks = Ranks::from_seed(spec.seed);
            let mut rows: Vec<(u64, u32)> = members.map(|(record, index)| (ranks.order(&record.key), index)).collect();
            rows.sort_unstable();
            rows.into_iter().map(|(_, index)| index).collect()
        }
    }
}
