//! Options and progress of a run. Nothing here affects the bytes that are written.

mod memory;
mod options;
mod progress;
mod source_options;

pub(crate) use memory::{Memory, SMALL, Share};
pub use options::{History, MaxErrors, Mode, OnChanged, OnError, Overwrite, RunOptions, SmallClasses, Writers};
pub use progress::Progress;
pub use source_options::{KeySource, OnMissing, SourceOptions, StorageOptions, StoreKeys};
