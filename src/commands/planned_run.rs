//! The inputs of a run, with their splits and their places: everything that is known before the first
//! image is decoded.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::time::Instant;

use twox_hash::xxhash3_128::Hasher;

use crate::commands::summary::{SplitSummary, Summary};
use crate::commit::transaction::Transaction;
use crate::dataset::manifest::{Snapshot, SplitInfo, Unfinished};
use crate::dataset::names::REJECTS;
use crate::dataset::place::Place;
use crate::dataset::reject::{Reject, read_rejects};
use crate::error::Error;
use crate::format::sha256::Sha256;
use crate::format::shard::Checksum;
use crate::image::recipe::Recipe;
use crate::pipeline::{self, Job};
use crate::plan::split;
use crate::plan::{Plan, RowBytes, Tails};
use crate::run::RunOptions;
use crate::source::discover::Discovery;
use crate::spec::{Split, SplitBy};

/// The inputs of a run.
pub(crate) struct Inputs {
    /// What the sources hold.
    pub(crate) discovery: Discovery,
    /// With every choice made.
    pub(crate) recipe: Recipe,
    /// Of every record's file, where the split is decided by content.
    hashes: Vec<Sha256>,
    plan: Plan,
    /// How many inputs there are, those included that are rows already.
    all: usize,
}

impl Inputs {
    /// Splits and orders what was discovered, to be added to what is `there`; so many more inputs are
    /// `unchanged` rows.
    pub(crate) fn of(
        mut discovery: Discovery,
        recipe: Recipe,
        options: &RunOptions,
        pool: &rayon::ThreadPool,
        (there, unchanged): (&Snapshot, usize),
        tails: &Tails,
    ) -> Result<Inputs, Error> {
        let spec = recipe.spec();
        let hashes = match spec.split_by {
            Some(SplitBy::Content) => pipeline::hash_contents(&mut discovery, spec, pool, &options.progress)?,
            _ => Vec::new(),
        };
        let all = discovery.inputs() + unchanged;
        options.check(&discovery.rejects, all)?;
        split::assign(&mut discovery.records, &discovery.classes, spec, &hashes, &there.splits)?;
        let row_bytes = match recipe.row_bytes() {
            Some(bytes) => RowBytes::Same(bytes),
            None => RowBytes::OfFiles(pipeline::file_lengths(&discovery, spec, pool)),
        };
        let plan = Plan::new(&discovery.records, &recipe, row_bytes, tails);
        Ok(Inputs { discovery, recipe, hashes, plan, all })
    }

    /// Stands for everything that decides what the run writes, but the bytes of the files.
    pub(crate) fn checksum(&self) -> Checksum {
        let mut hasher = Hasher::new();
        let settings = serde_json::to_vec(&(self.recipe.spec(), &self.discovery.classes));
        hasher.write(&settings.expect("a spec has no maps with odd keys"));
        for record in &self.discovery.records {
            hasher.write(record.key.as_bytes());
            // No key holds a zero byte, as no file name does.
            hasher.write(&[0]);
            hasher.write(&record.source.to_le_bytes());
            hasher.write(&record.label.map_or(0, |label| u64::from(label) + 1).to_le_bytes());
            hasher.write(&[record.split.map_or(0, |split| split as u8 + 1)]);
        }
        for shard in &self.plan.shards {
            hasher.write(&(shard.rows.len() as u64).to_le_bytes());
        }
        Checksum::from(&hasher)
    }

    /// Shards that the run fills.
    pub(crate) fn shards(&self) -> usize {
        self.plan.shards.len()
    }

    /// Takes the shards that are done out of the plan. The rejects to go on with: those of the
    /// discovery, and of the inputs that were decoded before.
    pub(crate) fn skip_finished(
        &mut self,
        unfinished: Option<Unfinished>,
        folder: &Path,
    ) -> Result<Vec<Reject>, Error> {
        let mut rejects = self.discovery.rejects.clone();
        if let Some(Unfinished { shards, .. }) = unfinished {
            let done = self.plan.shards.drain(..shards);
            let key = |index: u32| &*self.discovery.records[index as usize].key;
            let keys: HashSet<&str> = done.flat_map(|shard| shard.rows).map(key).collect();
            let earlier = read_rejects(&folder.join(REJECTS))?.into_iter();
            let decoded = |reject: &Reject| keys.contains(&*reject.path) && !rejects.contains(reject);
            let decoded: Vec<Reject> = earlier.filter(decoded).collect();
            rejects.extend(decoded);
        }
        Ok(rejects)
    }

    /// Writes what is planned. The rejects of the run: those it begins with, and inputs that turned
    /// out unusable.
    pub(crate) fn write(
        &self,
        pool: &rayon::ThreadPool,
        options: &RunOptions,
        transaction: &mut Transaction,
        rejects: Vec<Reject>,
    ) -> Result<Vec<Reject>, Error> {
        let Inputs { discovery, plan, recipe, hashes, all } = self;
        let job = Job { discovery, plan, recipe, pages: recipe.layout().pages(), options, hashes, inputs: *all };
        pipeline::write_shards(&job, pool, transaction, rejects)
    }

    /// What would come of it, if every image could be used, with these rejects to begin with.
    pub(crate) fn dry_summary(
        &self,
        begin: Instant,
        unchanged: usize,
        rejects: &[Reject],
        there: &BTreeMap<Split, SplitInfo>,
    ) -> Summary {
        let mut splits = SplitSummary::of(there, there);
        for shard in &self.plan.shards {
            let split = splits.entry(shard.split).or_default();
            split.rows += shard.rows.len();
            split.added += shard.rows.len();
            split.bytes += self.plan.row_bytes.sum(&shard.rows);
            split.shards += usize::from(shard.place == Place::New);
        }
        let summary = Summary::of(begin, &self.discovery, unchanged, rejects, splits);
        Summary { dry_run: true, committed: false, ..summary }
    }
}
