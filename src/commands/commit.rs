//! Makes the dataset of a plan whose items are done, step by step.

use std::path::Path;
use std::time::Instant;

use crate::commands::convert::{Start, first_manifest};
use crate::commands::plan::full;
use crate::commands::summary::{SplitSummary, Summary};
use crate::commit::output::Output;
use crate::commit::transaction::{Commits, Run, Shards, Transaction};
use crate::dataset::manifest::Manifest;
use crate::dataset::names::REJECTS;
use crate::dataset::reject::{Reject, read_rejects};
use crate::error::{Error, PlanError, StoreError};
use crate::image::recipe::Recipe;
use crate::items::{Found, Header, Made, Outcome, WrittenPlan};
use crate::remote::{at_once, files_at};
use crate::run::RunOptions;
use crate::source::{Listing, Notice};

/// Makes the dataset of a plan, at the path or URL of its run: the bytes that [`convert`](crate::convert()) would have made.
/// May be called again; a dataset that is made stays as it is.
///
/// # Errors
/// If an item is not done, more inputs were rejected than the plan allows, another process is committing, or the dataset
/// can't be written; then it may be called again.
pub fn commit(run: impl AsRef<Path>, options: &RunOptions) -> Result<Summary, Error> {
    let (begin, run) = (Instant::now(), full(run.as_ref()));
    let storage = &options.source.storage;
    let plan = match WrittenPlan::find(&run, storage)? {
        Found::Plan(plan) => plan,
        Found::Dataset(out, manifest) => {
            let rejects = read_rejects(&*files_at(&out, storage)?, REJECTS)?;
            return Ok(made(begin, &manifest, &rejects));
        }
    };
    if plan.header.scans {
        return Err(plan.unfit(PlanError::Scans));
    }
    let outcomes = outcomes_of(&plan)?;
    let summary = commit_items(begin, &plan, outcomes, options);
    if let Err(Error::Store { reason: StoreError::UploadGone(file), .. }) = &summary
        && let Some(item) = item_of(&plan, file)?
    {
        plan.forget(item)?;
        return Err(plan.unfit(PlanError::ShardGone(item)));
    }
    summary
}

fn commit_items(
    begin: Instant,
    plan: &WrittenPlan,
    outcomes: Vec<Outcome>,
    options: &RunOptions,
) -> Result<Summary, Error> {
    let Header { run, spec, classes, inputs, items, .. } = &plan.header;
    let all_options = plan.header.options(options);
    let mut rejects = plan.rejects()?;
    let output = Output::claim(&plan.out, options)?;
    output.check_shards()?;
    let manifest = match Start::new(*run, output.current(), &plan.out, options)? {
        Start::New => first_manifest(spec, classes, *run, 1),
        Start::Replaces(_) | Start::Continues(_) => return Err(plan.unfit(PlanError::Interrupted)),
        // Another process was faster.
        Start::Complete(there) => {
            let rejects = read_rejects(&**output.files(), REJECTS)?;
            let summary = made(begin, there, &rejects);
            plan.files.remove_all()?;
            return Ok(summary);
        }
    };
    let recipe = Recipe::new(spec)?;
    let run = Run { checksum: *run, shards: *items };
    let mut transaction = Transaction::new(output, manifest, Commits::AtEnd, recipe.layout(), run, Vec::new());
    let mut truncated = 0;
    for outcome in outcomes {
        rejects.extend(outcome.rejects);
        truncated += outcome.truncated;
        let Some(shard) = outcome.shard else { continue };
        let split = shard.split;
        let (shard, staged) = shard.into_finished();
        transaction.adopt(shard.info.file.clone(), staged);
        transaction.add(split, Some(shard), &rejects)?;
    }
    all_options.check(&rejects, *inputs)?;
    if transaction.is_empty() {
        let first = rejects.first().expect("inputs without rows are rejects");
        let (path, detail) = (first.path.clone(), first.detail.clone());
        return Err(Error::NothingUsable { inputs: *inputs, path, detail });
    }
    let (manifest, card) = transaction.finish(&rejects)?;
    plan.files.remove_all()?;
    let listing = Listing {
        classes: classes.clone(),
        notices: card.map(Notice::Card).into_iter().collect(),
        ..Listing::default()
    };
    let splits = SplitSummary::of(&Default::default(), &manifest.snapshot.splits);
    Ok(Summary { truncated, ..Summary::of(begin, &listing, 0, &rejects, splits) })
}

/// What became of every item, in their order.
fn outcomes_of(plan: &WrittenPlan) -> Result<Vec<Outcome>, Error> {
    let (items, missing) = (plan.header.items, plan.missing()?);
    if let Some(&first) = missing.first() {
        return Err(plan.unfit(PlanError::NotDone { missing: missing.len(), items, first }));
    }
    let numbers: Vec<usize> = (0..items).collect();
    at_once(&numbers, |&item| {
        let gone = || plan.unfit(PlanError::ShardGone(item));
        let outcome = plan.outcome(item)?.ok_or_else(gone)?;
        if let Some(Made { info, staged, .. }) = &outcome.shard
            && !plan.files.has(staged, info.bytes)?
        {
            plan.forget(item)?;
            return Err(gone());
        }
        Ok(outcome)
    })
}

/// The item that made a shard.
fn item_of(plan: &WrittenPlan, file: &str) -> Result<Option<usize>, Error> {
    for item in 0..plan.header.items {
        if plan.outcome(item)?.and_then(|outcome| outcome.shard).is_some_and(|shard| shard.info.file == file) {
            return Ok(Some(item));
        }
    }
    Ok(None)
}

/// The summary of a commit that has nothing to do.
fn made(begin: Instant, manifest: &Manifest, rejects: &[Reject]) -> Summary {
    let listing = Listing { classes: manifest.snapshot.classes.clone(), ..Listing::default() };
    let splits = &manifest.snapshot.splits;
    let summary = Summary::of(begin, &listing, manifest.snapshot.rows(), rejects, SplitSummary::of(splits, splits));
    Summary { committed: false, ..summary }
}
