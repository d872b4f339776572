//! `plan.jsonl`: what was planned, except for the records.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::format::shard::Checksum;
use crate::run::{MaxErrors, OnError, OnMissing, RunOptions, SourceOptions};
use crate::spec::{ColumnSpec, Spec};

/// What was planned, except for the records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// Name and version of the release that planned, such as `inlaid 0.1.0`.
    pub(crate) tool: String,
    /// Features of that build that decide pixels.
    pub(crate) features: Vec<String>,
    /// Checksum of everything that decides what the run writes.
    pub(crate) run: Checksum,
    /// Fingerprint of the sources, in digits.
    pub(crate) fingerprint: String,
    /// Settings, all of them resolved.
    pub(crate) spec: Spec,
    pub(crate) classes: Vec<String>,
    /// Total number of inputs.
    pub(crate) inputs: usize,
    /// Number of records.
    pub(crate) records: usize,
    /// Whether items only read files, because that decides the splits.
    pub(crate) scans: bool,
    /// Number of items.
    pub(crate) items: usize,
    /// First item of every file of items.
    pub(crate) files: Vec<usize>,
    /// Folders and files on disks that images are read from.
    pub(crate) paths: Vec<String>,
    /// How images are read.
    pub(crate) reading: Reading,
    /// When rejects stop the run.
    pub(crate) limits: RejectLimits,
}

/// When rejects stop a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RejectLimits {
    /// Whether one is enough.
    pub(crate) stops: bool,
    /// Most of them that are tolerated, of all items together.
    pub(crate) most: Option<usize>,
}

impl RejectLimits {
    /// Those of a run of so many inputs.
    pub(crate) fn of(options: &RunOptions, inputs: usize) -> RejectLimits {
        let most = options.max_errors.map(|max| max.limit(inputs));
        RejectLimits { stops: options.on_error == OnError::Stop, most }
    }
}

/// How whoever works on an item reads its images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Reading {
    /// From where the item says.
    Located,
    /// By listing these sources again: only they know where their images are.
    Sources(Sources),
}

/// Sources, and how they are read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sources {
    pub(crate) paths: Vec<PathBuf>,
    metadata: Option<PathBuf>,
    files_from: Option<PathBuf>,
    file_column: Option<String>,
    image_column: Option<String>,
    label_columns: Vec<String>,
    column_types: Vec<ColumnSpec>,
    keep_columns: Option<Vec<String>>,
    stops_at_missing: bool,
}

impl Header {
    /// The options of a run, with the reactions to rejects that were planned.
    pub(crate) fn options(&self, options: &RunOptions) -> RunOptions {
        RunOptions {
            on_error: if self.limits.stops { OnError::Stop } else { OnError::Skip },
            max_errors: self.limits.most.map(MaxErrors::Count),
            ..options.clone()
        }
    }
}

impl Sources {
    pub(crate) fn new(paths: &[PathBuf], options: &SourceOptions) -> Sources {
        let full = |path: &PathBuf| match crate::remote::is_url(path) {
            true => path.clone(),
            false => std::path::absolute(path).unwrap_or_else(|_| path.clone()),
        };
        Sources {
            paths: paths.iter().map(full).collect(),
            metadata: options.metadata.as_ref().map(full),
            files_from: options.files_from.as_ref().map(full),
            file_column: options.file_column.clone(),
            image_column: options.image_column.clone(),
            label_columns: options.label_columns.clone(),
            column_types: options.column_types.clone(),
            keep_columns: options.keep_columns.clone(),
            stops_at_missing: options.on_missing == OnMissing::Stop,
        }
    }

    /// How they are read, with the settings of stores that `options` has.
    pub(crate) fn options(&self, options: &SourceOptions) -> SourceOptions {
        SourceOptions {
            metadata: self.metadata.clone(),
            files_from: self.files_from.clone(),
            file_column: self.file_column.clone(),
            image_column: self.image_column.clone(),
            label_columns: self.label_columns.clone(),
            column_types: self.column_types.clone(),
            keep_columns: self.keep_columns.clone(),
            on_missing: if self.stops_at_missing { OnMissing::Stop } else { OnMissing::Reject },
            ..options.clone()
        }
    }
}

/// Features of this build that decide pixels, or which files are images.
pub(crate) fn features() -> Vec<String> {
    let all = [
        ("formats", cfg!(feature = "formats")),
        ("heif", cfg!(feature = "heif")),
        ("turbojpeg", cfg!(feature = "turbojpeg")),
    ];
    all.into_iter().filter(|(_, is_on)| *is_on).map(|(name, _)| name.to_owned()).collect()
}
