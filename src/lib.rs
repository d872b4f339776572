//! Turns folders of images into training datasets: decodes and resizes in parallel and writes
//! fixed-shape tensor columns into Parquet files, one folder for each split.
//!
//! ```no_run
//! use std::path::{Path, PathBuf};
//! use inlaid::{RunOptions, Spec, convert};
//!
//! let spec = Spec::new("224".parse()?);
//! let summary = convert(&[PathBuf::from("photos")], Path::new("dataset"), &spec, &RunOptions::default())?;
//! println!("{} rows, {} rejects", summary.rows, summary.rejects);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What decides bytes is a [`Spec`]; how a run is carried out is in [`RunOptions`]. The files are
//! described in `ARCHITECTURE.md`.
//!
//! # Memory
//!
//! At most, in bytes:
//!
//! ```text
//!   2 * row group (16 MiB) + 4 * threads * page (1.25 MiB)     pixels on their way to the file
//! + threads * (8 MiB + file + 3 * decoded image)               buffers of a thread, kept for its largest image
//!                                                              (of 4 bytes a sample, unless tensors are u8)
//! + inputs * (48 + length of the key)                          the records and the plan
//! ```
//!
//! With encoded images the first line is three times a row group, but at least an image, and 4 pages a thread, each of
//! 8 images; of files that are stored as they are, of 4 MiB or one file, and a record takes 4 bytes more.
//!
//! [`repack`] takes two row groups, what reading one page of every column of a Parquet source takes, and
//! maps Arrow sources; a compressed record batch of those is in memory as a whole.

#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used))]

mod append;
mod apportion;
mod card;
#[cfg(feature = "cli")]
pub mod cli;
pub mod columns;
mod compact;
mod contain;
mod convert;
mod created_folder;
mod decode;
mod discover;
mod disk;
mod draft;
mod element;
mod encoded;
mod error;
mod files;
mod inputs;
mod manifest;
mod moments;
mod new_folder;
mod output;
pub mod page;
mod pipeline;
mod plan;
mod planes;
pub mod read;
mod reject;
mod repack;
mod resize;
mod rollback;
mod run;
mod sha256;
pub mod shard;
mod spec;
mod split;
mod statistics;
pub mod tensor;
mod verify;
mod wide;

pub use append::{append, append_dry_run};
pub use compact::compact;
pub use contain::is_contained;
pub use convert::{convert, dry_run};
pub use discover::{Ignored, Notice};
pub use error::{Error, RecordError, RepackError, SpecError, Stage};
pub use manifest::{FORMAT_VERSION, MANIFEST, Manifest, SplitInfo, Unfinished, Version};
pub use moments::Moments;
pub use read::{Batches, Dataset, Table};
pub use reject::{REJECTS, Reject};
pub use repack::{RepackSummary, repack};
pub use rollback::rollback;
pub use run::{
    History, MaxErrors, OnChanged, OnError, Overwrite, Progress, RunOptions, SmallClasses, SplitSummary, Summary,
};
pub use sha256::Sha256;
pub use shard::{Checksum, ShardInfo};
pub use spec::*;
pub use split::SmallClass;
pub use statistics::{Bin, Statistics};
pub use verify::{Problem, Verification, verify};
