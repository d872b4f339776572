//! What a run did.

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

/// What a run did, or with a dry run would do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Whether nothing was decoded and written.
    pub dry_run: bool,
    /// Whether the dataset is another than before.
    pub committed: bool,
    /// Image files found: `rows + unchanged + rejects`.
    pub inputs: usize,
    /// Rows written by this run.
    pub rows: usize,
    /// Inputs that were rows of the dataset already.
    pub unchanged: usize,
    /// Inputs that are no rows.
    pub rejects: usize,
    /// How many of them for each reason ([`crate::RecordError::code`]).
    pub rejects_by_reason: BTreeMap<Cow<'static, str>, usize>,
    /// How many classes the dataset has.
    pub classes: usize,
    /// The classes of the new images that are too small for exact fractions.
    pub small_classes: Vec<SmallClass>,
    /// What each split holds now.
    pub splits: BTreeMap<Split, SplitSummary>,
    /// Files that are no inputs.
    pub ignored: Ignored,
    /// What a user may want to know about the sources.
    #[serde(serialize_with = "as_strings")]
    pub notices: Vec<Notice>,
    /// From the first look at the source to the end of the commit.
    pub seconds: f64,
    /// Inputs that were not rows already, by seconds.
    pub images_per_second: f64,
}

/// What a split holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SplitSummary {
    /// How many rows.
    pub rows: usize,
    /// How many of them this run has written.
    pub added: usize,
    /// Length of its files; in a dry run, new ones counted by their pixels.
    pub bytes: u64,
    /// How many files.
    pub shards: usize,
}

impl Summary {
    /// What became of the inputs of `listing` and of `unchanged` others.
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
    /// What the splits hold after a run, and what they got in it.
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

/// How many rejects there are for each reason.
pub(crate) fn count_reasons(rejects: &[Reject]) -> BTreeMap<Cow<'static, str>, usize> {
    let mut counts = BTreeMap::new();
    for reject in rejects {
        *counts.entry(reject.reason.clone()).or_default() += 1;
    }
    counts
}

fn as_strings<S: serde::Serializer>(notices: &[impl fmt::Display], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(notices.iter().map(ToString::to_string))
}
