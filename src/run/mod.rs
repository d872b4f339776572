//! How a run is carried out: nothing here decides bytes.

mod options;
mod progress;

pub use options::{History, MaxErrors, Mode, OnChanged, OnError, Overwrite, RunOptions, SmallClasses};
pub use progress::Progress;
