//! The summary of a run.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

use serde::Serialize;

use crate::dataset::manifest::SplitInfo;
use crate::dataset::reject::Reject;
use crate::plan::split::SmallClass;
use crate::source::Listing;
use crate::source::{Ignored, Notice};
use crate::spec::Split;

/// The result of a run, or the expected result for a dry run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Whether this was a dry run, which decodes and writes nothing.
    pub dry_run: bool,
    /// Whether the dataset has changed.
    pub committed: bool,
    /// Number of inputs found: `rows + unchanged + rejects`.
    pub inputs: usize,
    /// Number of rows written by this run.
    pub rows: usize,
    /// Number of these rows whose image is only partly in its file ([`Truncated::Keep`](crate::Truncated::Keep)).
    pub truncated: usize,
    /// Number of inputs that were rows of the dataset already.
    pub unchanged: usize,
    /// Number of rejected inputs.
    pub rejects: usize,
    /// Number of rejected inputs for each reason ([`crate::RecordError::code`]).
    pub rejects_by_reason: BTreeMap<Cow<'static, str>, usize>,
    /// Number of classes in the dataset.
    pub classes: usize,
    /// The classes of the new images that are too small for exact fractions.
    pub small_classes: Vec<SmallClass>,
    /// Contents of each split after the run.
    pub splits: BTreeMap<Split, SplitSummary>,
    /// Files that are not inputs.
    pub ignored: Ignored,
    /// Remarks for the user about the source.
    #[serde(serialize_with = "as_strings")]
    pub notices: Vec<Notice>,
    /// Duration from the start of the run to the end of the commit, in seconds.
    pub seconds: f64,
    /// Throughput: rows written and inputs rejected, per second.
    pub images_per_second: f64,
}

/// The contents of a split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SplitSummary {
    /// Number of rows.
    pub rows: usize,
    /// Number of rows written by this run.
    pub added: usize,
    /// Total length of the files, in bytes. In a dry run, new rows count as the bytes of their pixels.
    pub bytes: u64,
    /// Number of files.
    pub shards: usize,
}

impl Summary {
    /// The summary of a run over the inputs of `listing` and `unchanged` others.
    pub(crate) fn of(
        begin: Instant,
        listing: &Listing,
        unchanged: usize,
        rejects: &[Reject],
        splits: BTreeMap<Split, SplitSummary>,
    ) -> Summary {
        let rows = splits.values().map(|split| split.added).sum();
        let seconds = begin.elapsed().as_secs_f64();
        Summary {
            dry_run: false,
            committed: true,
            inputs: rows + unchanged + rejects.len(),
            rows,
            truncated: 0,
            unchanged,
            rejects: rejects.len(),
            rejects_by_reason: count_reasons(rejects),
            classes: listing.classes.len(),
            small_classes: Vec::new(),
            splits,
            ignored: listing.ignored.clone(),
            notices: listing.notices.clone(),
            seconds,
            images_per_second: (rows + rejects.len()) as f64 / seconds,
        }
    }
}

impl SplitSummary {
    /// The contents of the splits after a run, and the rows that it added.
    pub(crate) fn of(
        before: &BTreeMap<Split, SplitInfo>,
        after: &BTreeMap<Split, SplitInfo>,
    ) -> BTreeMap<Split, SplitSummary> {
        let summary = |(split, info): (&Split, &SplitInfo)| {
            let added = info.rows - before.get(split).map_or(0, |before| before.rows);
            (*split, SplitSummary { rows: info.rows, added, bytes: info.bytes, shards: info.shards.len() })
        };
        after.iter().map(summary).collect()
    }
}

/// Number of rejects for each reason.
pub(crate) fn count_reasons(rejects: &[Reject]) -> BTreeMap<Cow<'static, str>, usize> {
    let mut counts = BTreeMap::new();
    for reject in rejects {
        *counts.entry(reject.reason.clone()).or_default() += 1;
    }
    counts
}

pub(crate) fn as_strings<S: serde::Serializer>(
    notices: &[impl fmt::Display],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(notices.iter().map(ToString::to_string))
}
