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
//! A [`Spec`] holds the settings that decide the bytes of a dataset; [`RunOptions`] holds all others. The files are
//! described in `ARCHITECTURE.md`.
//!
//! # Memory
//!
//! Upper limit of the memory of a run, in bytes:
//!
//! ```text
//!   2 * row group (16 MiB) + 4 * threads * page (1.25 MiB)     pixels on their way to the file
//! + threads * (8 MiB + file + 3 * decoded image)               buffers of a thread, kept for its largest image
//!                                                              (of 4 bytes a sample, unless tensors are u8)
//! + inputs * (48 + length of the key)                          the records and the plan
//! ```
//!
//! With encoded images, the first line becomes three row groups (each at least one image) and 4 pages of 8 images for
//! each thread. If files are stored unchanged, it becomes 4 MiB (or one file, if larger) in the place of a page, and a
//! record takes 4 more bytes.
//!
//! [`repack`] takes two row groups, plus the memory to read one page of every column of a Parquet source. Arrow sources
//! are mapped, but a compressed record batch is held in memory as a whole.

#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used))]

#[cfg(feature = "cli")]
pub mod cli;
mod commands;
mod commit;
mod error;
mod image;
mod pipeline;
mod plan;
mod run;
mod source;

pub use inlaid_format::read;
use inlaid_format::{dataset, format, spec};

pub use commands::append::{append, append_from};
pub use commands::compact::compact;
pub use commands::convert::{convert, convert_from};
pub use commands::repack::{RepackSummary, repack};
pub use commands::rollback::rollback;
pub use commands::summary::{SplitSummary, Summary};
pub use commands::verify::{Problem, Verification, verify};
pub use error::{Error, FormatError, RecordError, RepackError};
pub use image::recipe::Recipe;
pub use inlaid_format::format::catch_panic::is_contained;
pub use inlaid_format::spec::*;
pub use inlaid_format::{
    Batches, Bin, CARD, Checksum, Dataset, FORMAT_VERSION, MANIFEST, Manifest, Moments, REJECTS, Reject, Sha256,
    ShardInfo, Snapshot, SplitInfo, Stage, Statistics, Table, Unfinished,
};
pub use plan::split::SmallClass;
pub use run::{History, MaxErrors, Mode, OnChanged, OnError, Overwrite, Progress, RunOptions, SmallClasses};
pub use source::{Files, FolderSource, Ignored, ImageRef, Listing, Notice, Record, Source};
