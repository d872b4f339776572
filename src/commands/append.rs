//! Adds new images to a dataset: the steps, one after the other. What is there stays as it is: its
//! rows, their order, splits and labels.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::commands::planned_run::Inputs;
use crate::commands::summary::{SplitSummary, Summary};
use crate::commit::output::Output;
use crate::commit::overlap::refuse_overlap;
use crate::commit::transaction::{Commits, Run, Transaction};
use crate::dataset::manifest::{Manifest, Snapshot, Unfinished};
use crate::dataset::names::REJECTS;
use crate::dataset::reject::{Reject, read_rejects};
use crate::error::{Error, FormatError, RecordError};
use crate::format::sha256::Sha256;
use crate::format::shard::{Footer, StoredRow};
use crate::image::recipe::Recipe;
use crate::pipeline;
use crate::plan::Tails;
use crate::run::{History, Mode, OnChanged, RunOptions};
use crate::source::{FolderSource, Listing, Notice, Record, Source, reject};
use crate::spec::{Folders, Spec};

/// Adds the images in the folders `sources` whose keys are not yet in the dataset in the folder `out`, made as its other
/// rows were. Shards are committed as they are finished: an append that was interrupted is continued by the same append,
/// and ends with the bytes that it would have had.
///
/// # Errors
/// If there is no dataset, it is damaged, a source is unfit, or the run is stopped; the dataset then
/// holds what it held, and the shards that were finished.
pub fn append<P: AsRef<Path>>(sources: &[P], out: impl AsRef<Path>, options: &RunOptions) -> Result<Summary, Error> {
    append_from(&FolderSource::new(sources)?, out, options)
}

/// As [`append`], of the images of any source.
///
/// # Errors
/// As [`append`].
pub fn append_from(source: &dyn Source, out: impl AsRef<Path>, options: &RunOptions) -> Result<Summary, Error> {
    let (begin, out) = (Instant::now(), out.as_ref());
    refuse_overlap(source.paths(), out)?;
    match options.mode {
        Mode::Write => write(begin, source, out, options),
        Mode::DryRun => foresee(begin, source, out, options),
    }
}

fn write(begin: Instant, source: &dyn Source, out: &Path, options: &RunOptions) -> Result<Summary, Error> {
    let (output, there) = Output::open(out)?;
    let pool = pipeline::threads(options)?;
    let share_blocks = output.shares_blocks();
    let mut append = Append::new(source, out, &there, share_blocks, options, &pool)?;
    let kept = append.kept_rejects(read_rejects(&out.join(REJECTS))?);
    // Of the whole plan: also that of a run that is interrupted and continued more than once.
    let run = Run { checksum: append.inputs.checksum(), shards: append.inputs.shards() };
    let rejects = append.inputs.skip_finished(append.unfinished, out)?;

    let manifest = append.manifest(&there);
    let mut transaction =
        Transaction::new(output, manifest, Commits::EachShard, append.inputs.recipe.layout(), run, kept);
    let rejects = append.inputs.write(source, &pool, options, &mut transaction, rejects)?;
    if options.history == History::Drop {
        transaction.drop_history();
    }
    let committed = transaction.is_changed(&rejects)?;
    let after = if committed { transaction.finish(&rejects)? } else { there.clone() };
    let splits = SplitSummary::of(&there.snapshot.splits, &after.snapshot.splits);
    Ok(Summary { committed, ..append.inputs.summary(begin, append.unchanged_rows(), &rejects, splits) })
}

/// What an append would do: lists the source and compares it with the dataset, decodes nothing, writes nothing.
fn foresee(begin: Instant, source: &dyn Source, out: &Path, options: &RunOptions) -> Result<Summary, Error> {
    let there = Manifest::read(out)?.ok_or_else(|| FormatError::NoDataset(out.to_owned()))?;
    let pool = pipeline::threads(options)?;
    let mut append = Append::new(source, out, &there, false, options, &pool)?;
    let rejects = append.inputs.skip_finished(append.unfinished, out)?;
    Ok(append.inputs.dry_summary(begin, append.unchanged_rows(), &rejects, &there.snapshot.splits))
}

/// What an append adds to a dataset.
struct Append {
    inputs: Inputs,
    /// The version that it adds to.
    base: Snapshot,
    /// The run that it continues.
    unfinished: Option<Unfinished>,
    /// Whether another run was interrupted that nobody will continue.
    gives_up: bool,
    /// The keys, sorted, of inputs that were rows of the base already.
    unchanged: Vec<Box<str>>,
    /// Rows that the run had added when it was interrupted.
    added: usize,
}

impl Append {
    fn new(
        source: &dyn Source,
        folder: &Path,
        there: &Manifest,
        share_blocks: bool,
        options: &RunOptions,
        pool: &rayon::ThreadPool,
    ) -> Result<Append, Error> {
        let recipe = Recipe::new(&there.spec)?;
        let to = |base: &Snapshot| {
            let spec = &there.spec;
            let mut listing = list(source, spec, options)?;
            let stored = find_rows(folder, there, base, &listing.records)?;
            let unchanged = set_aside(source, &mut listing, &stored, spec, options, pool)?;
            add_classes(&mut listing, &base.classes);
            let inputs = Inputs::new(
                source,
                listing,
                recipe.clone(),
                options,
                pool,
                (base, unchanged.len()),
                &tails(base, share_blocks),
            )?;
            Ok::<_, Error>(Append {
                inputs,
                base: base.clone(),
                unfinished: None,
                gives_up: false,
                unchanged,
                added: 0,
            })
        };
        if let (Some(unfinished), Some(previous)) = (there.unfinished, &there.previous) {
            let same = to(previous)?;
            if same.inputs.checksum() == unfinished.run {
                let added = there.snapshot.rows() - previous.rows();
                return Ok(Append { unfinished: Some(unfinished), added, ..same });
            }
        }
        let mut append = to(&there.snapshot)?;
        append.gives_up = there.unfinished.is_some();
        if append.gives_up {
            append.inputs.listing.notices.push(Notice::GivenUp);
        }
        Ok(append)
    }

    /// How many inputs are rows already.
    fn unchanged_rows(&self) -> usize {
        self.unchanged.len() + self.added
    }

    /// The rejects of earlier runs that this one does not judge again.
    fn kept_rejects(&self, mut earlier: Vec<Reject>) -> Vec<Reject> {
        let Listing { records, rejects, .. } = &self.inputs.listing;
        let rejects: HashSet<&str> = rejects.iter().map(|reject| &*reject.path).collect();
        let duplicate = RecordError::DuplicateKey(PathBuf::new()).code();
        earlier.retain(|Reject { path, reason, .. }| {
            // A row's file may be what it was again; that does not excuse one of the same key elsewhere.
            let as_it_was = self.unchanged.binary_search_by(|key| (**key).cmp(path)).is_ok() && reason != duplicate;
            let is_record = records.binary_search_by(|record| (*record.key).cmp(path)).is_ok();
            !as_it_was && !is_record && !rejects.contains(&**path)
        });
        earlier
    }

    /// The manifest that the append begins with.
    fn manifest(&self, there: &Manifest) -> Manifest {
        let mut manifest = there.clone();
        manifest.tool = format!("inlaid {}", env!("CARGO_PKG_VERSION"));
        if self.unfinished.is_none() {
            if self.gives_up && there.previous.is_none() {
                manifest.conversion = None;
            }
            manifest.unfinished = None;
            manifest.previous = Some(self.base.clone());
            manifest.snapshot.dataset_version += 1;
        }
        manifest.snapshot.classes.clone_from(&self.inputs.listing.classes);
        manifest
    }
}

/// The inputs of an append: their folders must mean what those of the dataset did.
fn list(source: &dyn Source, spec: &Spec, options: &RunOptions) -> Result<Listing, Error> {
    let folders = options.folders.unwrap_or(Folders::Auto);
    let mut as_asked = spec.clone();
    as_asked.folders = folders;
    let listing = source.list(&as_asked)?;
    match listing.folders {
        Some(found_folders) if listing.inputs() > 0 && found_folders != spec.folders => {
            let source_folder = Listing::first_path(source.paths());
            Err(Error::OtherFolders { source_folder, found_folders, folders: spec.folders })
        }
        _ => Ok(listing),
    }
}

/// The last shard of every split.
fn tails(base: &Snapshot, share_blocks: bool) -> Tails {
    let shards = base.splits.iter().filter_map(|(split, info)| Some((*split, info.shards.last()?.clone())));
    Tails { shards: shards.collect(), share_blocks }
}

/// Which of the records, sorted by key, are rows already, and the hash of the file they were made of.
fn find_rows(
    folder: &Path,
    there: &Manifest,
    base: &Snapshot,
    records: &[Record],
) -> Result<BTreeMap<usize, Option<Sha256>>, Error> {
    let mut found = BTreeMap::new();
    for (split, info) in &there.snapshot.splits {
        // Rows behind those of the base were added since.
        let mut left = base.splits.get(split).map_or(0, |base| base.rows);
        for shard in &info.shards {
            let path = folder.join(&shard.file);
            let mut find = |row: StoredRow<'_>| {
                if left > 0 {
                    left -= 1;
                    if let Ok(index) = records.binary_search_by(|record| (*record.key).cmp(row.path)) {
                        found.insert(index, row.sha256);
                    }
                }
            };
            Footer::of_shard(&path, shard, there.spec.format)?.visit_rows(&mut find)?;
        }
    }
    Ok(found)
}

/// Takes the records that are rows already out of the listing; those whose files are not what their
/// rows were made of are rejected. The keys, sorted, of those that are as they were.
fn set_aside(
    source: &dyn Source,
    listing: &mut Listing,
    stored: &BTreeMap<usize, Option<Sha256>>,
    spec: &Spec,
    options: &RunOptions,
    pool: &rayon::ThreadPool,
) -> Result<Vec<Box<str>>, Error> {
    let records = std::mem::take(&mut listing.records).into_iter().enumerate();
    let (known, new): (Vec<_>, Vec<_>) = records.partition(|(index, _)| stored.contains_key(index));
    listing.records = new.into_iter().map(|(_, record)| record).collect();
    let known: Vec<Record> = known.into_iter().map(|(_, record)| record).collect();
    let hashes = pipeline::hash_files(source, &known, spec, pool, &options.progress)?;
    let mut unchanged = Vec::new();
    for ((record, hash), stored) in known.into_iter().zip(hashes).zip(stored.values()) {
        match hash {
            Ok(hash) if *stored == Some(hash) => unchanged.push(record.key),
            Ok(_) if options.on_changed == OnChanged::Stop => {
                return Err(Error::ContentChanged { path: record.key.into() });
            }
            Ok(_) => listing.rejects.push(reject(record.key, &RecordError::ContentChanged)),
            Err(error) => listing.rejects.push(reject(record.key, &error)),
        }
    }
    Ok(unchanged)
}

/// Gives the classes of the records the ids that they have in the dataset, and new ones the next ids,
/// in the order of their names.
fn add_classes(listing: &mut Listing, there: &[String]) {
    let names = &listing.classes;
    let used: BTreeSet<u32> = listing.records.iter().filter_map(|record| record.label).collect();
    let used = used.into_iter().map(|label| &names[label as usize]);
    let mut classes = there.to_vec();
    classes.extend(used.filter(|name| !there.contains(name)).cloned());
    let ids: BTreeMap<&String, u32> = classes.iter().zip(0..).collect();
    for record in &mut listing.records {
        record.label = record.label.map(|label| ids[&names[label as usize]]);
    }
    listing.classes = classes;
}
