//! `inlaid.json`, the manifest: describes a dataset and lists its files. It is the last file that a commit
//! replaces, so it only ever lists complete shards.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use crate::dataset::file_info::FileInfo;
use crate::dataset::names::{CARD, CARD_PICTURES, CROISSANT, MANIFEST, REJECTS, REJECTS_BEFORE};
use crate::dataset::statistics::Statistics;
use crate::error::Error;
use crate::format::files::{Files, Folder};
use crate::format::row_layout::RowLayout;
use crate::format::shard::{Checksum, ShardInfo};
use crate::spec::{Spec, Split};

/// The format version that this release writes, and the latest that it reads. Version 2 has checksums of every file,
/// the manifest included, and any number of tensor columns and typed columns. A dataset of version 1 becomes one of
/// version 2 when something is committed to it.
pub const FORMAT_VERSION: u32 = 2;

/// The manifest of a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format version of the files on disk, 1 to [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Name and version of the release that wrote it, such as `inlaid 0.1.0`.
    pub tool: String,
    /// Settings from which the rows were made.
    pub spec: Spec,
    /// Checksum of the inputs and settings of the conversion that created the dataset; none if it was
    /// interrupted and then abandoned.
    pub conversion: Option<Checksum>,
    /// Current contents.
    #[serde(flatten)]
    pub snapshot: Snapshot,
    /// Run that is still writing this snapshot, which already includes the shards it has finished; none if the last
    /// run is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<Unfinished>,
    /// Contents before the last append, if they can be restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Snapshot>,
    /// Files that are not shards, by their path below the dataset's folder. Empty in format version 1.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, FileInfo>,
}

/// The contents of a dataset at one point in time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Number of the snapshot, from 1: each run that changes the dataset adds 1, and a rollback subtracts 1.
    pub dataset_version: u64,
    /// Class names; a label is an index into this list.
    pub classes: Vec<String>,
    /// Shards and statistics of each split that has rows.
    pub splits: BTreeMap<Split, SplitInfo>,
    /// Total number of inputs: rows and rejects.
    pub inputs: usize,
    /// Number of rejected inputs, each a line of `rejects.jsonl`.
    pub rejects: usize,
}

/// A split of a dataset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SplitInfo {
    /// Number of rows.
    pub rows: usize,
    /// Number of rows with each label; rows without a label are not counted.
    pub labels: Vec<usize>,
    /// Total length of the files, in bytes.
    pub bytes: u64,
    /// Files, in row order.
    pub shards: Vec<ShardInfo>,
    /// Statistics of all rows; none if some rows were written by a release that did not compute them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistics: Option<Statistics>,
}

impl SplitInfo {
    /// Recomputes `rows` and `bytes` after the shards have changed.
    pub fn count(&mut self) {
        self.rows = self.shards.iter().map(|shard| shard.rows).sum();
        self.bytes = self.shards.iter().map(|shard| shard.bytes).sum();
    }

    /// Number of rows with this label, or without a label for `None`.
    pub fn rows_of(&self, label: Option<u32>) -> usize {
        match label {
            Some(label) => self.labels.get(label as usize).copied().unwrap_or(0),
            // A damaged manifest may claim more labels than rows.
            None => self.labels.iter().fold(self.rows, |rows, labelled| rows.saturating_sub(*labelled)),
        }
    }
}

/// A run that is in progress or was interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    /// Checksum of its sources, inputs and settings: a run with the same checksum resumes it.
    pub run: Checksum,
    /// Number of finished shards of its plan.
    pub shards: usize,
}

impl Snapshot {
    /// All shards, one split after another.
    pub fn shards(&self) -> impl Iterator<Item = &ShardInfo> {
        self.splits.values().flat_map(|split| &split.shards)
    }

    /// Total number of rows.
    pub fn rows(&self) -> usize {
        self.splits.values().map(|split| split.rows).sum()
    }
}

impl Manifest {
    /// Reads the manifest of the dataset in `folder`; none if the folder has no manifest.
    ///
    /// # Errors
    /// If the manifest can't be read, is damaged, or has an unknown format version.
    pub fn read(folder: impl AsRef<Path>) -> Result<Option<Manifest>, Error> {
        Manifest::read_from(&Folder(folder.as_ref().to_owned()))
    }

    /// Reads the manifest of a dataset; none if there is none.
    ///
    /// # Errors
    /// As [`Manifest::read`].
    #[doc(hidden)]
    pub fn read_from(files: &dyn Files) -> Result<Option<Manifest>, Error> {
        let text = files.read(MANIFEST)?;
        text.map(|text| Manifest::parse(&files.path(MANIFEST), &text)).transpose()
    }

    /// The manifest with this text, which messages call `path`.
    ///
    /// # Errors
    /// If it is damaged, or has an unknown format version.
    #[doc(hidden)]
    pub fn parse(path: &Path, text: &[u8]) -> Result<Manifest, Error> {
        #[derive(Deserialize)]
        struct Head {
            format_version: u32,
            checksum: Option<Checksum>,
        }
        let damaged = |error: serde_json::Error| Error::Damaged { path: path.to_owned(), reason: error.to_string() };
        let Head { format_version, checksum } = serde_json::from_slice(text).map_err(damaged)?;
        if !(1..=FORMAT_VERSION).contains(&format_version) {
            return Err(Error::FormatVersion { path: path.to_owned(), found: format_version, known: FORMAT_VERSION });
        }
        match checksum {
            None if format_version == 1 => {}
            Some(checksum) if format_version > 1 && checksum == seal(text, checksum) => {}
            Some(_) if format_version > 1 => return Err(Error::damaged(path, "its checksum does not match its text")),
            Some(_) => return Err(Error::damaged(path, "format version 1 has no checksum")),
            None => return Err(Error::damaged(path, "it has no checksum")),
        }
        let manifest: Manifest = serde_json::from_slice(text).map_err(damaged)?;
        if format_version == 1 && !(manifest.spec.tensors.is_empty() && manifest.spec.columns.is_empty()) {
            return Err(Error::damaged(path, "format version 1 has no additional columns"));
        }
        RowLayout::new(&manifest.spec).map_err(|error| Error::damaged(path, error.to_string()))?;
        match manifest.foreign_file() {
            Some(file) => Err(Error::damaged(path, format!("it names `{file}`, which is not a file of a split"))),
            None => match manifest.files.keys().find(|file| !is_small_file(file)) {
                Some(file) => Err(Error::damaged(path, format!("it names `{file}`, which is not a file of a dataset"))),
                None => Ok(manifest),
            },
        }
    }

    /// A file listed as a shard that is not in the folder of its split, if there is one. A manifest must not be able
    /// to make inlaid replace or remove files elsewhere.
    fn foreign_file(&self) -> Option<&str> {
        let splits = [Some(&self.snapshot), self.previous.as_ref()].into_iter().flatten().flat_map(|held| &held.splits);
        let mut files = splits.flat_map(|(split, info)| info.shards.iter().map(move |shard| (split, &*shard.file)));
        let is_in_split = |split: &Split, file: &str| {
            let parts: Vec<Component<'_>> = Path::new(file).components().collect();
            matches!(parts[..], [Component::Normal(folder), Component::Normal(_)] if folder == split.as_str())
        };
        files.find(|(split, file)| !is_in_split(split, file)).map(|(_, file)| file)
    }

    /// The manifest as indented JSON with a final line break, as stored in `inlaid.json`. From format version 2 on it
    /// ends with the checksum of its text.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a manifest has no maps with odd keys");
        if self.format_version > 1 {
            let unsealed = text.strip_suffix("\n}").expect("a manifest is an indented object").to_owned();
            let sealed = |checksum: &str| format!("{unsealed},\n  \"checksum\": \"{checksum}\"\n}}\n");
            let none = Checksum::none();
            return sealed(&seal(sealed(&none.to_string()).as_bytes(), none).to_string());
        }
        text.push('\n');
        text
    }
}

/// Whether a dataset may have a file of this name that is not a shard.
fn is_small_file(name: &str) -> bool {
    [CARD, CROISSANT, REJECTS, REJECTS_BEFORE].contains(&name) || CARD_PICTURES.contains(&name)
}

/// The checksum of a manifest's text: that of all its bytes, with zeros in the place of the digits of the checksum
/// that it has.
fn seal(text: &[u8], checksum: Checksum) -> Checksum {
    let mut text = text.to_vec();
    let (stored, zeros) = (checksum.to_string(), Checksum::none().to_string());
    if let Some(at) = text.windows(stored.len()).rposition(|part| part == stored.as_bytes()) {
        text[at..at + stored.len()].copy_from_slice(zeros.as_bytes());
    }
    Checksum::of(&text)
}
