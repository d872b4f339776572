//! Options and progress of a run. Nothing here affects the bytes that are written.

mod memory;
mod options;
mod progress;

pub(crate) use memory::{Memory, SMALL, Share};
pub use options::{History, MaxErrors, Mode, OnChanged, OnError, Overwrite, RunOptions, SmallClasses};
pub use progress::Progress;
