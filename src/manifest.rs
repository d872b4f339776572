//! `inlaid.json`: what a dataset is and which files it consists of. It is replaced last when a
//! version is committed, so it always names whole shards.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::shard::ShardInfo;
use crate::spec::{Spec, Split};

/// The name of the manifest in the dataset's folder.
pub const MANIFEST: &str = "inlaid.json";

/// The version of the files on disk that this release writes.
pub const FORMAT_VERSION: u32 = 1;

/// What a dataset is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT_VERSION`] of the release that wrote it.
    pub format_version: u32,
    /// Counts the committed versions of this dataset, from 1.
    pub dataset_version: u64,
    /// The release that wrote it: `inlaid 0.1.0`.
    pub tool: String,
    /// How the rows were made.
    pub spec: Spec,
    /// The names of the classes; a label is an index into them.
    pub classes: Vec<String>,
    /// The shards of the splits that have rows.
    pub splits: BTreeMap<Split, SplitInfo>,
    /// Inputs in all: rows and rejects.
    pub inputs: usize,
    /// Inputs that are no rows, each a line of `rejects.jsonl`.
    pub rejects: usize,
}

/// A split of a dataset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SplitInfo {
    /// How many rows it has.
    pub rows: usize,
    /// The length of its files.
    pub bytes: u64,
    /// Its files, in the order of the rows.
    pub shards: Vec<ShardInfo>,
}

impl Manifest {
    /// Reads the manifest of the dataset in `folder`; none if there is none.
    ///
    /// # Errors
    /// If it can't be read, is damaged, or of another format version.
    pub fn read(folder: &Path) -> Result<Option<Manifest>, Error> {
        #[derive(Deserialize)]
        struct Version {
            format_version: u32,
        }
        let path = folder.join(MANIFEST);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        let damaged = |error: serde_json::Error| Error::Damaged { path: path.clone(), reason: error.to_string() };
        let Version { format_version } = serde_json::from_slice(&text).map_err(damaged)?;
        if format_version != FORMAT_VERSION {
            return Err(Error::FormatVersion { path, found: format_version, known: FORMAT_VERSION });
        }
        serde_json::from_slice(&text).map(Some).map_err(damaged)
    }

    /// The text of the manifest's file.
    pub(crate) fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a manifest has no maps with odd keys");
        text.push('\n');
        text
    }

    /// All shards, split by split.
    pub fn shards(&self) -> impl Iterator<Item = &ShardInfo> {
        self.splits.values().flat_map(|split| &split.shards)
    }
}
