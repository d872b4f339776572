//! Makes a dataset from folders of images, step by step.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use crate::commands::planned_run::{Base, Inputs};
use crate::commands::summary::{SplitSummary, Summary};
use crate::commit::output::Output;
use crate::commit::overlap::refuse_overlap;
use crate::commit::ownership;
use crate::commit::transaction::{Commits, Run, Transaction};
use crate::dataset::manifest::{FORMAT_VERSION, Manifest, Snapshot};
use crate::dataset::names::REJECTS;
use crate::dataset::reject::read_rejects;
use crate::error::{Error, StoreError};
use crate::format::files::Files;
use crate::format::sha256::Sha256;
use crate::format::shard::Checksum;
use crate::image::recipe::Recipe;
use crate::items::remove_runs;
use crate::pipeline::{self, Outcome};
use crate::plan::Tails;
use crate::remote::{files_at, is_url};
use crate::run::{Mode, Overwrite, RunOptions};
use crate::source::{Listing, Notice, Source, open_source};
use crate::spec::{Folders, LabelKind, Spec, SpecError, SplitBy, SplitFractions};

/// Converts the images in the folders `sources` into a dataset in the folder `out`. Shards are committed as they are
/// finished: repeating an interrupted conversion resumes it, with the same bytes in the end as without the
/// interruption. Repeating a complete conversion changes nothing.
///
/// # Errors
/// If a setting, a source or the output folder is unsuitable, or the run is stopped. The output folder
/// then has its former contents and the shards that were finished.
pub fn convert<P: AsRef<Path>>(
    sources: &[P],
    out: impl AsRef<Path>,
    spec: &Spec,
    options: &RunOptions,
) -> Result<Summary, Error> {
    convert_from(&*open_source(sources, &options.source)?, out, spec, options)
}

/// Converts images from any source; see [`convert`].
///
/// # Errors
/// As [`convert`].
pub fn convert_from(
    source: &dyn Source,
    out: impl AsRef<Path>,
    spec: &Spec,
    options: &RunOptions,
) -> Result<Summary, Error> {
    let (begin, out) = (Instant::now(), out.as_ref());
    let recipe = Recipe::new(spec)?;
    spec.check_new()?;
    refuse_overlap(source.paths(), out)?;
    match options.mode {
        Mode::Write => write(begin, source, out, recipe, options),
        Mode::DryRun => foresee(begin, source, out, recipe, options),
    }
}

fn write(
    begin: Instant,
    source: &dyn Source,
    out: &Path,
    recipe: Recipe,
    options: &RunOptions,
) -> Result<Summary, Error> {
    if options.overwrite == Overwrite::Dataset && is_url(out) {
        return Err(Error::Store { place: out.to_owned(), reason: StoreError::InPlace("not replaced") });
    }
    let mut output = Output::claim(out, options)?;
    if options.overwrite == Overwrite::Refuse {
        output.check_shards()?;
    }
    source.prepare(Some(output.scratch()), &recipe.spec().limits)?;
    let (mut inputs, pool) = plan(source, recipe, options)?;
    let run = inputs.checksum();

    let first = |run, version| first_manifest(inputs.recipe.spec(), &inputs.listing.classes, run, version);
    let (manifest, commits) = match Start::new(run, output.current(), out, options)? {
        Start::New => (first(run, 1), Commits::EachShard),
        Start::Replaces(old) => (first(run, old.snapshot.dataset_version + 1), Commits::AtEnd),
        Start::Continues(old) => (old.clone(), Commits::EachShard),
        Start::Complete(old) => {
            let mut summary = complete(begin, &inputs, old, &**output.files())?;
            let card = output.add_croissant(inputs.recipe.layout())?;
            summary.notices.extend(card.into_iter().map(Notice::Card));
            return Ok(summary);
        }
    };
    let before = manifest.snapshot.splits.clone();
    let run = Run { checksum: run, shards: inputs.shards() };
    let earlier = inputs.skip_finished(manifest.unfinished, &**output.files())?;
    let unchanged = before.values().map(|info| info.rows).sum();

    let mut transaction = Transaction::new(output, manifest, commits, inputs.recipe.layout(), run, Vec::new());
    let Outcome { rejects, truncated } = inputs.write(source, &pool, options, &mut transaction, earlier)?;
    if transaction.is_empty() {
        let first = rejects.first().expect("inputs without rows are rejects");
        return Err(Error::NothingUsable {
            inputs: inputs.listing.inputs(),
            path: first.path.clone(),
            detail: first.detail.clone(),
        });
    }
    let (manifest, card) = transaction.finish(&rejects)?;
    // Plans for this place, which are of no use any more. They are in nobody's way where they can't be removed.
    let _ = remove_runs(out, &options.source.storage);
    inputs.listing.notices.extend(card.into_iter().map(Notice::Card));
    let splits = SplitSummary::of(&before, &manifest.snapshot.splits);
    Ok(Summary { truncated, ..inputs.summary(begin, unchanged, &rejects, splits) })
}

/// Reports what a conversion would do: lists and splits the source, without decoding or writing.
fn foresee(
    begin: Instant,
    source: &dyn Source,
    out: &Path,
    recipe: Recipe,
    options: &RunOptions,
) -> Result<Summary, Error> {
    let files = files_at(out, &options.source.storage)?;
    let there = match files.folder() {
        Some(folder) => ownership::check(folder)?,
        None => Manifest::read_from(&*files)?,
    };
    source.prepare(None, &recipe.spec().limits)?;
    let (mut inputs, _) = plan(source, recipe, options)?;
    let (unfinished, snapshot) = match Start::new(inputs.checksum(), there.as_ref(), out, options)? {
        Start::New | Start::Replaces(_) => (None, &Snapshot::default()),
        Start::Continues(there) => (there.unfinished, &there.snapshot),
        Start::Complete(there) => return Ok(Summary { dry_run: true, ..complete(begin, &inputs, there, &*files)? }),
    };
    let rejects = inputs.skip_finished(unfinished, &*files)?;
    Ok(inputs.dry_summary(begin, snapshot.rows(), &rejects, &snapshot.splits))
}

/// The state of the output folder at the start of a conversion.
pub(crate) enum Start<'a> {
    /// No dataset.
    New,
    /// A dataset to be replaced.
    Replaces(&'a Manifest),
    /// The unfinished dataset of the same conversion.
    Continues(&'a Manifest),
    /// The complete dataset of the same conversion.
    Complete(&'a Manifest),
}

impl Start<'_> {
    pub(crate) fn new<'a>(
        run: Checksum,
        there: Option<&'a Manifest>,
        out: &Path,
        options: &RunOptions,
    ) -> Result<Start<'a>, Error> {
        Ok(match there {
            None => Start::New,
            Some(there) if options.overwrite == Overwrite::Dataset => Start::Replaces(there),
            Some(there) if there.conversion == Some(run) => match there.unfinished {
                Some(unfinished) if unfinished.run == run => Start::Continues(there),
                _ => Start::Complete(there),
            },
            Some(there) if there.unfinished.is_some() => return Err(Error::OtherConversion(out.to_owned())),
            Some(_) => return Err(Error::OutputExists(out.to_owned())),
        })
    }
}

/// Lists the inputs of a conversion, starts its threads, and plans splits and shards.
fn plan(source: &dyn Source, recipe: Recipe, options: &RunOptions) -> Result<(Inputs, rayon::ThreadPool), Error> {
    let (listing, recipe) = list(source, recipe, options)?;
    plan_listed(source, listing, recipe, None, options)
}

/// Plans splits and shards of these inputs. `hashes` are those of their files, if they are known.
pub(crate) fn plan_listed(
    source: &dyn Source,
    listing: Listing,
    recipe: Recipe,
    hashes: Option<Vec<Sha256>>,
    options: &RunOptions,
) -> Result<(Inputs, rayon::ThreadPool), Error> {
    let pool = pipeline::threads(options, listing.records.len())?;
    let base = Base { there: &Snapshot::default(), unchanged: 0, hashes };
    let inputs = Inputs::new(source, listing, recipe, options, &pool, base, &Tails::default())?;
    Ok((inputs, pool))
}

/// Lists the inputs of a conversion, and resolves the settings that depend on them.
pub(crate) fn list(source: &dyn Source, recipe: Recipe, options: &RunOptions) -> Result<(Listing, Recipe), Error> {
    options.thread_count()?;
    let mut listing = source.list(recipe.spec())?;
    listing.check(recipe.spec())?;
    if listing.inputs() == 0 {
        let no_extension = listing.ignored.other.get("").copied().unwrap_or(0);
        return Err(Error::NoImages { sources: source.paths().to_vec(), no_extension });
    }
    let recipe = resolve(source, recipe, &listing)?;
    if recipe.spec().split_by != Some(SplitBy::Folder) {
        listing.notices.retain(|notice| !notice.is_of_splits());
    }
    Ok((listing, recipe))
}

/// The manifest at the start of a conversion.
pub(crate) fn first_manifest(spec: &Spec, classes: &[String], run: Checksum, dataset_version: u64) -> Manifest {
    let classes = classes.to_vec();
    Manifest {
        format_version: FORMAT_VERSION,
        tool: format!("inlaid {}", env!("CARGO_PKG_VERSION")),
        spec: spec.clone(),
        conversion: Some(run),
        snapshot: Snapshot { dataset_version, classes, ..Snapshot::default() },
        unfinished: None,
        previous: None,
        files: BTreeMap::new(),
    }
}

/// The summary of a conversion that has nothing to do.
fn complete(begin: Instant, inputs: &Inputs, there: &Manifest, files: &dyn Files) -> Result<Summary, Error> {
    let rejects = read_rejects(files, REJECTS)?;
    let splits = SplitSummary::of(&there.snapshot.splits, &there.snapshot.splits);
    Ok(Summary { committed: false, ..inputs.summary(begin, there.snapshot.rows(), &rejects, splits) })
}

/// Resolves the settings that depend on the source, so that the manifest can store them.
fn resolve(source: &dyn Source, recipe: Recipe, listing: &Listing) -> Result<Recipe, Error> {
    let spec = recipe.spec();
    let folders = listing.folders.unwrap_or(Folders::None);
    let rule = spec.split_by.unwrap_or(match folders {
        Folders::Splits => SplitBy::Folder,
        _ => SplitBy::Label,
    });
    if rule == SplitBy::Folder && folders != Folders::Splits {
        return Err(match spec.folders {
            Folders::Auto => Error::NoSplitFolders(Listing::first_path(source.paths())),
            asked => SpecError::FolderRule(asked).into(),
        });
    }
    if rule == SplitBy::Folder && spec.shares != SplitFractions::default() {
        return Err(SpecError::FolderShares.into());
    }
    let mut with_found = spec.clone();
    with_found.columns.extend_from_slice(&listing.found);
    with_found.tensors.extend_from_slice(&listing.found_tensors);
    with_found.label = listing.labels.as_ref().map_or(LabelKind::Class, |labels| labels.kind);
    let recipe = if with_found == *spec { recipe } else { Recipe::new(&with_found)? };
    Ok(recipe.resolved(rule, folders))
}
