//! Adds new images to a dataset, step by step. Existing rows keep their order, splits and labels.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt8Type;

use crate::commands::planned_run::{Base, Inputs};
use crate::commands::summary::{SplitSummary, Summary};
use crate::commit::output::Output;
use crate::commit::overlap::refuse_overlap;
use crate::commit::transaction::{Commits, Run, Transaction};
use crate::dataset::manifest::{Manifest, Snapshot, Unfinished};
use crate::dataset::names::REJECTS;
use crate::dataset::reject::{Reject, read_rejects};
use crate::error::{Error, FormatError, RecordError};
use crate::format::columns::Columns;
use crate::format::files::Files;
use crate::format::row_layout::RowLayout;
use crate::format::sha256::Sha256;
use crate::format::shard::{Footer, StoredRow};
use crate::image::recipe::Recipe;
use crate::pipeline::{self, Outcome};
use crate::plan::Tails;
use crate::remote::files_at;
use crate::run::{History, Mode, OnChanged, RunOptions};
use crate::source::{Listing, Notice, Record, Source, multi_hot, open_source, reject};
use crate::spec::{Folders, LabelKind, Spec, SplitBy};

/// Adds the images in the folders `sources` to the dataset in the folder `out`, with the settings of its existing rows.
/// Images whose keys are already in the dataset are skipped. Shards are committed as they are finished: repeating an
/// interrupted append resumes it, with the same bytes in the end as without the interruption.
///
/// # Errors
/// If `out` is not a dataset or is damaged, a source is unsuitable, or the run is stopped. The dataset then
/// has its former contents and the shards that were finished.
pub fn append<P: AsRef<Path>>(sources: &[P], out: impl AsRef<Path>, options: &RunOptions) -> Result<Summary, Error> {
    append_from(&*open_source(sources, &options.source)?, out, options)
}

/// Adds images from any source; see [`append`].
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
    let (output, there) = Output::open(out, options)?;
    let files = output.files().clone();
    let share_blocks = output.shares_blocks();
    source.prepare(Some(output.scratch()), &there.spec.limits)?;
    let mut append = Append::new(source, &*files, &there, share_blocks, options)?;
    let kept = append.kept_rejects(read_rejects(&*files, REJECTS)?);
    // The checksum of the whole plan, so that a run can be interrupted and resumed more than once.
    let run = Run { checksum: append.inputs.checksum(), shards: append.inputs.shards() };
    let rejects = append.inputs.skip_finished(append.unfinished, &*files)?;

    let manifest = append.manifest(&there);
    let mut transaction =
        Transaction::new(output, manifest, Commits::EachShard, append.inputs.recipe.layout(), run, kept);
    let Outcome { rejects, truncated } =
        append.inputs.write(source, &append.pool, options, &mut transaction, rejects)?;
    if options.history == History::Drop {
        transaction.drop_history();
    }
    let committed = transaction.is_changed(&rejects)?;
    let after = match committed {
        true => {
            let (after, card) = transaction.finish(&rejects)?;
            append.inputs.listing.notices.extend(card.into_iter().map(Notice::Card));
            after
        }
        false => {
            let card = transaction.into_output().add_croissant(append.inputs.recipe.layout())?;
            append.inputs.listing.notices.extend(card.into_iter().map(Notice::Card));
            there.clone()
        }
    };
    let splits = SplitSummary::of(&there.snapshot.splits, &after.snapshot.splits);
    Ok(Summary { committed, truncated, ..append.inputs.summary(begin, append.unchanged_rows(), &rejects, splits) })
}

/// Reports what an append would do: lists the source and compares it with the dataset, without decoding or writing.
fn foresee(begin: Instant, source: &dyn Source, out: &Path, options: &RunOptions) -> Result<Summary, Error> {
    let files = files_at(out, &options.source.storage)?;
    let there = Manifest::read_from(&*files)?.ok_or_else(|| FormatError::NoDataset(out.to_owned()))?;
    source.prepare(None, &there.spec.limits)?;
    let mut append = Append::new(source, &*files, &there, false, options)?;
    let rejects = append.inputs.skip_finished(append.unfinished, &*files)?;
    Ok(append.inputs.dry_summary(begin, append.unchanged_rows(), &rejects, &there.snapshot.splits))
}

/// A planned append.
struct Append {
    inputs: Inputs,
    pool: rayon::ThreadPool,
    /// Snapshot that the append adds to.
    base: Snapshot,
    /// Interrupted run that the append resumes.
    unfinished: Option<Unfinished>,
    /// Whether the append abandons another run that was interrupted.
    gives_up: bool,
    /// Keys of inputs that are rows of the base already, sorted.
    unchanged: Vec<Box<str>>,
    /// Number of rows that the resumed run had added before it was interrupted.
    added: usize,
}

impl Append {
    fn new(
        source: &dyn Source,
        files: &dyn Files,
        there: &Manifest,
        share_blocks: bool,
        options: &RunOptions,
    ) -> Result<Append, Error> {
        options.thread_count()?;
        let recipe = Recipe::new(&there.spec)?;
        let to = |base: &Snapshot| {
            let spec = &there.spec;
            let mut listing = list(source, spec, options)?;
            let pool = pipeline::threads(options, listing.records.len())?;
            let stored = find_rows(files, there, recipe.layout(), base, &listing.records)?;
            let unchanged = set_aside(source, &mut listing, &stored, spec, options, &pool)?;
            let notices = std::mem::take(&mut listing.notices).into_iter();
            listing.notices = notices.filter_map(|notice| notice.of_new_classes(&base.classes)).collect();
            // The images of classes may have been listed without their table.
            let is_unlabelled = listing.records.iter().all(|record| record.label.is_none());
            if spec.label == LabelKind::Class && is_unlabelled && !listing.records.is_empty() && has_classes(base) {
                listing.notices.push(Notice::NoLabels(listing.records.len()));
            }
            match spec.label {
                LabelKind::MultiHot => match_classes(&mut listing, &base.classes)?,
                _ => add_classes(&mut listing, &base.classes),
            }
            let inputs = Inputs::new(
                source,
                listing,
                recipe.clone(),
                options,
                &pool,
                Base { there: base, unchanged: unchanged.len(), hashes: None },
                &tails(base, share_blocks),
            )?;
            Ok::<_, Error>(Append {
                inputs,
                pool,
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

    /// Number of inputs that are rows already.
    fn unchanged_rows(&self) -> usize {
        self.unchanged.len() + self.added
    }

    /// The rejects of earlier runs that this run does not decide again.
    fn kept_rejects(&self, mut earlier: Vec<Reject>) -> Vec<Reject> {
        let Listing { records, rejects, .. } = &self.inputs.listing;
        let rejects: HashSet<&str> = rejects.iter().map(|reject| &*reject.path).collect();
        let duplicate = RecordError::DuplicateKey(PathBuf::new()).code();
        earlier.retain(|Reject { path, reason, .. }| {
            // A row's file may be restored, which does not resolve a duplicate key in another source.
            let is_unchanged = self.unchanged.binary_search_by(|key| (**key).cmp(path)).is_ok() && reason != duplicate;
            let is_record = records.binary_search_by(|record| (*record.key).cmp(path)).is_ok();
            !is_unchanged && !is_record && !rejects.contains(&**path)
        });
        earlier
    }

    /// The manifest at the start of the append.
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

/// Lists the inputs of an append. Their top-level folders must have the same meaning as in the original conversion.
fn list(source: &dyn Source, spec: &Spec, options: &RunOptions) -> Result<Listing, Error> {
    let folders = options.folders.unwrap_or(Folders::Auto);
    let mut as_asked = spec.clone();
    as_asked.folders = folders;
    let mut listing = source.list(&as_asked)?;
    // A dataset has the columns of its first sources.
    listing.columns.truncate(spec.columns.len());
    listing.found.clear();
    if !listing.found_tensors.is_empty() {
        let names = listing.found_tensors.drain(..).map(|column| column.name);
        let left = names.map(|name| (name, "the dataset has no such column".to_owned())).collect();
        listing.notices.push(Notice::ColumnsLeft(left));
    }
    listing.check(spec)?;
    if spec.split_by != Some(SplitBy::Folder) {
        listing.notices.retain(|notice| !notice.is_of_splits());
    }
    let kind = listing.labels.as_ref().map_or(LabelKind::Class, |labels| labels.kind);
    let is_labelled = listing.labels.is_some() || listing.records.iter().any(|record| record.label.is_some());
    if kind != spec.label && (is_labelled || spec.label != LabelKind::Class && listing.inputs() > 0) {
        return Err(Error::OtherLabels { kind: spec.label, found: kind });
    }
    match listing.folders {
        Some(found_folders) if listing.inputs() > 0 && found_folders != spec.folders => {
            let source_folder = Listing::first_path(source.paths());
            Err(Error::OtherFolders { source_folder, found_folders, folders: spec.folders })
        }
        _ => Ok(listing),
    }
}

/// Whether rows have labels.
fn has_classes(base: &Snapshot) -> bool {
    base.splits.values().any(|info| info.labels.iter().any(|rows| *rows > 0))
}

/// The last shard of every split.
fn tails(base: &Snapshot, share_blocks: bool) -> Tails {
    let shards = base.splits.iter().filter_map(|(split, info)| Some((*split, info.shards.last()?.clone())));
    Tails { shards: shards.collect(), share_blocks }
}

/// Finds the records, sorted by key, that are rows already. Returns the stored hash of the source file by the record's
/// index.
fn find_rows(
    files: &dyn Files,
    there: &Manifest,
    layout: &RowLayout,
    base: &Snapshot,
    records: &[Record],
) -> Result<BTreeMap<usize, Option<Sha256>>, Error> {
    let columns = Columns::new(layout, &there.spec, &there.snapshot.classes);
    let mut found = BTreeMap::new();
    for (split, info) in &there.snapshot.splits {
        // Rows after those of the base were added since.
        let mut left = base.splits.get(split).map_or(0, |base| base.rows);
        for shard in &info.shards {
            let mut find = |row: StoredRow<'_>| {
                if left > 0 {
                    left -= 1;
                    if let Ok(index) = records.binary_search_by(|record| (*record.key).cmp(row.path)) {
                        found.insert(index, row.sha256);
                    }
                }
            };
            Footer::of_dataset(files, shard, &columns)?.visit_rows(&mut find)?;
        }
    }
    Ok(found)
}

/// Removes the records that are rows already from the listing. A record whose file has changed since its row was
/// written is rejected. Returns the keys of the unchanged records, sorted.
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
    let hashes = pipeline::hash_files(source, &known, spec, pool, options, &|_| ())?;
    let mut unchanged = Vec::new();
    for ((record, hash), stored) in known.into_iter().zip(hashes).zip(stored.values()) {
        match hash {
            Ok(hash) if *stored == Some(hash) => unchanged.push(record.key),
            Err(RecordError::OnlyListed) => unchanged.push(record.key),
            Ok(_) if options.on_changed == OnChanged::Stop => {
                return Err(Error::ContentChanged { path: record.key.into() });
            }
            Ok(_) => listing.rejects.push(reject(record.key, &RecordError::ContentChanged)),
            Err(error) => listing.rejects.push(reject(record.key, &error)),
        }
    }
    Ok(unchanged)
}

/// Changes labels of any number of classes to those of the dataset, whose columns have a place for each of its classes.
///
/// # Errors
/// If there are other classes.
fn match_classes(listing: &mut Listing, there: &[String]) -> Result<(), Error> {
    let Some(labels) = &mut listing.labels else { return Ok(()) };
    let place = |name: &String| there.iter().position(|class| class == name).ok_or_else(|| name.clone());
    let (places, new): (Vec<_>, Vec<_>) = listing.classes.iter().map(place).partition(Result::is_ok);
    if !new.is_empty() {
        return Err(Error::NewClasses(new.into_iter().filter_map(Result::err).collect()));
    }
    let places: Vec<usize> = places.into_iter().filter_map(Result::ok).collect();
    let old = labels.values.as_fixed_size_list();
    let old_values = old.values().as_primitive::<UInt8Type>().values();
    let mut values = vec![0; old.len() * there.len()];
    for (row, classes) in old_values.chunks(places.len().max(1)).enumerate() {
        places.iter().zip(classes).for_each(|(place, value)| values[row * there.len() + place] = *value);
    }
    labels.values = multi_hot(values, there.len());
    listing.classes = there.to_vec();
    Ok(())
}

/// Changes the labels of the records to those of the dataset. New classes follow the existing ones, in the order of
/// their names.
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
