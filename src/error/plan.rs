//! Why a written plan can't be used.

use thiserror::Error as ThisError;

/// Reason that a written plan can't be used, or not yet.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum PlanError {
    /// A place without a plan.
    #[error("there is no plan")]
    Missing,
    /// A file that is not what a plan consists of.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// A plan of another release, or of a build with other features: it might make other bytes.
    #[error("it was made by {planned}, and this is {here}")]
    OtherBuild {
        /// Release that planned, with its features.
        planned: String,
        /// This release, with its features.
        here: String,
    },
    /// An item that the plan does not have.
    #[error("it has no item {item}: its {items} items are numbered from 0")]
    NoItem {
        /// Number that was asked for.
        item: usize,
        /// Number of items.
        items: usize,
    },
    /// A commit before all items are done.
    #[error("{missing} of {items} items are not done, the first is item {first}")]
    NotDone {
        /// Number of items that are not done.
        missing: usize,
        /// Number of all items.
        items: usize,
        /// The first that is not done.
        first: usize,
    },
    /// Shards that are not there any more.
    #[error("{}", gone(.0))]
    ShardsGone(Vec<usize>),
    /// A commit of a plan whose items only read files.
    #[error("its items only read files, to decide the splits")]
    Scans,
    /// A source that this machine does not have.
    #[error("its source `{0}` is not on this machine")]
    NoSource(String),
    /// An item of which no file can be read: most likely its source is not there.
    #[error("no file of item {item} can be read; the first is `{path}`: {detail}")]
    NothingReadable {
        /// Number of the item.
        item: usize,
        /// Key of its first input.
        path: String,
        /// Reason that it can't be read.
        detail: String,
    },
    /// A source that is another than when it was planned.
    #[error("its source has changed since it was planned")]
    SourceChanged,
    /// A source that does not list an input any more.
    #[error("its source does not list `{0}` any more")]
    InputGone(String),
    /// An output folder with an interrupted conversion.
    #[error("the dataset is an interrupted conversion on one machine")]
    Interrupted,
    /// A dataset that another run has made in the meantime.
    #[error("another run has made the dataset")]
    Superseded,
    /// A setting that a plan can't have.
    #[error("a plan can't {0}")]
    Setting(&'static str),
}

/// ``the shard of item 3 is gone, so the item is not done any more``, or of several items.
fn gone(items: &[usize]) -> String {
    match items {
        [item] => format!("the shard of item {item} is gone, so the item is not done any more"),
        [first, ..] => {
            format!(
                "the shards of {} items are gone, so they are not done any more, the first is item {first}",
                items.len()
            )
        }
        [] => "no shard is gone".to_owned(),
    }
}
