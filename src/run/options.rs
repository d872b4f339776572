//! How a run is carried out.

use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::Arc;
use std::thread;

use crate::dataset::reject::Reject;
use crate::error::Error;
use crate::run::progress::Progress;
use crate::spec::Folders;

/// How a run is carried out.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
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
    /// Default: [`Mode::Write`].
    pub mode: Mode,
    /// Counts while the run goes on, and can stop it.
    pub progress: Arc<Progress>,
}

impl RunOptions {
    /// The most threads. Beyond the number of cores they cost memory and gain nothing.
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

/// Whether a run writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It does.
    #[default]
    Write,
    /// It lists and splits the sources, decodes nothing, writes nothing, and returns what it would do.
    DryRun,
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
