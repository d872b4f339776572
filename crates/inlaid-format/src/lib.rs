//! The file format of [inlaid](https://crates.io/crates/inlaid): image tensors stored verbatim in the pages of Parquet
//! files that any tool can read, and a reader that maps them into memory.
//!
//! ```no_run
//! use std::sync::Arc;
//! use inlaid_format::{BatchOptions, Dataset, Epoch, RowOrder, Split};
//!
//! let dataset = Dataset::open("dataset")?;
//! let train = Arc::new(dataset.into_splits().remove(&Split::Train).expect("it has training rows"));
//! for epoch in 0..3 {
//!     let options = BatchOptions::new(64).epoch(Epoch { order: RowOrder::Random, seed: 0, number: epoch });
//!     for batch in train.batches(&options)? {
//!         let tensors = batch?.tensors; // 64 tensors, one after the other
//!     }
//! }
//! # Ok::<(), inlaid_format::Error>(())
//! ```

#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used))]

pub mod dataset;
mod error;
pub mod format;
pub mod read;
pub mod spec;

pub use dataset::card::{About, CardNote, License};
pub use dataset::file_info::FileInfo;
pub use dataset::manifest::{FORMAT_VERSION, Manifest, Snapshot, SplitInfo, Unfinished};
pub use dataset::moments::Moments;
pub use dataset::names::{CARD, MANIFEST, REJECTS};
pub use dataset::reject::{Reject, RejectList};
pub use dataset::statistics::{Bin, Statistics};
pub use error::{Error, Stage, counted};
pub use format::sha256::Sha256;
pub use format::shard::{Checksum, ShardInfo};
pub use read::{
    Batch, BatchOptions, Batches, Dataset, Element, Epoch, ImageColumn, RecordBatches, RowOrder, Share, Table,
    TensorColumn, Uneven,
};
pub use spec::*;

/// Re-exports of the crates whose types appear in public signatures.
pub use {arrow_array, arrow_buffer, arrow_schema, bytes};
