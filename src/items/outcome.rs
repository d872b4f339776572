//! What became of an item: a file in `done/`.

use serde::{Deserialize, Serialize};

use crate::commit::transaction::FinishedShard;
use crate::dataset::reject::Reject;
use crate::dataset::statistics::Statistics;
use crate::format::shard::ShardInfo;
use crate::spec::Split;

/// What became of an item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) item: usize,
    /// None if all of its inputs were rejected.
    pub(crate) shard: Option<Made>,
    /// Of an item that only reads files: the hash of each; none for one that is rejected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) hashes: Vec<Option<String>>,
    /// Inputs that could not become rows, in the order of the plan.
    pub(crate) rejects: Vec<Reject>,
    /// Number of rows that were made of truncated images.
    pub(crate) truncated: usize,
}

/// A shard that nobody sees yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Made {
    pub(crate) split: Split,
    pub(crate) info: ShardInfo,
    pub(crate) statistics: Statistics,
    /// What the journal of a commit calls it.
    pub(crate) staged: String,
}

impl Made {
    /// The shard as a transaction takes it, and what the journal calls it.
    pub(crate) fn into_finished(self) -> (FinishedShard, String) {
        (FinishedShard { info: self.info, statistics: self.statistics }, self.staged)
    }
}
