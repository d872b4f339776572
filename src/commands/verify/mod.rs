//! Reads every byte of a dataset back and reports all problems.

mod files;
mod rows;

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::time::Instant;

use rayon::prelude::*;
use serde::Serialize;

use crate::commit::recovery::complete_commit_with;
use crate::dataset::manifest::Manifest;
use crate::dataset::names::is_committing;
use crate::error::{Error, FormatError};
use crate::format::columns::Columns;
use crate::format::files::Files;
use crate::format::row_layout::RowLayout;
use crate::format::shard::{Footer, ShardInfo};
use crate::pipeline;
use crate::remote::files_at;
use crate::run::{Progress, RunOptions};
use crate::source::{Listing, Source};
use crate::spec::{Folders, Spec};
use rows::Rows;

/// The result of verifying a dataset.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verification {
    /// Problems found, sorted; empty if the dataset is intact.
    pub problems: Vec<Problem>,
    /// Remarks, in words: a card that people have edited, and files in the folders of splits that an operating system
    /// left there, which are no damage, but which some readers stop at.
    pub notices: Vec<String>,
    /// Number of rows read.
    pub rows: usize,
    /// Number of shards read.
    pub shards: usize,
    /// Total length of the shards, in bytes.
    pub bytes: u64,
    /// Number of source files compared with their rows.
    pub sources: usize,
    /// Duration, in seconds.
    pub seconds: f64,
    /// Whether the run that writes the dataset is incomplete, so that rows are still missing.
    pub unfinished: bool,
}

/// A problem with a dataset.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Path of the file, relative to the dataset's folder or a source.
    pub file: String,
    /// Description of the problem, in words.
    pub problem: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.file, self.problem)
    }
}

/// Reads every byte of the dataset in `folder` and verifies its checksums. Checks every page, and that keys are unique,
/// labels are in range, and counts match the manifest. With a `source`, checks that its files are those that the rows
/// were made from. Completes the last commit first if that was interrupted. Progress counts rows, those of shards and
/// then those of sources.
///
/// # Errors
/// If `folder` is not a dataset, is in a commit that can't be completed, its manifest can't be read, or the dataset
/// changes in the meantime; [`Error::Abandoned`] if it was asked to stop.
pub fn verify(
    folder: impl AsRef<Path>,
    source: Option<&dyn Source>,
    options: &RunOptions,
) -> Result<Verification, Error> {
    let (begin, folder) = (Instant::now(), folder.as_ref());
    let files = files_at(folder, &options.source.storage)?;
    complete_commit_with(folder, &options.source.storage)?;
    let manifest = Manifest::read_from(&*files)?.ok_or_else(|| FormatError::NoDataset(folder.to_owned()))?;
    let layout = RowLayout::new(&manifest.spec)?;
    let shards: Vec<&ShardInfo> = manifest.snapshot.shards().collect();
    let tasks = if source.is_some() { manifest.snapshot.rows() } else { shards.len() };
    let pool = pipeline::threads(options, tasks)?;
    let columns = Columns::new(&layout, &manifest.spec, &manifest.snapshot.classes);
    let (rows, progress) = (manifest.snapshot.rows(), &*options.progress);
    progress.begin(if source.is_some() { 2 * rows } else { rows }, 0);
    let read = |shard: &&ShardInfo| read_back(&*files, shard, &columns, &layout, progress);
    let outcomes: Vec<Result<(), String>> = pool.install(|| shards.par_iter().map(read).collect());
    progress.go_on()?;
    let mut found = Findings::default();
    let mut readable = BTreeSet::new();
    for (shard, outcome) in shards.iter().zip(outcomes) {
        match outcome {
            Ok(()) => drop(readable.insert(&*shard.file)),
            Err(problem) => found.add(&shard.file, problem),
        }
    }

    if let Some(source) = source {
        source.prepare(Some(&std::env::temp_dir()), &manifest.spec.limits)?;
    }
    let listing = source.map_or_else(|| Ok(Listing::default()), |source| source.list(&keys_alone(&manifest.spec)))?;
    let mut rows = Rows { records: &listing.records, ..Rows::default() };
    for (&split, info) in &manifest.snapshot.splits {
        found.check_split(&*files, split, info, &manifest, &readable, &mut rows);
    }
    found.check_files(&*files, &manifest)?;
    let Rows { keys, sources: made_of, missing, first_missing, .. } = rows;
    let compared = made_of.len();
    if let Some(source) = source {
        found.tell_missing(&first_missing, missing);
        found.check_sources(source, &listing, made_of, &manifest, &pool, options)?;
    }
    let is_committing = files.folder().is_some_and(is_committing);
    if is_committing || Manifest::read_from(&*files)?.as_ref() != Some(&manifest) {
        return Err(Error::ChangedMeanwhile(folder.to_owned()));
    }
    found.problems.sort();
    found.notices.sort();
    Ok(Verification {
        problems: found.problems,
        notices: found.notices,
        rows: keys.values().sum(),
        shards: shards.len(),
        bytes: shards.iter().map(|shard| shard.bytes).sum(),
        sources: compared,
        seconds: begin.elapsed().as_secs_f64(),
        unfinished: manifest.unfinished.is_some(),
    })
}

/// Reads every byte of a shard, checks it and counts its rows. The error describes the first problem. Ends early if it
/// was asked to stop.
pub(crate) fn read_back(
    files: &dyn Files,
    shard: &ShardInfo,
    columns: &Columns,
    layout: &RowLayout,
    progress: &Progress,
) -> Result<(), String> {
    let footer = Footer::of_dataset(files, shard, columns).map_err(without_path)?;
    let mut buffer = Vec::new();
    for number in (0..footer.row_groups().len()).take_while(|_| !progress.is_stopped()) {
        let row_group = footer.read_row_group(number, &mut buffer).map_err(without_path)?;
        let checked = footer.check_pages(number, row_group, layout.tensors());
        checked.map_err(|why| format!("row group {number}: {why}"))?;
        progress.add(footer.row_groups()[number].rows);
    }
    Ok(())
}

/// The problem with a file, without the path, which is reported next to it.
fn without_path(error: FormatError) -> String {
    match error {
        FormatError::Damaged { reason, .. } => reason,
        FormatError::Io { source, .. } => source.to_string(),
        other => other.to_string(),
    }
}

/// A spec that lists files by their keys: neither what folders mean nor what tables say matters.
fn keys_alone(spec: &Spec) -> Spec {
    let mut keys = spec.clone();
    keys.folders = Folders::None;
    keys.columns.clear();
    keys.tensors.clear();
    keys
}

/// The problems and remarks so far.
#[derive(Default)]
struct Findings {
    problems: Vec<Problem>,
    notices: Vec<String>,
}

impl Findings {
    fn add(&mut self, file: impl Into<String>, problem: impl Into<String>) {
        self.problems.push(Problem { file: file.into(), problem: problem.into() });
    }
}
