//! A file of a dataset that is not a shard, as listed in the manifest.

use serde::{Deserialize, Serialize};

use crate::format::shard::Checksum;

/// A file other than a shard, as it was when the manifest was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileInfo {
    /// Length of the file, in bytes.
    pub bytes: u64,
    /// Checksum of all its bytes.
    pub checksum: Checksum,
    /// Of the card and of `croissant.json`: checksum of what inlaid wrote into it. People may edit the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<Checksum>,
    /// Of a picture: number of the snapshot that it shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<u64>,
}

impl FileInfo {
    /// The entry of a file with these bytes.
    pub fn of(bytes: &[u8]) -> FileInfo {
        FileInfo { bytes: bytes.len() as u64, checksum: Checksum::of(bytes), own: None, snapshot: None }
    }
}
