//! Turns folders of images into training datasets: decodes and resizes in parallel, and writes
//! fixed-shape tensor columns to Parquet files, one folder per split.
//!
//! ```no_run
//! use inlaid::{RunOptions, Spec, convert};
//!
//! let spec = Spec::new("224".parse()?);
//! let summary = convert(&["photos"], "dataset", &spec, &RunOptions::default())?;
//! println!("{} rows, {} rejects", summary.rows, summary.rejects);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A [`Spec`] holds every setting that affects the bytes of the dataset, [`RunOptions`] all others. The
//! crate [`inlaid_format`] describes and reads the files.
//!
//! # Memory
//!
//! Peak use in bytes, at most:
//!
//! ```text
//!   2 * row group (16 MiB) + 4 * threads * page (1.25 MiB)     pixels waiting to be written
//! + threads * 32 MiB                                           files, images and profiles of a few megabytes
//! + large images                                               at most RunOptions::memory, on all threads together
//! + inputs * (56 + length of the key)                          records and plan
//! ```
//!
//! An image is large if it takes more than 4 MiB. It takes the samples of its file, what its decoder needs besides
//! (twice as much for progressive JPEGs, as much again for TIFF and OpenEXR, up to 15 bytes per pixel for animated
//! WebP), samples of the dataset's channels and depth, upright ones and ones of another color profile if they differ,
//! and twice its file if that has more than 8 MiB. All of this follows from its header. A thread waits for memory
//! before it reads such a file or decodes such an image. For u8 tensors, an image of 100 megapixels takes 0.3 GB as a
//! JPEG or a PNG, and 0.9 GB as a progressive JPEG or a PNG of 16 bits; for f32 tensors, that PNG takes 1.8 GB. Metadata
//! are not read unless they are used: EXIF of up to 1 MiB, and color profiles of up to 4 MiB.
//!
//! With encoded images, the first line becomes 3 row groups (of at least one image each) plus 4 pages of 8 images per
//! thread. With files stored unchanged, a page is 4 MiB or one file, and a record takes 4 more bytes.
//!
//! An output in an object store takes up to 64 MiB more, for parts that are sent, and one row group.
//!
//! Sources in object stores take up to 256 MiB more, for objects that are read ahead, and about 100 bytes for each object.
//!
//! [`repack`] takes two row groups, plus one page of every column of a Parquet source. Arrow sources are mapped; a
//! compressed record batch is decompressed into memory as a whole.

#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used))]

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
mod commands;
mod commit;
mod error;
mod image;
mod items;
#[cfg(feature = "decode")]
mod load;
#[cfg(feature = "report")]
mod look;
mod pipeline;
mod plan;
mod remote;
mod run;
mod source;

pub use inlaid_format::read;
use inlaid_format::{dataset, format, spec};

pub use commands::append::{append, append_from};
pub use commands::card::{CardFiles, CardOptions, card};
pub use commands::change::Change;
pub use commands::commit::commit;
pub use commands::compact::{compact, compact_with};
pub use commands::convert::{convert, convert_from};
pub use commands::info::{Info, info, info_with};
pub use commands::item_summary::ItemSummary;
pub use commands::plan::{PlannedRun, plan};
pub use commands::repack::{RepackSummary, repack};
#[cfg(feature = "report")]
pub use commands::report::{report, report_with};
pub use commands::rollback::{rollback, rollback_with};
#[cfg(feature = "report")]
pub use commands::show::{rejects, show};
pub use commands::summary::{SplitSummary, Summary};
pub use commands::verify::{Problem, Verification, verify};
pub use commands::work::work;
#[doc(hidden)]
pub use commit::pending::abandon;
pub use commit::recovery::complete_commit;
pub use error::{Error, FormatError, LoadError, PlanError, RecordError, RepackError, SourceError, StoreError};
pub use image::recipe::Recipe;
#[doc(hidden)]
pub use inlaid_format::counted;
#[doc(hidden)]
pub use inlaid_format::format::catch_panic::is_contained;
pub use inlaid_format::spec::*;
pub use inlaid_format::{
    About, Batches, Bin, CARD, CardNote, Checksum, Dataset, FORMAT_VERSION, FileInfo, License, MANIFEST, Manifest,
    Moments, REJECTS, Reject, RejectList, Sha256, ShardInfo, Snapshot, SplitInfo, Stage, Statistics, Table, Unfinished,
};
/// The crates whose types are in signatures here.
pub use inlaid_format::{arrow_array, arrow_buffer, arrow_schema, bytes};
#[cfg(feature = "decode")]
#[doc(hidden)]
pub use load::random_resized_crop;
#[cfg(feature = "decode")]
pub use load::{Augment, Crop, LoadOptions, Loader, RandomResizedCrop, decode};
#[cfg(feature = "report")]
pub use look::{Report, ReportOptions, Sheet, Shown, Tile};
pub use plan::split::SmallClass;
pub use remote::Reading;
#[doc(hidden)]
pub use remote::is_url;
pub use run::{
    History, KeySource, MaxErrors, Mode, OnChanged, OnError, OnMissing, Overwrite, Progress, RunOptions, SmallClasses,
    SourceOptions, StorageOptions, StoreKeys, Writers,
};
#[doc(hidden)]
pub use source::stuck_read;
pub use source::{
    ArraySource, FileSource, Files, Ignored, ImageRef, Listing, Location, Notice, OtherLabels, RawChannels, RawOrder,
    RawPixels, RawSample, Record, Source, TableSource, open_source,
};
