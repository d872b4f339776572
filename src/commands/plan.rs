//! Plans a conversion for any number of processes and machines, step by step: writes the plan down, item by item.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use twox_hash::xxhash3_128::Hasher;

use crate::commands::convert::{self, Start};
use crate::commands::item_summary::ItemSummary;
use crate::commands::planned_run::Inputs;
use crate::commands::summary::as_strings;
use crate::commit::output::Output;
use crate::commit::overlap::refuse_overlap;
use crate::commit::recovery::complete_commit_with;
use crate::dataset::manifest::Manifest;
use crate::error::{Error, PlanError};
use crate::format::sha256::Sha256;
use crate::format::shard::Checksum;
use crate::image::recipe::Recipe;
use crate::items::{
    Found, Header, ItemFiles, Origin, Reading, RejectLimits, RunFiles, Sources, WrittenPlan, features, name_of,
    path_of, run_files,
};
use crate::remote::{at_once, is_url};
use crate::run::{Mode, Overwrite, RunOptions, StorageOptions};
use crate::source::{Listing, Notice, Source, open_source};
use crate::spec::{Spec, Split, SplitBy};

/// A conversion that is planned: any process on any machine can [`work`](crate::work) on its items, and when all are done,
/// [`commit`](crate::commit()) makes the dataset of them.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedRun {
    /// Path or URL of the run, in the dataset that it makes.
    pub run: PathBuf,
    /// Number of items, one for each shard. They are numbered from 0.
    pub items: usize,
    /// Number of inputs, rejects included.
    pub inputs: usize,
    /// Number of inputs that were rejected without being read.
    pub rejects: usize,
    /// Most inputs that may be rejected; none for any number.
    pub most_rejects: Option<usize>,
    /// Whether the items only read files, because that decides the splits: when they are done, the same call of [`plan`]
    /// plans the conversion.
    pub scans: bool,
    /// Whether the dataset is made already, so that nothing is left to be done.
    pub committed: bool,
    /// Remarks for the user about the source.
    #[serde(serialize_with = "as_strings")]
    pub notices: Vec<Notice>,
}

impl PlannedRun {
    /// The run at a path or URL that [`plan`] returned.
    ///
    /// # Errors
    /// If there is none, it was planned by another build, or it can't be read.
    pub fn open(run: impl AsRef<Path>, options: &StorageOptions) -> Result<PlannedRun, Error> {
        Ok(match WrittenPlan::find(&full(run.as_ref()), options)? {
            Found::Plan(plan) => PlannedRun::of(&plan, plan.rejects()?.len(), Vec::new()),
            Found::Dataset(_, manifest) => PlannedRun::made(full(run.as_ref()), &manifest),
        })
    }

    /// Items that are not done, in ascending order.
    ///
    /// # Errors
    /// If that can't be told.
    pub fn missing(&self, options: &StorageOptions) -> Result<Vec<usize>, Error> {
        match WrittenPlan::find(&self.run, options)? {
            Found::Plan(plan) => plan.missing(),
            Found::Dataset(..) => Ok(Vec::new()),
        }
    }

    /// What became of these items, of those that are done.
    ///
    /// # Errors
    /// If that can't be told.
    pub fn outcomes(&self, items: &[usize], options: &StorageOptions) -> Result<Vec<ItemSummary>, Error> {
        let Found::Plan(plan) = WrittenPlan::find(&self.run, options)? else { return Ok(Vec::new()) };
        let outcomes = at_once(items, |&item| plan.outcome(item))?;
        Ok(outcomes.iter().flatten().map(|outcome| ItemSummary::of(outcome, false, 0.0)).collect())
    }

    fn of(plan: &WrittenPlan, rejects: usize, notices: Vec<Notice>) -> PlannedRun {
        let Header { items, inputs, limits, scans, .. } = plan.header;
        let (run, most_rejects) = (plan.run.clone(), limits.most);
        PlannedRun { run, items, inputs, rejects, most_rejects, scans, committed: false, notices }
    }

    fn made(run: PathBuf, manifest: &Manifest) -> PlannedRun {
        let (items, inputs) = (manifest.snapshot.shards().count(), manifest.snapshot.inputs);
        let rejects = manifest.snapshot.rejects;
        PlannedRun {
            run,
            items,
            inputs,
            rejects,
            most_rejects: None,
            scans: false,
            committed: true,
            notices: Vec::new(),
        }
    }
}

/// Plans a conversion, as [`convert`](crate::convert()) would make it, and writes the plan below `out`, without reading an
/// image. One item of it is one shard. A plan that is there already is taken as it is: to repeat all steps after whatever
/// has died goes on where it was.
///
/// Whoever works on items must find the sources and `out` at the same paths.
///
/// # Errors
/// As [`convert`](crate::convert()); if an interrupted conversion is in `out`, or a plan of another build.
pub fn plan<P: AsRef<Path>>(
    sources: &[P],
    out: impl AsRef<Path>,
    spec: &Spec,
    options: &RunOptions,
) -> Result<PlannedRun, Error> {
    let out = full(out.as_ref());
    let refused = |reason| Error::Plan { run: out.clone(), reason: PlanError::Setting(reason) };
    if options.mode == Mode::DryRun {
        return Err(refused("be a dry run"));
    }
    if options.overwrite == Overwrite::Dataset {
        return Err(refused("replace a dataset"));
    }
    if sources.iter().any(|path| path.as_ref() == Path::new("-"))
        || options.source.files_from.as_deref() == Some(Path::new("-"))
    {
        return Err(refused("be made of standard input, which others can't read"));
    }
    let paths: Vec<PathBuf> = sources.iter().map(|path| path.as_ref().to_owned()).collect();
    let tables = [&options.source.metadata, &options.source.files_from].into_iter().flatten();
    if paths.iter().chain(tables).chain([&out]).any(|path| path.to_str().is_none()) {
        return Err(refused("have paths that are not UTF-8"));
    }
    // Messages leave queries out, and so does what a plan says of an image.
    if paths.iter().any(|path| is_url(path) && path.to_string_lossy().contains('?')) {
        return Err(refused("read URLs with a query"));
    }
    let source = open_source(sources, &options.source)?;
    let recipe = Recipe::new(spec)?;
    spec.check_new()?;
    refuse_overlap(source.paths(), &out)?;
    let storage = &options.source.storage;
    complete_commit_with(&out, storage)?;
    let there = Output::check(&out, storage)?;
    // Whether this conversion has made the dataset that is there, only the contents of all files say.
    let reads_now = there.is_some() && spec.split_by == Some(SplitBy::Content);
    let scratch = tempfile::Builder::new().prefix("inlaid-").tempdir();
    let scratch = scratch.map_err(Error::io("create folder in", std::env::temp_dir()))?;
    source.prepare(reads_now.then_some(scratch.path()), &recipe.spec().limits)?;
    let (mut listing, recipe) = convert::list(&*source, recipe, options)?;
    if let Some(there) = there.as_ref().filter(|there| reads_now && there.spec != *recipe.spec()) {
        let unfinished = there.unfinished.is_some();
        return Err(if unfinished { Error::OtherConversion(out) } else { Error::OutputExists(out) });
    }
    let sources = Sources::new(&paths, &options.source);
    let fingerprint = format!("{:016x}", source.fingerprint());
    let writing = Writing { out: &out, source: &*source, sources, fingerprint, options };
    let hashes = match recipe.spec().split_by {
        Some(SplitBy::Content) if !reads_now => match scan(&writing, &mut listing, &recipe)? {
            Scan::Planned(plan) => return Ok(PlannedRun::of(&plan, listing.rejects.len(), listing.notices)),
            Scan::Done(hashes) => Some(hashes),
        },
        _ => None,
    };
    let (inputs, _) = convert::plan_listed(&*source, listing, recipe, hashes, options)?;
    let run = inputs.checksum();
    let notices = inputs.listing.notices.clone();
    match Start::new(run, there.as_ref(), &out, options)? {
        Start::New | Start::Replaces(_) => {}
        Start::Continues(_) => return Err(Error::Plan { run: out, reason: PlanError::Interrupted }),
        Start::Complete(manifest) => {
            let run = path_of(&out, &name_of(run));
            return Ok(PlannedRun { notices, ..PlannedRun::made(run, manifest) });
        }
    }
    let plan = match WrittenPlan::of(&out, run, storage)? {
        Some(plan) if plan.header.fingerprint == writing.fingerprint => plan.with_limits(options)?,
        // None, or one of sources that are others now.
        _ => writing.shards(&inputs, run)?,
    };
    Ok(PlannedRun::of(&plan, inputs.listing.rejects.len(), notices))
}

/// What a plan is written of.
struct Writing<'a> {
    out: &'a Path,
    source: &'a dyn Source,
    sources: Sources,
    /// That of the sources.
    fingerprint: String,
    options: &'a RunOptions,
}

impl Writing<'_> {
    /// Writes a plan whose items are shards.
    fn shards(&self, inputs: &Inputs, run: Checksum) -> Result<WrittenPlan, Error> {
        let shards = inputs.numbered_shards().map(|(shard, number)| (shard.split, number, &*shard.rows));
        self.items(run, &inputs.origin(), &inputs.recipe, shards, false)
    }

    fn items<'s>(
        &self,
        run: Checksum,
        origin: &Origin<'_>,
        recipe: &Recipe,
        items: impl Iterator<Item = (Split, usize, &'s [u32])>,
        scans: bool,
    ) -> Result<WrittenPlan, Error> {
        let Writing { out, source, sources, fingerprint, options } = self;
        let files: Arc<dyn RunFiles> = run_files(out, &name_of(run), &options.source.storage)?;
        files.create()?;
        let (mut written, mut is_located, mut count) = (ItemFiles::new(&*files, fingerprint), true, 0);
        for (split, number, rows) in items {
            let locations = if is_located { origin.locate(*source, rows) } else { None };
            is_located = locations.is_some();
            let item = origin.item(split, number, rows, locations.as_deref());
            let item = item.map_err(|error| Error::io("write", out)(std::io::Error::other(error)))?;
            written.add(&item)?;
            count += 1;
            if options.progress.is_stopped() {
                return Err(Error::Interrupted);
            }
        }
        let (inputs, records) = (origin.listing.inputs(), origin.listing.records.len());
        let header = Header {
            tool: format!("inlaid {}", env!("CARGO_PKG_VERSION")),
            features: features(),
            run,
            fingerprint: fingerprint.clone(),
            spec: recipe.spec().clone(),
            classes: origin.listing.classes.clone(),
            inputs,
            records,
            scans,
            items: count,
            files: written.finish()?,
            paths: local_paths(*source),
            reading: if is_located { Reading::Located } else { Reading::Sources(sources.clone()) },
            limits: RejectLimits::of(options, inputs),
        };
        WrittenPlan::write(out, files, header, &origin.listing.rejects)
    }
}

/// Folders and files on disks that a source reads.
fn local_paths(source: &dyn Source) -> Vec<String> {
    let local = source.paths().iter().filter(|path| !is_url(path)).map(|path| full(path));
    local.filter_map(|path| path.to_str().map(str::to_owned)).collect()
}

/// How far the files of a run have been read that decide its splits.
enum Scan {
    /// There is a plan of the items that read them.
    Planned(Box<WrittenPlan>),
    /// They are read.
    Done(Vec<Sha256>),
}

/// Plans to read all files, as far as they are not read: their contents decide the splits. Of files that are read, takes
/// those that can't be from the records to the rejects.
fn scan(writing: &Writing<'_>, listing: &mut Listing, recipe: &Recipe) -> Result<Scan, Error> {
    /// Most records of an item: their files are read within half a minute.
    const MOST: usize = 16_384;
    /// Items that keep any number of machines busy, if there are enough records.
    const ITEMS: usize = 1024;
    /// Fewest records of an item.
    const FEWEST: usize = 64;
    let storage = &writing.options.source.storage;
    let run = checksum_of_scan(listing, recipe);
    let plan = match WrittenPlan::of(writing.out, run, storage)? {
        Some(plan) if plan.header.fingerprint == writing.fingerprint => plan.with_limits(writing.options)?,
        _ => {
            let rows: Vec<u32> = (0..listing.records.len() as u32).collect();
            let images = recipe.further.len() + 1;
            let origin = Origin { listing, hashes: &[], lengths: None, images, has_values: false };
            let items = rows.chunks((rows.len() / ITEMS).clamp(FEWEST, MOST)).enumerate();
            let items = items.map(|(number, rows)| (Split::Train, number, rows));
            writing.items(run, &origin, recipe, items, true)?
        }
    };
    if !plan.missing()?.is_empty() {
        return Ok(Scan::Planned(Box::new(plan)));
    }
    let items: Vec<usize> = (0..plan.header.items).collect();
    let damaged = |item| plan.unfit(PlanError::Damaged(format!("item {item} has other records")));
    let outcomes = at_once(&items, |&item| plan.outcome(item)?.ok_or_else(|| damaged(item)))?;
    let (mut hashes, mut records) = (Vec::new(), std::mem::take(&mut listing.records).into_iter());
    for outcome in outcomes {
        for hash in outcome.hashes {
            let record = records.next().ok_or_else(|| damaged(outcome.item))?;
            if let Some(hash) = hash {
                hashes.push(hash.parse().map_err(|_| damaged(outcome.item))?);
                listing.records.push(record);
            }
        }
        listing.rejects.extend(outcome.rejects);
    }
    match records.next() {
        None => Ok(Scan::Done(hashes)),
        Some(_) => Err(damaged(items.len())),
    }
}

/// Checksum of everything that decides what a scan reads.
fn checksum_of_scan(listing: &Listing, recipe: &Recipe) -> Checksum {
    let mut hasher = Hasher::new();
    let settings = serde_json::to_vec(&("scan", recipe.spec())).expect("a spec has no maps with odd keys");
    hasher.write(&settings);
    for record in &listing.records {
        hasher.write(record.key.as_bytes());
        // Keys contain no zero bytes, as file names don't.
        hasher.write(&[0]);
        hasher.write(&record.place.to_le_bytes());
    }
    Checksum::from(&hasher)
}

/// The path that a process in another folder can use.
pub(crate) fn full(path: &Path) -> PathBuf {
    match is_url(path) {
        true => path.to_owned(),
        false => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
    }
}
