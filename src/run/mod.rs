//! Options and progress of a run. Nothing here affects the bytes that are written.

mod options;
mod progress;

pub use options::{History, MaxErrors, Mode, OnChanged, OnError, Overwrite, RunOptions, SmallClasses};
pub use progress::Progress;
