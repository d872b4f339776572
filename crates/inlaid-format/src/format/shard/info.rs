//! A shard that is complete, as the manifest names it.

use super::Checksum;

/// A shard that is complete and on disk.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ShardInfo {
    /// Below the dataset's folder, `/`-separated.
    pub file: String,
    /// How many rows it has.
    pub rows: usize,
    /// How many row groups (Arrow: record batches) it has.
    pub row_groups: usize,
    /// Length of the file.
    pub bytes: u64,
    /// Of every byte outside of the row groups; the checksums of the row groups lie among them.
    pub checksum: Checksum,
}
