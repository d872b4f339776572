//! Reads every byte of a dataset back and reports all problems.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::Path;
use std::time::Instant;

use rayon::prelude::*;
use serde::Serialize;
use twox_hash::xxhash3_128;

use crate::commit::ownership::dataset_files;
use crate::commit::recovery::complete_commit_with;
use crate::dataset::file_info::FileInfo;
use crate::dataset::manifest::{Manifest, SplitInfo};
use crate::dataset::names::{CARD, CROISSANT, MANIFEST, REJECTS, is_committing, is_system};
use crate::dataset::reject::read_rejects;
use crate::dataset::{card, croissant};
use crate::error::{Error, FormatError, counted};
use crate::format::columns::Columns;
use crate::format::files::Files;
use crate::format::row_layout::RowLayout;
use crate::format::sha256::Sha256;
use crate::format::shard::{Footer, ShardInfo};
use crate::pipeline;
use crate::remote::files_at;
use crate::run::{Progress, RunOptions};
use crate::source::{Listing, Record, Source};
use crate::spec::{Folders, Format, Spec, Split};

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

/// The footer of a shard, whatever its columns are.
fn footer_of(files: &dyn Files, shard: &ShardInfo, format: Format) -> Result<Footer, FormatError> {
    Footer::of_stored(&files.path(&shard.file), files.open(&shard.file)?, shard, format)
}

/// The problem with a file, without the path, which is reported next to it.
fn without_path(error: FormatError) -> String {
    match error {
        FormatError::Damaged { reason, .. } => reason,
        FormatError::Io { source, .. } => source.to_string(),
        other => other.to_string(),
    }
}

/// What readers that are given the folder of a split do about a system file in it.
fn told_of_system_file(file: &str) -> String {
    let is_hidden = file.rsplit('/').next().is_some_and(|name| name.starts_with(['.', '_']));
    let readers = match is_hidden {
        true => "pyarrow and `datasets` pass over it, polars stops at it",
        false => "`datasets` passes over it, pyarrow and polars stop at it",
    };
    format!("`{file}` was left by an operating system; {readers}")
}

/// A spec that lists files by their keys: neither what folders mean nor what tables say matters.
fn keys_alone(spec: &Spec) -> Spec {
    let mut keys = spec.clone();
    keys.folders = Folders::None;
    keys.columns.clear();
    keys.tensors.clear();
    keys
}

/// Maximum number of rows without a source file to list.
const NAMED: usize = 20;

/// The findings over the rows of all splits.
#[derive(Default)]
struct Rows<'a> {
    /// Number of rows by the XXH3-128 of their key. Among a million keys, two collide with a probability of 2^-88.
    keys: HashMap<u128, usize>,
    /// Source files, sorted by key.
    records: &'a [Record],
    /// Stored hash of the source file of each row, by the index of its record.
    sources: BTreeMap<usize, Option<Sha256>>,
    /// Number of rows without a source file.
    missing: usize,
    /// Keys of the first rows without a source file.
    first_missing: BTreeSet<String>,
}

impl Rows<'_> {
    fn miss(&mut self, key: &str) {
        self.missing += 1;
        self.first_missing.insert(key.to_owned());
        if self.first_missing.len() > NAMED {
            self.first_missing.pop_last();
        }
    }
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

    /// Reads and checks the rows of a split, without their tensors.
    fn check_split(
        &mut self,
        files: &dyn Files,
        split: Split,
        info: &SplitInfo,
        manifest: &Manifest,
        readable: &BTreeSet<&str>,
        rows: &mut Rows<'_>,
    ) {
        let mut labels = vec![0; manifest.snapshot.classes.len()];
        let mut whole = true;
        for shard in &info.shards {
            if !readable.contains(&*shard.file) {
                whole = false;
                continue;
            }
            // One at a time: there may be more shards than the limit of open files.
            let footer = match footer_of(files, shard, manifest.spec.format) {
                Ok(footer) => footer,
                Err(error) => {
                    whole = false;
                    self.add(&shard.file, without_path(error));
                    continue;
                }
            };
            // A shard has the classes of the time when it was written; later classes follow them.
            if footer.classes().is_some_and(|names| !manifest.snapshot.classes.starts_with(&names)) {
                self.add(MANIFEST, format!("its classes differ from those of `{}`", shard.file));
            }
            let (mut count, mut problems) = (0, Vec::new());
            let outcome = footer.visit_rows(&mut |row| {
                count += 1;
                let seen = rows.keys.entry(xxhash3_128::Hasher::oneshot(row.path.as_bytes())).or_default();
                *seen += 1;
                if *seen == 2 {
                    problems.push(format!("duplicate key `{}`", row.path));
                }
                match row.label.map(usize::try_from) {
                    None => {}
                    Some(Ok(label)) if label < labels.len() => labels[label] += 1,
                    Some(_) => problems.push(format!("label of `{}` is out of range", row.path)),
                }
                if row.sha256.is_none() {
                    problems.push(format!("`{}` has an invalid SHA-256", row.path));
                }
                match rows.records.binary_search_by(|record| (*record.key).cmp(row.path)) {
                    Ok(index) => drop(rows.sources.insert(index, row.sha256)),
                    Err(_) => rows.miss(row.path),
                }
            });
            problems.extend(outcome.err().map(without_path));
            if count != shard.rows {
                problems.push(format!("it has {} instead of {}", counted(count, "row"), shard.rows));
            }
            problems.into_iter().for_each(|problem| self.add(&shard.file, problem));
        }
        let counted = |count: fn(&ShardInfo) -> u64| info.shards.iter().map(count).sum::<u64>();
        if counted(|shard| shard.rows as u64) != info.rows as u64 || counted(|shard| shard.bytes) != info.bytes {
            self.add(MANIFEST, format!("rows or bytes of {split} do not match the sum over its shards"));
        }
        let expected = (0..labels.len()).map(|label| info.rows_of(Some(label as u32)));
        if whole && !labels.iter().copied().eq(expected) {
            self.add(MANIFEST, format!("rows per class of {split} do not match its shards"));
        }
    }

    /// Compares the files in the folder with the manifest.
    fn check_files(&mut self, files: &dyn Files, manifest: &Manifest) -> Result<(), Error> {
        let own = dataset_files(manifest);
        for file in &own {
            // A missing shard has been reported already.
            if !manifest.snapshot.shards().any(|shard| shard.file == *file) && !files.exists(file)? {
                self.add(file, "it is missing");
            }
        }
        for (file, info) in &manifest.files {
            self.check_small_file(files, file, info)?;
        }
        for split in Split::ALL {
            for (name, _) in files.entries(split.as_str())? {
                let is_system = is_system(name.as_ref());
                let name = format!("{split}/{name}");
                if is_system {
                    self.notices.push(told_of_system_file(&name));
                } else if !own.contains(&name) {
                    self.add(name, "it was not written by inlaid, but readers take it for part of the dataset");
                }
            }
        }
        match read_rejects(files, REJECTS) {
            // Its checksum tells.
            _ if manifest.files.contains_key(REJECTS) => {}
            Ok(rejects) if rejects.len() != manifest.snapshot.rejects => {
                let expected = manifest.snapshot.rejects;
                self.add(REJECTS, format!("it lists {} instead of {expected}", counted(rejects.len(), "input")));
            }
            Ok(_) => {}
            Err(error) => self.add(REJECTS, error.to_string()),
        }
        if manifest.snapshot.inputs != manifest.snapshot.rows() + manifest.snapshot.rejects {
            self.add(MANIFEST, "its inputs do not match the sum of rows and rejects");
        }
        Ok(())
    }

    /// Compares a file that is not a shard with its entry in the manifest.
    fn check_small_file(&mut self, files: &dyn Files, file: &str, info: &FileInfo) -> Result<(), Error> {
        let bytes = match files.read(file) {
            Ok(Some(bytes)) => bytes,
            // Reported already.
            Ok(None) => return Ok(()),
            Err(error) => {
                self.add(file, without_path(error));
                return Ok(());
            }
        };
        let FileInfo { bytes: length, checksum, .. } = FileInfo::of(&bytes);
        if (length, checksum) == (info.bytes, info.checksum) {
            // What inlaid wrote has a checksum of its own.
            if file == CARD && info.own.is_none() {
                self.notices.push(format!("`{file}` was left as it is by the last change, and may be out of date"));
            }
            return Ok(());
        }
        let own_checksum = if file == CROISSANT { croissant::own_checksum } else { card::own_checksum };
        let own = std::str::from_utf8(&bytes).ok().and_then(own_checksum);
        match info.own.is_some() && own == info.own {
            true => {
                self.notices.push(format!("`{file}` was edited, but what inlaid wrote in it is unchanged"));
            }
            false if file == CARD => {
                self.add(file, "what inlaid wrote (`dataset_info`, `configs`, the marked section) has changed; the next append or `inlaid card` rewrites it");
            }
            false if file == CROISSANT && own.is_some() => {
                self.add(
                    file,
                    "what inlaid wrote (`recordSet` and others) has changed; the next append or `inlaid card` rewrites it",
                );
            }
            false => self.add(file, "its checksum does not match"),
        }
        Ok(())
    }

    /// Compares the source files with the hashes stored in their rows.
    fn check_sources(
        &mut self,
        source: &dyn Source,
        listing: &Listing,
        made_of: BTreeMap<usize, Option<Sha256>>,
        manifest: &Manifest,
        pool: &rayon::ThreadPool,
        options: &RunOptions,
    ) -> Result<(), Error> {
        let records: Vec<Record> = made_of.keys().map(|&index| listing.records[index].clone()).collect();
        let count = |files| options.progress.add(files);
        let hashes = pipeline::hash_files(source, &records, &manifest.spec, pool, options, &count)?;
        for ((record, hash), expected) in records.iter().zip(hashes).zip(made_of.into_values()) {
            match hash {
                Ok(hash) if Some(hash) == expected => {}
                Ok(_) => self.add(&*record.key, "it has changed since its row was written"),
                Err(error) => self.add(&*record.key, error.to_string()),
            }
        }
        Ok(())
    }

    /// Reports rows without a source file.
    fn tell_missing(&mut self, first: &BTreeSet<String>, all: usize) {
        first.iter().for_each(|key| self.add(&**key, "its source file is missing"));
        match all - first.len() {
            0 => {}
            1 => self.add(".", "the source file of 1 more row is missing"),
            n => self.add(".", format!("the source files of {n} more rows are missing")),
        }
    }
}
