//! `inlaid.json`: what a dataset is and which files it consists of. It is replaced last when a
//! version is committed, so it always names whole shards.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use crate::dataset::names::MANIFEST;
use crate::dataset::statistics::Statistics;
use crate::error::Error;
use crate::format::shard::{Checksum, ShardInfo};
use crate::spec::{Spec, Split};

/// The latest version of the files on disk that this release knows: 2, which has any number of columns of tensors and
/// of values. A dataset that has none beside the images and what inlaid says of them is of version 1, which earlier
/// releases read.
pub const FORMAT_VERSION: u32 = 2;

/// The version of the files of a dataset of this spec.
pub fn format_version(spec: &Spec) -> u32 {
    if spec.tensors.is_empty() && spec.columns.is_empty() { 1 } else { FORMAT_VERSION }
}

/// What a dataset is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the files on disk, 1 to [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The release that wrote it: `inlaid 0.1.0`.
    pub tool: String,
    /// How the rows were made.
    pub spec: Spec,
    /// Stands for the inputs and settings of the conversion that made the dataset; none if it was
    /// interrupted and given up.
    pub conversion: Option<Checksum>,
    /// What it holds now.
    #[serde(flatten)]
    pub snapshot: Snapshot,
    /// The run that is making this version, if it has not ended: its shards so far are in the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<Unfinished>,
    /// What it held before the last append, if that can be brought back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Snapshot>,
}

/// What a dataset holds at a time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Counts the runs that changed the dataset, from 1; a rollback counts back.
    pub dataset_version: u64,
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
    /// How many of them have each label; those without a label are not counted.
    pub labels: Vec<usize>,
    /// The length of its files.
    pub bytes: u64,
    /// Its files, in the order of the rows.
    pub shards: Vec<ShardInfo>,
    /// Of all its rows; none if some were written by a release that took none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistics: Option<Statistics>,
}

impl SplitInfo {
    /// Counts rows and bytes after shards have changed.
    pub fn count(&mut self) {
        self.rows = self.shards.iter().map(|shard| shard.rows).sum();
        self.bytes = self.shards.iter().map(|shard| shard.bytes).sum();
    }

    /// How many rows have this label, or none.
    pub fn rows_of(&self, label: Option<u32>) -> usize {
        match label {
            Some(label) => self.labels.get(label as usize).copied().unwrap_or(0),
            None => self.rows - self.labels.iter().sum::<usize>(),
        }
    }
}

/// A run that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    /// Stands for its sources, inputs and settings: a run of the same goes on with it.
    pub run: Checksum,
    /// How many shards of its plan are done.
    pub shards: usize,
}

impl Snapshot {
    /// All shards, split by split.
    pub fn shards(&self) -> impl Iterator<Item = &ShardInfo> {
        self.splits.values().flat_map(|split| &split.shards)
    }

    /// Rows in all.
    pub fn rows(&self) -> usize {
        self.splits.values().map(|split| split.rows).sum()
    }
}

impl Manifest {
    /// Reads the manifest of the dataset in `folder`; none if there is none.
    ///
    /// # Errors
    /// If it can't be read, is damaged, or of another format version.
    pub fn read(folder: impl AsRef<Path>) -> Result<Option<Manifest>, Error> {
        #[derive(Deserialize)]
        struct Head {
            format_version: u32,
        }
        let path = folder.as_ref().join(MANIFEST);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        let damaged = |error: serde_json::Error| Error::Damaged { path: path.clone(), reason: error.to_string() };
        let Head { format_version } = serde_json::from_slice(&text).map_err(damaged)?;
        if !(1..=FORMAT_VERSION).contains(&format_version) {
            return Err(Error::FormatVersion { path, found: format_version, known: FORMAT_VERSION });
        }
        let manifest: Manifest = serde_json::from_slice(&text).map_err(damaged)?;
        match manifest.foreign_file() {
            Some(file) => Err(Error::damaged(&path, format!("it names `{file}`, which is no file of a split"))),
            None => Ok(Some(manifest)),
        }
    }

    /// A file that it names as a shard, but that does not lie in the folder of the split: nobody may be
    /// made to replace or remove files elsewhere.
    fn foreign_file(&self) -> Option<&str> {
        let splits = [Some(&self.snapshot), self.previous.as_ref()].into_iter().flatten().flat_map(|held| &held.splits);
        let mut files = splits.flat_map(|(split, info)| info.shards.iter().map(move |shard| (split, &*shard.file)));
        let is_in_split = |split: &Split, file: &str| {
            let parts: Vec<Component<'_>> = Path::new(file).components().collect();
            matches!(parts[..], [Component::Normal(folder), Component::Normal(_)] if folder == split.as_str())
        };
        files.find(|(split, file)| !is_in_split(split, file)).map(|(_, file)| file)
    }

    /// The text of the manifest's file.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a manifest has no maps with odd keys");
        text.push('\n');
        text
    }
}
