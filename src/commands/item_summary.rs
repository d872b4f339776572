//! What became of an item, for whoever works on it.

use serde::Serialize;

use crate::items::Outcome;

/// What became of an item.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ItemSummary {
    /// Number of the item.
    pub item: usize,
    /// Whether this call has made the shard: not if it was made before, or the dataset is committed.
    pub made: bool,
    /// Number of rows of the shard; of an item that only reads files, number of these.
    pub rows: usize,
    /// Length of the shard, in bytes; 0 without rows.
    pub bytes: u64,
    /// Number of inputs of the item that were rejected.
    pub rejects: usize,
    /// Duration in seconds.
    pub seconds: f64,
}

impl ItemSummary {
    pub(crate) fn of(outcome: &Outcome, made: bool, seconds: f64) -> ItemSummary {
        let info = outcome.shard.as_ref().map(|shard| &shard.info);
        ItemSummary {
            item: outcome.item,
            made,
            rows: info.map_or(0, |info| info.rows) + outcome.hashes.iter().flatten().count(),
            bytes: info.map_or(0, |info| info.bytes),
            rejects: outcome.rejects.len(),
            seconds,
        }
    }

    /// Of an item of a run whose dataset is made.
    pub(crate) fn committed(item: usize, seconds: f64) -> ItemSummary {
        ItemSummary { item, made: false, rows: 0, bytes: 0, rejects: 0, seconds }
    }
}
