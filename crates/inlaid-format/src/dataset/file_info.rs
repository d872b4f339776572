//! A file of a dataset that is not a shard, as listed in the manifest.

use serde::{Deserialize, Serialize};

use crate::format::shard::Checksum;

/// The card or a list of rejects, as it was when the manifest was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileInfo {
    /// Length of the file, in bytes.
    pub bytes: u64,
    /// Checksum of all its bytes.
    pub checksum: Checksum,
    /// Of a card: checksum of what inlaid wrote into it. People may edit the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<Checksum>,
}

impl FileInfo {
    /// The entry of a file with these bytes.
    pub fn of(bytes: &[u8]) -> FileInfo {
        FileInfo { bytes: bytes.len() as u64, checksum: Checksum::of(bytes), own: None }
    }
}
