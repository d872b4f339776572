//! Which record becomes which row of which page, row group and shard. Pure: computed before the
//! first file is opened, so nothing written depends on thread timing.
//!
//! A record takes 4 bytes of a plan. Rows that turn out unusable leave their page, row group and
//! shard shorter; no other row moves for that.

mod apportion;
pub(crate) mod split;

use std::collections::BTreeMap;

use crate::dataset::place::Place;
use crate::format::row_counts::RowCounts;
use crate::format::shard::ShardInfo;
use crate::image::recipe::Recipe;
use crate::plan::split::Ranks;
use crate::source::Record;
use crate::spec::{Order, Spec, Split, Storage};

/// A tail as long as so many full row groups takes new rows, however few: copying it costs about as
/// much as bringing the commit to disk, and without it every small append would leave a shard.
const TAIL_BYTES: u64 = 2;

/// A tail of so many row groups takes no more: every append leaves the end of the file that it adds to
/// in the file, and those ends grow with the number of row groups.
const TAIL_ROW_GROUPS: usize = 64;

/// Files of a page at most, in bytes, where files are stored as they are: a page is in memory as a whole.
const FILES_BYTES: u64 = 4 << 20;

/// Bytes that rows take in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowBytes {
    /// All the same: tensors. Of images that are encoded, about so many.
    Same(usize),
    /// Each as many as its file, by the number of the record: images that are stored as they are. Those that will be
    /// rejected have none.
    OfFiles(Vec<u32>),
}

impl RowBytes {
    /// Of the row of a record.
    fn of(&self, record: u32) -> u64 {
        match self {
            RowBytes::Same(bytes) => *bytes as u64,
            RowBytes::OfFiles(bytes) => bytes[record as usize].into(),
        }
    }

    /// Of the rows of these records.
    pub fn sum(&self, records: &[u32]) -> u64 {
        records.iter().map(|record| self.of(*record)).sum()
    }
}

/// What there is room for: so many rows, and so many bytes of them.
#[derive(Clone, Copy)]
struct Room {
    rows: usize,
    bytes: u64,
}

impl Room {
    /// How many of the first rows fit.
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

/// The rows that a run writes, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How many rows each unit of a file has at most.
    pub counts: RowCounts,
    /// Bytes of the rows.
    pub row_bytes: RowBytes,
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
                shards.push(ShardPlan { split, place: Place::New, rows: shard.to_vec() });
                rest = others;
            }
        }
        Plan { counts, row_bytes, shards }
    }

    /// Rows in all.
    pub fn rows(&self) -> usize {
        self.shards.iter().map(|shard| shard.rows.len()).sum()
    }

    /// The pages of all shards of all splits, in order.
    pub fn pages(&self) -> impl Iterator<Item = PagePlan<'_>> {
        let bytes = if matches!(self.row_bytes, RowBytes::OfFiles(_)) { FILES_BYTES } else { u64::MAX };
        let room = Room { rows: self.counts.page, bytes };
        self.shards.iter().flat_map(move |shard| {
            let mut rest = &shard.rows[..];
            std::iter::from_fn(move || {
                let length = room.fitting(rest, &self.row_bytes).max(1);
                let rows = rest.split_off(..length)?;
                Some(PagePlan { split: shard.split, place: shard.place, ends_shard: rest.is_empty(), rows })
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
