//! A complete shard, as listed in the manifest.

use super::Checksum;

/// A shard that is complete and synced to disk.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ShardInfo {
    /// Path relative to the dataset's folder, `/`-separated.
    pub file: String,
    /// Number of rows.
    pub rows: usize,
    /// Number of row groups (Arrow: record batches).
    pub row_groups: usize,
    /// Length of the file, in bytes.
    pub bytes: u64,
    /// Checksum of every byte outside the row groups, which includes the row groups' own checksums.
    pub checksum: Checksum,
}
