//! Makes a dataset from folders of images: the steps, one after the other.

use std::path::Path;
use std::time::Instant;

use crate::commands::planned_run::Inputs;
use crate::commands::summary::{SplitSummary, Summary};
use crate::commit::output::Output;
use crate::commit::overlap::refuse_overlap;
use crate::commit::ownership;
use crate::commit::transaction::{Commits, Run, Transaction};
use crate::dataset::manifest::{Manifest, Snapshot, format_version};
use crate::dataset::names::REJECTS;
use crate::dataset::reject::read_rejects;
use crate::error::Error;
use crate::format::shard::Checksum;
use crate::image::recipe::Recipe;
use crate::pipeline;
use crate::plan::Tails;
use crate::run::{Mode, Overwrite, RunOptions};
use crate::source::{FolderSource, Listing, Source};
use crate::spec::{Folders, Spec, SpecError, SplitBy, SplitFractions};

/// Converts the images in the folders `sources` into a dataset in the folder `out`. Shards are committed as they are
/// finished: a conversion that was interrupted is continued by the same conversion, and ends with the bytes that it
/// would have had. One that is complete is left as it is.
///
/// # Errors
/// If a setting, a source or the output folder is unfit, or the run is stopped; the output folder
/// then holds what it held, and the shards that were finished.
pub fn convert<P: AsRef<Path>>(
    sources: &[P],
    out: impl AsRef<Path>,
    spec: &Spec,
    options: &RunOptions,
) -> Result<Summary, Error> {
    convert_from(&FolderSource::new(sources)?, out, spec, options)
}

/// As [`convert`], of the images of any source.
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
    let output = Output::claim(out)?;
    if options.overwrite == Overwrite::Refuse {
        output.check_shards()?;
    }
    let pool = pipeline::threads(options)?;
    let mut inputs = plan(source, recipe, options, &pool)?;
    let run = inputs.checksum();

    let (manifest, commits) = match Start::new(run, output.current(), out, options)? {
        Start::New => (first_manifest(&inputs, run, 1), Commits::EachShard),
        Start::Replaces(old) => (first_manifest(&inputs, run, old.snapshot.dataset_version + 1), Commits::AtEnd),
        Start::Continues(old) => (old.clone(), Commits::EachShard),
        Start::Complete(old) => return complete(begin, &inputs, old, out),
    };
    let before = manifest.snapshot.splits.clone();
    let run = Run { checksum: run, shards: inputs.shards() };
    let earlier = inputs.skip_finished(manifest.unfinished, out)?;
    let unchanged = before.values().map(|info| info.rows).sum();

    let mut transaction = Transaction::new(output, manifest, commits, inputs.recipe.layout(), run, Vec::new());
    let rejects = inputs.write(source, &pool, options, &mut transaction, earlier)?;
    if transaction.is_empty() {
        let first = rejects.first().expect("inputs without rows are rejects");
        return Err(Error::NothingUsable {
            inputs: inputs.listing.inputs(),
            path: first.path.clone(),
            detail: first.detail.clone(),
        });
    }
    let manifest = transaction.finish(&rejects)?;
    let splits = SplitSummary::of(&before, &manifest.snapshot.splits);
    Ok(inputs.summary(begin, unchanged, &rejects, splits))
}

/// What a conversion would do: lists and splits the source, decodes nothing, writes nothing.
fn foresee(
    begin: Instant,
    source: &dyn Source,
    out: &Path,
    recipe: Recipe,
    options: &RunOptions,
) -> Result<Summary, Error> {
    let there = ownership::check(out)?;
    let pool = pipeline::threads(options)?;
    let mut inputs = plan(source, recipe, options, &pool)?;
    let (unfinished, snapshot) = match Start::new(inputs.checksum(), there.as_ref(), out, options)? {
        Start::New | Start::Replaces(_) => (None, &Snapshot::default()),
        Start::Continues(there) => (there.unfinished, &there.snapshot),
        Start::Complete(there) => return Ok(Summary { dry_run: true, ..complete(begin, &inputs, there, out)? }),
    };
    let rejects = inputs.skip_finished(unfinished, out)?;
    Ok(inputs.dry_summary(begin, snapshot.rows(), &rejects, &snapshot.splits))
}

/// What a conversion finds in the output folder.
enum Start<'a> {
    New,
    /// A dataset that it replaces.
    Replaces(&'a Manifest),
    /// What it had made when it was interrupted.
    Continues(&'a Manifest),
    /// What it would make.
    Complete(&'a Manifest),
}

impl Start<'_> {
    fn new<'a>(
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

/// The inputs of a conversion, with their splits and places.
fn plan(source: &dyn Source, recipe: Recipe, options: &RunOptions, pool: &rayon::ThreadPool) -> Result<Inputs, Error> {
    let listing = source.list(recipe.spec())?;
    if listing.inputs() == 0 {
        let no_extension = listing.ignored.other.get("").copied().unwrap_or(0);
        return Err(Error::NoImages { sources: source.paths().to_vec(), no_extension });
    }
    let recipe = resolve(source, recipe, &listing)?;
    Inputs::new(source, listing, recipe, options, pool, (&Snapshot::default(), 0), &Tails::default())
}

/// The manifest that a conversion begins with.
fn first_manifest(inputs: &Inputs, run: Checksum, dataset_version: u64) -> Manifest {
    let classes = inputs.listing.classes.clone();
    Manifest {
        format_version: format_version(inputs.recipe.spec()),
        tool: format!("inlaid {}", env!("CARGO_PKG_VERSION")),
        spec: inputs.recipe.spec().clone(),
        conversion: Some(run),
        snapshot: Snapshot { dataset_version, classes, ..Snapshot::default() },
        unfinished: None,
        previous: None,
    }
}

/// What a conversion says that has nothing to do.
fn complete(begin: Instant, inputs: &Inputs, there: &Manifest, out: &Path) -> Result<Summary, Error> {
    let rejects = read_rejects(&out.join(REJECTS))?;
    let splits = SplitSummary::of(&there.snapshot.splits, &there.snapshot.splits);
    Ok(Summary { committed: false, ..inputs.summary(begin, there.snapshot.rows(), &rejects, splits) })
}

/// Makes the choices that depend on the sources, and those that a dataset has to tell.
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
    Ok(recipe.resolved(rule, folders))
}
