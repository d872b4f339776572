//! How a run is carried out: nothing here decides bytes.

mod options;
mod progress;

pub use options::{History, MaxErrors, OnChanged, OnError, Overwrite, RunOptions};
pub use progress::Progress;
