//! How a run is carried out: nothing here decides bytes. What it tells while it runs, and what it
//! says at the end.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use serde::Serialize;

use crate::apportion::rows_enough;
use crate::discover::{Discovery, Ignored, Notice};
use crate::error::Error;
use crate::manifest::SplitInfo;
use crate::reject::Reject;
use crate::spec::{Folders, Shares, Split};
use crate::split::SmallClass;

/// How a run is carried out.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Threads that decode; one more writes, and mostly waits. At most [`Self::MAX_THREADS`]. Default: one for
    /// every core.
    pub threads: Option<NonZeroUsize>,
    /// Default: [`OnError::Skip`].
    pub on_error: OnError,
    /// How many inputs may be rejected before the run stops. Default: all but the last.
    pub max_errors: Option<MaxErrors>,
    /// Default: [`SmallClasses::Fill`].
    pub small_classes: SmallClasses,
    /// Of a conversion. Default: [`Overwrite::Refuse`].
    pub overwrite: Overwrite,
    /// Of an append. Default: [`OnChanged::Skip`].
    pub on_changed: OnChanged,
    /// Of an append. Default: [`History::Keep`].
    pub history: History,
    /// Of an append: what the top folders of its sources mean, which must be what they meant when the
    /// dataset was made. Default: [`Folders::Auto`].
    pub folders: Option<Folders>,
    /// Counts while the run goes on, and can stop it.
    pub progress: Arc<Progress>,
}

impl RunOptions {
    /// The most threads. Beyond the number of cores they cost memory and gain nothing.
    pub const MAX_THREADS: usize = 1024;

    pub(crate) fn thread_count(&self) -> Result<usize, Error> {
        match self.threads.map(NonZeroUsize::get) {
            Some(threads) if threads > Self::MAX_THREADS => Err(Error::TooManyThreads(threads)),
            Some(threads) => Ok(threads),
            None => Ok(thread::available_parallelism().map_or(1, NonZeroUsize::get).min(Self::MAX_THREADS)),
        }
    }

    /// Whether a run may go on with these rejects, of so many inputs.
    pub(crate) fn check(&self, rejects: &[Reject], inputs: usize) -> Result<(), Error> {
        let Some(last) = rejects.last() else { return Ok(()) };
        let (path, detail) = (last.path.clone(), last.detail.clone());
        if self.on_error == OnError::Stop {
            return Err(Error::Rejected { path, detail });
        }
        match self.max_errors.map(|max| max.of(inputs)) {
            Some(limit) if rejects.len() > limit => {
                Err(Error::TooManyRejects { rejects: rejects.len(), inputs, limit, path, detail })
            }
            _ => Ok(()),
        }
    }

    /// Whether a run may go on with these classes, which are too small for exact shares.
    pub(crate) fn check_classes(&self, small: &[SmallClass], shares: &Shares) -> Result<(), Error> {
        let (Some(first), SmallClasses::Stop) = (small.first(), self.small_classes) else { return Ok(()) };
        let (text, enough) = (shares.to_string(), rows_enough(shares));
        Err(match first.class {
            None => Error::TooFewImages { count: first.images, shares: text, enough },
            Some(_) => {
                let named = small.iter().filter_map(|small| Some((small.class.clone()?, small.images)));
                Error::SmallClasses { classes: named.collect(), shares: text, enough }
            }
        })
    }
}

/// What happens when a class has too few images to give each split its exact share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SmallClasses {
    /// Its images fill train, then test, then validation; large classes even out, so that every split has its share of
    /// all images.
    #[default]
    Fill,
    /// The run stops and changes nothing.
    Stop,
}

/// Whether a dataset that is there may be replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overwrite {
    /// It may not.
    #[default]
    Refuse,
    /// It may, whole and at once; other files in the folder stay.
    Dataset,
}

/// What happens when an input has the key of a row, but other bytes than the row was made from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnChanged {
    /// The row stays, and the input becomes a line of `rejects.jsonl`.
    #[default]
    Skip,
    /// The run stops and changes nothing.
    Stop,
}

/// Whether an append can be taken back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum History {
    /// The manifest keeps what the dataset held before: about 200 bytes a shard.
    #[default]
    Keep,
    /// It does not.
    Drop,
}

/// What happens when an input can't become a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// It becomes a line of `rejects.jsonl`.
    #[default]
    Skip,
    /// The run stops; shards that were finished before stay.
    Stop,
}

/// How many rejected inputs are too many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MaxErrors {
    /// More than this many.
    Count(usize),
    /// More than this part of all inputs, 0 to 100.
    Percent(f64),
}

impl MaxErrors {
    pub(crate) fn of(self, inputs: usize) -> usize {
        match self {
            MaxErrors::Count(count) => count,
            MaxErrors::Percent(percent) => (inputs as f64 * percent / 100.0).floor() as usize,
        }
    }
}

impl FromStr for MaxErrors {
    type Err = String;

    /// `100` or `0.5%`.
    fn from_str(text: &str) -> Result<MaxErrors, String> {
        let parsed = match text.strip_suffix('%') {
            Some(percent) => percent.parse().ok().filter(|p| (0.0..=100.0).contains(p)).map(MaxErrors::Percent),
            None => text.parse().ok().map(MaxErrors::Count),
        };
        parsed.ok_or_else(|| format!("`{text}` is not a number such as 100 or a percentage such as 0.5%"))
    }
}

/// Counts while a run goes on; shared with whoever shows them.
#[derive(Debug, Default)]
pub struct Progress {
    total: AtomicUsize,
    done: AtomicUsize,
    rejected: AtomicUsize,
    stopped: AtomicBool,
}

impl Progress {
    /// Inputs to be decoded; 0 until they are known.
    pub fn total(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }

    /// Inputs that are decoded or rejected.
    pub fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// Inputs that are rejected.
    pub fn rejected(&self) -> usize {
        self.rejected.load(Ordering::Relaxed)
    }

    /// Asks the run to stop soon, with [`crate::Error::Interrupted`], or [`crate::Error::Abandoned`] if
    /// it leaves nothing.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    pub(crate) fn begin(&self, total: usize, rejected: usize) {
        self.total.store(total, Ordering::Relaxed);
        self.rejected.store(rejected, Ordering::Relaxed);
    }

    /// So many more are done.
    pub(crate) fn add(&self, done: usize) {
        self.done.fetch_add(done, Ordering::Relaxed);
    }

    pub(crate) fn advance(&self, rejected: bool) {
        self.done.fetch_add(1, Ordering::Relaxed);
        self.rejected.fetch_add(usize::from(rejected), Ordering::Relaxed);
    }
}

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
    /// The classes of the new images that are too small for exact shares.
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
    /// What became of the inputs of `discovery` and of `unchanged` others.
    pub(crate) fn of(
        begin: Instant,
        discovery: &Discovery,
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
            classes: discovery.classes.len(),
            small_classes: Vec::new(),
            splits,
            ignored: discovery.ignored.clone(),
            notices: discovery.notices.clone(),
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
