//! A plan that is written down, so that any process on any machine can make its shards: the items that it consists of, and
//! what became of them. One item is one shard.
//!
//! The files of a run lie in `.inlaid/runs/ID` of the dataset that it makes, on a disk or below a URL:
//!
//! ```text
//! plan.jsonl                 what was planned; written last
//! rejects-F.jsonl            inputs that the plan leaves out
//! items/00000-F.items        records of several items, with the places of their images
//! attempts/                  shards that are being made, or the uploads that they are
//! done/000017-F.jsonl        what became of item 17
//! ```
//!
//! F is the fingerprint of the sources, so that what was made of others counts for nothing. Every file tells whether it is
//! damaged.
//!
//! Nothing here needs a lock. Whoever works on an item begins an attempt of its own, and replaces the record of the item
//! when that is complete: attempts make the same bytes, so it does not matter which of them is the last.

mod folder_run;
mod header;
mod item;
mod item_files;
mod outcome;
mod run_files;
mod sealed;
mod written_plan;

#[cfg(feature = "remote")]
mod bucket_run;

pub(crate) use header::{Header, Reading, RejectLimits, Sources, features};
pub(crate) use item::{Item, Origin};
pub(crate) use item_files::ItemFiles;
pub(crate) use outcome::{Made, Outcome};
pub(crate) use run_files::{Attempt, RunFiles, remove_runs, run_files};
pub(crate) use written_plan::{Found, WrittenPlan, name_of, path_of};
