//! Options of a run.

use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::Arc;
use std::thread;

use crate::dataset::reject::Reject;
use crate::error::Error;
use crate::run::progress::Progress;
use crate::run::source_options::SourceOptions;
use crate::spec::{ByteSize, Folders};

/// Options of a run, none of which affect the bytes of a row.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RunOptions {
    /// Number of decoding threads, 1..=[`Self::MAX_THREADS`]; one more thread writes, and mostly waits. Default: one
    /// per core.
    pub threads: Option<NonZeroUsize>,
    /// Most memory that large images may take, on all threads together: their files, and what decoding them takes. A
    /// thread whose image does not fit at the moment waits; an image that would never fit is rejected. Images of a few
    /// megabytes are not counted. Default: half of the memory of the machine or, if that is less, of the control group;
    /// unlimited on systems other than Linux.
    pub memory: Option<ByteSize>,
    /// Reaction to an input that can't become a row. Default: [`OnError::Skip`].
    pub on_error: OnError,
    /// Most inputs that may be rejected before the run stops. Default: all but one.
    pub max_errors: Option<MaxErrors>,
    /// Reaction to classes that are too small for exact fractions. Default: [`SmallClasses::Fill`].
    pub small_classes: SmallClasses,
    /// Treatment of an existing dataset by a conversion. Default: [`Overwrite::Refuse`].
    pub overwrite: Overwrite,
    /// Reaction of an append to a file that has changed since its row was written. Default: [`OnChanged::Skip`].
    pub on_changed: OnChanged,
    /// Whether an append can be rolled back. Default: [`History::Keep`].
    pub history: History,
    /// How the sources are read.
    pub source: SourceOptions,
    /// Meaning of the top folders in an append's sources, which must match the original conversion. Default:
    /// [`Folders::Auto`].
    pub folders: Option<Folders>,
    /// Whether others may write to the dataset at the same time, if it is in an object store. Default:
    /// [`Writers::Several`].
    pub writers: Writers,
    /// Whether the dataset is described in `croissant.json` too, which from then on every change keeps up to date. Default:
    /// only if it is already.
    pub croissant: bool,
    /// Whether the run writes. Default: [`Mode::Write`].
    pub mode: Mode,
    /// Counters of the run, and a way to stop it.
    pub progress: Arc<Progress>,
}

impl RunOptions {
    /// Greatest number of threads. More threads than cores cost memory and gain nothing.
    pub const MAX_THREADS: usize = 1024;

    pub(crate) fn thread_count(&self) -> Result<usize, Error> {
        match self.threads.map(NonZeroUsize::get) {
            Some(threads) if threads > Self::MAX_THREADS => {
                Err(Error::TooManyThreads { threads, most: Self::MAX_THREADS })
            }
            Some(threads) => Ok(threads),
            None => Ok(thread::available_parallelism().map_or(1, NonZeroUsize::get).min(Self::MAX_THREADS)),
        }
    }

    /// Checks whether a run of `inputs` inputs may go on after these rejects.
    pub(crate) fn check(&self, rejects: &[Reject], inputs: usize) -> Result<(), Error> {
        let Some(last) = rejects.last() else { return Ok(()) };
        let (path, detail) = (last.path.clone(), last.detail.clone());
        if self.on_error == OnError::Stop {
            return Err(Error::Rejected { path, detail });
        }
        match self.max_errors.map(|max| max.limit(inputs)) {
            Some(limit) if rejects.len() > limit => {
                Err(Error::TooManyRejects { rejects: rejects.len(), inputs, limit, path, detail })
            }
            _ => Ok(()),
        }
    }
}

/// Reaction to a class with too few images for exact fractions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SmallClasses {
    /// Fill train, then test, then validation. Large classes compensate, so that every split has its fraction of all
    /// images.
    #[default]
    Fill,
    /// Stop, with nothing changed.
    Stop,
}

/// Whether a run writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Write.
    #[default]
    Write,
    /// List and split the sources without decoding or writing, and return what a run would do.
    DryRun,
}

/// Who may write to a dataset in an object store. On a disk, a lock always keeps writers apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Writers {
    /// Several processes, one after the other: writes are conditional, and a store that ignores conditions is refused.
    #[default]
    Several,
    /// Only this process, as its caller makes sure: writes are not conditional.
    Single,
}

/// Treatment of a dataset that is already in the output folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overwrite {
    /// Refuse to run.
    #[default]
    Refuse,
    /// Replace the whole dataset atomically; other files in the folder stay.
    Dataset,
}

/// Reaction to a file that has changed since its row was written: an input with the key of a row, but other bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnChanged {
    /// Keep the row, and list the input in `rejects.jsonl`.
    #[default]
    Skip,
    /// Stop, with nothing changed.
    Stop,
}

/// Whether an append can be rolled back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum History {
    /// Keep the previous snapshot in the manifest: about 200 bytes per shard.
    #[default]
    Keep,
    /// Drop the previous snapshot.
    Drop,
}

/// Reaction to an input that can't become a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// Skip it, and list it in `rejects.jsonl`.
    #[default]
    Skip,
    /// Stop; shards that are already finished stay.
    Stop,
}

/// Most rejected inputs that a run tolerates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MaxErrors {
    /// A number of inputs.
    Count(usize),
    /// A percentage of all inputs, 0 to 100.
    Percent(f64),
}

impl MaxErrors {
    pub(crate) fn limit(self, inputs: usize) -> usize {
        match self {
            MaxErrors::Count(count) => count,
            MaxErrors::Percent(percent) => (inputs as f64 * percent / 100.0).floor() as usize,
        }
    }
}

impl FromStr for MaxErrors {
    type Err = String;

    /// Parses a number such as `100` or a percentage such as `0.5%`.
    fn from_str(text: &str) -> Result<MaxErrors, String> {
        let parsed = match text.strip_suffix('%') {
            Some(percent) => percent.parse().ok().filter(|p| (0.0..=100.0).contains(p)).map(MaxErrors::Percent),
            None => text.parse().ok().map(MaxErrors::Count),
        };
        parsed.ok_or_else(|| format!("`{text}` is not a number such as 100 or a percentage such as 0.5%"))
    }
}
