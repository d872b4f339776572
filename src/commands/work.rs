//! Makes the shard of one item of a plan, step by step. Nothing of it is seen before the commit.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_select::take::take;

use crate::commands::item_summary::ItemSummary;
use crate::commands::plan::full;
use crate::commit::transaction::{FinishedShard, Shards};
use crate::dataset::place::Place;
use crate::dataset::reject::Reject;
use crate::error::{Error, PlanError, RecordError};
use crate::format::columns::Columns;
use crate::format::shard::{self, ShardWriter, shard_name};
use crate::image::recipe::Recipe;
use crate::items::{Attempt, Found, Item, Made, Outcome, Reading, Sources, WrittenPlan};
use crate::pipeline::{self, Job};
use crate::plan::{Plan, RowBytes, ShardPlan};
use crate::run::RunOptions;
use crate::source::{Listing, LocatedSource, Source, open_source, reject};
use crate::spec::Split;

/// Makes the shard of an item of a plan, at the path or URL of its run. May be called for the same item again, also at the
/// same time on another machine, and at any time: everything that it leaves is a file or an upload of its own and, when
/// that is complete, the record of the item.
///
/// # Errors
/// If there is no such plan or item, the plan is of another build, a setting is wrong, or the item can't be made; then it
/// stays as it was.
pub fn work(run: impl AsRef<Path>, item: usize, options: &RunOptions) -> Result<ItemSummary, Error> {
    let (begin, run) = (Instant::now(), full(run.as_ref()));
    let seconds = || begin.elapsed().as_secs_f64();
    options.thread_count()?;
    let plan = match WrittenPlan::find(&run, &options.source.storage)? {
        Found::Plan(plan) => plan,
        // It came too late.
        Found::Dataset(..) => return Ok(ItemSummary::committed(item, seconds())),
    };
    if let Some(outcome) = plan.sound_outcome(item)? {
        return Ok(ItemSummary::of(&outcome, false, seconds()));
    }
    if let Some(path) = plan.header.paths.iter().find(|path| !Path::new(path).exists()) {
        return Err(plan.unfit(PlanError::NoSource(path.clone())));
    }
    let made = if plan.header.scans { scan(&plan, item, options) } else { make(&plan, item, options) };
    match made {
        Ok((outcome, made)) => Ok(ItemSummary::of(&outcome, made, seconds())),
        // A commit that did not wait for this attempt has removed the plan, and with it what the attempt was writing.
        Err(error) if plan.is_there().is_ok_and(|is_there| !is_there) => {
            match WrittenPlan::find(&run, &options.source.storage) {
                Ok(Found::Dataset(..)) => Ok(ItemSummary::committed(item, seconds())),
                Err(Error::Plan { reason: PlanError::Superseded, .. }) if plan.header.scans => {
                    Ok(ItemSummary::committed(item, seconds()))
                }
                _ => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}

/// Makes the shard of an item. Returns what became of the item, and whether that is what this call made of it.
fn make(plan: &WrittenPlan, number: usize, options: &RunOptions) -> Result<(Outcome, bool), Error> {
    let header = &plan.header;
    let recipe = Recipe::new(&header.spec)?;
    let mut item = plan.item(number)?;
    let images = ItemImages::new(plan, &mut item, &recipe, options)?;
    let row_bytes = match (recipe.row_bytes(), item.lengths.take()) {
        (Some(bytes), _) => RowBytes::Same(bytes),
        (None, lengths) => RowBytes::OfFiles(lengths.unwrap_or_default()),
    };
    let rows = (0..item.listing.records.len() as u32).collect();
    let shard = ShardPlan { split: item.split, place: Place::New(item.number), rows };
    let shard_plan = Plan { counts: recipe.layout().counts(), row_bytes, shards: vec![shard] };
    let columns = Columns::new(recipe.layout(), &header.spec, &header.classes);
    let options = header.options(options);
    let pool = pipeline::threads(&options, item.listing.records.len())?;
    let name = shard_name(item.split, item.number, header.spec.format);
    let attempt = plan.files.begin(number, &name)?;
    let job = Job {
        source: images.source(),
        listing: &item.listing,
        inputs: header.inputs,
        plan: &shard_plan,
        recipe: &recipe,
        columns: &columns,
        options: &options,
        hashes: &item.hashes,
    };
    let mut one = OneShard { attempt: &*attempt, name, columns: &columns, made: None, is_recorded: false };
    let written = pipeline::write_shards(&job, &pool, &mut one, Vec::new());
    let published = written.and_then(|pipeline::Outcome { rejects, truncated }| {
        // The work of others who were faster stays.
        if let Some(outcome) = plan.sound_outcome(number)? {
            return Ok((outcome, false));
        }
        refuse_unreadable(plan, number, one.made.is_none(), &rejects)?;
        let shard = match one.made.take() {
            Some(FinishedShard { info, statistics }) => {
                Some(Made { split: item.split, info, statistics, staged: attempt.staged()? })
            }
            None => None,
        };
        let outcome = Outcome { item: number, shard, hashes: Vec::new(), rejects, truncated };
        plan.check_there()?;
        one.is_recorded = true;
        plan.set_outcome(&outcome)?;
        Ok((outcome, true))
    });
    let is_kept = match &published {
        Ok((outcome, made)) => *made && outcome.shard.is_some(),
        // A record that could not be written may be there nevertheless.
        Err(_) => one.is_recorded,
    };
    if !is_kept {
        attempt.abandon();
    }
    published
}

/// Reads the files of an item, whose hashes decide its splits.
fn scan(plan: &WrittenPlan, number: usize, options: &RunOptions) -> Result<(Outcome, bool), Error> {
    let recipe = Recipe::new(&plan.header.spec)?;
    let mut item = plan.item(number)?;
    let images = ItemImages::new(plan, &mut item, &recipe, options)?;
    let options = plan.header.options(options);
    let (listing, spec) = (item.listing, recipe.spec());
    let pool = pipeline::threads(&options, listing.records.len())?;
    let hashes = pipeline::hash_files(images.source(), &listing.records, spec, &pool, &options, &|_| ())?;
    let (mut found, mut rejects) = (Vec::with_capacity(hashes.len()), Vec::new());
    for (record, hash) in listing.records.into_iter().zip(hashes) {
        if let Err(error) = &hash {
            rejects.push(reject(record.key, error));
        }
        found.push(hash.ok().map(|hash| hash.to_string()));
    }
    options.check(&rejects, plan.header.inputs)?;
    refuse_unreadable(plan, number, found.iter().all(Option::is_none), &rejects)?;
    let outcome = Outcome { item: number, shard: None, hashes: found, rejects, truncated: 0 };
    plan.check_there()?;
    plan.set_outcome(&outcome)?;
    Ok((outcome, true))
}

/// Refuses an item of which nothing is left since no file could be read: rather than its inputs, its source is missing.
fn refuse_unreadable(plan: &WrittenPlan, item: usize, is_empty: bool, rejects: &[Reject]) -> Result<(), Error> {
    let unreadable = RecordError::NoFile.code();
    let is_unreadable = |reject: &Reject| reject.reason == "unreadable" || reject.reason == unreadable;
    match rejects {
        [first, _, ..] if is_empty && rejects.iter().all(is_unreadable) => {
            let (path, detail) = (first.path.clone(), first.detail.clone());
            Err(plan.unfit(PlanError::NothingReadable { item, path, detail }))
        }
        _ => Ok(()),
    }
}

/// What the images of an item are read from.
enum ItemImages {
    Located(LocatedSource),
    Listed(Arc<ListedSource>),
}

impl ItemImages {
    fn new(plan: &WrittenPlan, item: &mut Item, recipe: &Recipe, options: &RunOptions) -> Result<ItemImages, Error> {
        let sources = match &plan.header.reading {
            Reading::Located => {
                let (locations, images) = (item.locations.take().unwrap_or_default(), recipe.further.len() + 1);
                return Ok(ItemImages::Located(LocatedSource::new(locations, images, &options.source)));
            }
            Reading::Sources(sources) => sources,
        };
        let listed = ListedSource::of(plan, sources, recipe, options)?;
        for record in &mut item.listing.records {
            let found = listed.listing.records.binary_search_by(|there| there.key.cmp(&record.key));
            let found = found.map_err(|_| plan.unfit(PlanError::InputGone(record.key.clone().into())))?;
            let there = &listed.listing.records[found];
            (record.place, record.row) = (there.place, there.row);
        }
        listed.replace_values(plan, &mut item.listing)?;
        Ok(ItemImages::Listed(listed))
    }

    fn source(&self) -> &dyn Source {
        match self {
            ItemImages::Located(source) => source,
            ItemImages::Listed(listed) => &*listed.source,
        }
    }
}

/// Sources that only they themselves can be read with, listed.
struct ListedSource {
    run: PathBuf,
    fingerprint: String,
    source: Box<dyn Source>,
    listing: Listing,
}

impl ListedSource {
    /// The sources of a plan: those of the item before, if it was one of the same plan.
    fn of(
        plan: &WrittenPlan,
        sources: &Sources,
        recipe: &Recipe,
        options: &RunOptions,
    ) -> Result<Arc<ListedSource>, Error> {
        static LAST: Mutex<Option<Arc<ListedSource>>> = Mutex::new(None);
        let (run, fingerprint) = (plan.run.clone(), plan.header.fingerprint.clone());
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listed) = &*last
            && (&listed.run, &listed.fingerprint) == (&run, &fingerprint)
        {
            return Ok(listed.clone());
        }
        *last = None;
        let source = open_source(&sources.paths, &sources.options(&options.source))?;
        // Copies of what can't be read at random are files without names.
        let scratch = tempfile::Builder::new().prefix("inlaid-").tempdir();
        let scratch = scratch.map_err(Error::io("create folder in", std::env::temp_dir()))?;
        source.prepare(Some(scratch.path()), &recipe.spec().limits)?;
        let listing = source.list(recipe.spec())?;
        if format!("{:016x}", source.fingerprint()) != fingerprint {
            return Err(plan.unfit(PlanError::SourceChanged));
        }
        let listed = Arc::new(ListedSource { run, fingerprint, source, listing });
        *last = Some(listed.clone());
        Ok(listed)
    }
}

impl ListedSource {
    /// Gives a listing that was planned, whose records have the rows of the source, the values of the source.
    ///
    /// # Errors
    /// If they are others than were planned: the source's tables have changed.
    fn replace_values(&self, plan: &WrittenPlan, planned: &mut Listing) -> Result<(), Error> {
        let rows = UInt32Array::from_iter_values(planned.records.iter().map(|record| record.row));
        let is_same = |planned: &ArrayRef, listed: &ArrayRef| {
            take(listed, &rows, None).is_ok_and(|listed| listed.to_data() == planned.to_data())
        };
        let labels = [&planned.labels, &self.listing.labels].map(|labels| labels.iter().map(|labels| &labels.values));
        let [planned_labels, listed_labels] = labels;
        let mut pairs = planned.columns.iter().chain(planned_labels);
        let mut listed = self.listing.columns.iter().chain(listed_labels);
        let are_same =
            plan.header.scans || pairs.by_ref().zip(listed.by_ref()).all(|(planned, listed)| is_same(planned, listed));
        if !are_same {
            return Err(plan.unfit(PlanError::SourceChanged));
        }
        planned.columns.clone_from(&self.listing.columns);
        planned.labels.clone_from(&self.listing.labels);
        Ok(())
    }
}

/// The one shard of an item.
struct OneShard<'a> {
    attempt: &'a dyn Attempt,
    name: String,
    columns: &'a Columns,
    made: Option<FinishedShard>,
    /// Whether a record that names it is being written.
    is_recorded: bool,
}

impl Shards for OneShard<'_> {
    fn begin(&self, _: Split, _: Place) -> Result<Box<dyn ShardWriter>, Error> {
        Ok(shard::begin(self.attempt.file()?, self.attempt.path(), self.name.clone(), self.columns, None)?)
    }

    fn add(&mut self, _: Split, shard: Option<FinishedShard>, _: &[Reject]) -> Result<(), Error> {
        self.made = shard;
        Ok(())
    }
}
