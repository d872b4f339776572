//! Makes the dataset of a plan whose items are done, step by step.

use std::path::Path;
use std::time::Instant;

use crate::commands::convert::{Start, first_manifest};
use crate::commands::plan::full;
use crate::commands::summary::{SplitSummary, Summary};
use crate::commit::output::Output;
use crate::commit::transaction::{Commits, Run, Shards, Transaction};
use crate::dataset::manifest::Manifest;
use crate::dataset::names::{LOCK, PRIVATE, REJECTS};
use crate::dataset::reject::{Reject, read_rejects};
use crate::error::{Error, PlanError, StoreError};
use crate::image::recipe::Recipe;
use crate::items::{Found, Header, Made, Outcome, WrittenPlan, remove_runs};
use crate::remote::{at_once, files_at, is_url};
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
    let find = || WrittenPlan::find(&run, storage);
    let made = |out: &Path, manifest: &Manifest| {
        let rejects = read_rejects(&*files_at(out, storage)?, REJECTS)?;
        Ok(made(begin, manifest, &rejects))
    };
    let plan = match find()? {
        Found::Plan(plan) => plan,
        Found::Dataset(out, manifest) => {
            tidy(&out, options);
            return made(&out, &manifest);
        }
    };
    if plan.header.scans {
        return Err(plan.unfit(PlanError::Scans));
    }
    let error = match commit_items(begin, &plan, options) {
        Ok(summary) => return Ok(summary),
        Err(error) => error,
    };
    match (error, find()) {
        // Another process was faster.
        (_, Ok(Found::Dataset(out, manifest))) => made(&out, &manifest),
        // The store has dropped uploads; those that were open are in their places now.
        (error @ Error::Store { reason: StoreError::UploadGone(_), .. }, _) => {
            let is_there = |made: &Made| plan.files.is_published(&made.info.file, &made.staged);
            refuse_gone(&plan, &outcomes_of(&plan)?, is_there)?;
            Err(error)
        }
        (error, _) => Err(error),
    }
}

/// Removes what a commit has left that died after it had made the dataset, as far as that can be removed.
fn tidy(out: &Path, options: &RunOptions) {
    let storage = &options.source.storage;
    let left = files_at(out, storage).and_then(|files| Ok(files.entries(PRIVATE)?)).unwrap_or_default();
    if left.iter().any(|(name, _)| name != LOCK || is_url(out)) {
        let _ = remove_runs(out, storage);
        // Whoever claims the place drops what others have staged. Where another process writes, it has done so.
        let _ = Output::claim(out, options);
    }
}

fn commit_items(begin: Instant, plan: &WrittenPlan, options: &RunOptions) -> Result<Summary, Error> {
    let Header { run, spec, classes, inputs, items, .. } = &plan.header;
    // Without the lock, so that whoever commits too early is no trouble to others.
    plan.check_done()?;
    // Completes the commit of one that has died, whose shards are in their places.
    let output = Output::claim(&plan.out, options)?;
    output.check_shards()?;
    let manifest = match Start::new(*run, output.current(), &plan.out, options)? {
        Start::New => first_manifest(spec, classes, *run, 1),
        Start::Replaces(_) | Start::Continues(_) => return Err(plan.unfit(PlanError::Interrupted)),
        // Another process was faster.
        Start::Complete(there) => {
            let summary = made(begin, there, &read_rejects(&**output.files(), REJECTS)?);
            let _ = plan.files.remove_all();
            return Ok(summary);
        }
    };
    let (all_options, mut rejects, outcomes) = (plan.header.options(options), plan.rejects()?, outcomes_of(plan)?);
    refuse_gone(plan, &outcomes, |made| plan.files.has(&made.staged, made.info.bytes))?;
    let counted = |outcome: &Outcome| outcome.rejects.len() + outcome.shard.as_ref().map_or(0, |made| made.info.rows);
    if rejects.len() + outcomes.iter().map(counted).sum::<usize>() != *inputs {
        return Err(
            plan.unfit(PlanError::Damaged("its items have more inputs, or fewer, than were planned".to_owned()))
        );
    }
    let recipe = Recipe::new(spec)?;
    let run = Run { checksum: *run, shards: *items };
    let mut transaction = Transaction::new(output, manifest, Commits::OfPlan, recipe.layout(), run, Vec::new());
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
    // What can't be removed now is in nobody's way, and the next commit removes it.
    let _ = plan.files.remove_all();
    let listing = Listing {
        classes: classes.clone(),
        notices: card.into_iter().map(Notice::Card).collect(),
        ..Listing::default()
    };
    let splits = SplitSummary::of(&Default::default(), &manifest.snapshot.splits);
    Ok(Summary { truncated, ..Summary::of(begin, &listing, 0, &rejects, splits) })
}

/// What became of every item, in their order. Forgets those whose records are damaged.
fn outcomes_of(plan: &WrittenPlan) -> Result<Vec<Outcome>, Error> {
    let numbers: Vec<usize> = (0..plan.header.items).collect();
    let outcomes = at_once(&numbers, |&item| plan.sound_outcome(item))?;
    let lost: Vec<usize> =
        numbers.into_iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_none()).map(|(item, _)| item).collect();
    forget(plan, lost)?;
    Ok(outcomes.into_iter().flatten().collect())
}

/// Forgets what became of items whose shards are gone, and refuses to commit if there are any.
fn forget(plan: &WrittenPlan, gone: Vec<usize>) -> Result<(), Error> {
    gone.iter().try_for_each(|item| plan.forget(*item))?;
    if gone.is_empty() { Ok(()) } else { Err(plan.unfit(PlanError::ShardsGone(gone))) }
}

/// Refuses to commit while shards are gone, and forgets that their items were done.
fn refuse_gone(
    plan: &WrittenPlan,
    outcomes: &[Outcome],
    is_there: impl Fn(&Made) -> Result<bool, Error> + Sync,
) -> Result<(), Error> {
    let are_there = at_once(outcomes, |outcome| outcome.shard.as_ref().map_or(Ok(true), &is_there))?;
    let gone = outcomes.iter().zip(are_there).filter(|(_, is_there)| !is_there).map(|(outcome, _)| outcome.item);
    forget(plan, gone.collect())
}

/// The summary of a commit that has nothing to do.
fn made(begin: Instant, manifest: &Manifest, rejects: &[Reject]) -> Summary {
    let listing = Listing { classes: manifest.snapshot.classes.clone(), ..Listing::default() };
    let splits = &manifest.snapshot.splits;
    let summary = Summary::of(begin, &listing, manifest.snapshot.rows(), rejects, SplitSummary::of(splits, splits));
    Summary { committed: false, ..summary }
}
