//! The inputs of a run, with their splits and shards: everything that is known before the first image
//! is decoded.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Instant;

use arrow_array::{Array, ArrayRef};
use twox_hash::xxhash3_128::Hasher;

use crate::commands::summary::{SplitSummary, Summary};
use crate::commit::transaction::Transaction;
use crate::dataset::manifest::{Snapshot, SplitInfo, Unfinished};
use crate::dataset::names::REJECTS;
use crate::dataset::place::Place;
use crate::dataset::reject::{Reject, read_rejects};
use crate::error::Error;
use crate::format::files::Files;
use crate::format::sha256::Sha256;
use crate::format::shard::Checksum;
use crate::image::recipe::Recipe;
use crate::items::Origin;
use crate::pipeline::{self, Job, Outcome};
use crate::plan::split::{self, SmallClass};
use crate::plan::{Plan, RowBytes, ShardPlan, Tails};
use crate::run::RunOptions;
use crate::source::{Listing, Notice, Source};
use crate::spec::{Split, SplitBy, SplitFractions};

/// The rows that a run adds to.
pub(crate) struct Base<'a> {
    /// Snapshot that the run adds to.
    pub(crate) there: &'a Snapshot,
    /// Number of the run's inputs that are rows of it already.
    pub(crate) unchanged: usize,
    /// Hashes of the records' files, if they are known.
    pub(crate) hashes: Option<Vec<Sha256>>,
}

/// The inputs of a run.
pub(crate) struct Inputs {
    /// Listing of the source.
    pub(crate) listing: Listing,
    /// Recipe with every setting resolved.
    pub(crate) recipe: Recipe,
    /// Classes that are too small for exact fractions.
    small_classes: Vec<SmallClass>,
    /// Hash of every record's file if the split is decided by content; otherwise empty.
    hashes: Vec<Sha256>,
    plan: Plan,
    /// Total number of inputs, including those that are rows already.
    all: usize,
}

impl Inputs {
    /// Assigns splits to the listed inputs and plans their shards, to be added to the snapshot `there`. `unchanged` is
    /// the number of further inputs that are rows already.
    pub(crate) fn new(
        source: &dyn Source,
        mut listing: Listing,
        recipe: Recipe,
        options: &RunOptions,
        pool: &rayon::ThreadPool,
        Base { there, unchanged, hashes }: Base<'_>,
        tails: &Tails,
    ) -> Result<Inputs, Error> {
        let spec = recipe.spec();
        let hashes = match (spec.split_by, hashes) {
            (Some(SplitBy::Content), Some(hashes)) => hashes,
            (Some(SplitBy::Content), None) => pipeline::hash_contents(source, &mut listing, spec, pool, options)?,
            _ => Vec::new(),
        };
        let all = listing.inputs() + unchanged;
        options.check(&listing.rejects, all)?;
        let small_classes = split::assign(&mut listing.records, &listing.classes, spec, &hashes, &there.splits);
        split::check(&small_classes, options.small_classes, &spec.shares)?;
        listing.notices.extend(notice_of(&small_classes, &spec.shares));
        if spec.split_by == Some(SplitBy::Folder) {
            listing.notices.extend(classes_in_splits(&listing, there));
        }
        let row_bytes = match recipe.row_bytes() {
            Some(bytes) => RowBytes::Same(bytes),
            None => RowBytes::OfFiles(pipeline::file_lengths(source, &listing.records, spec, pool)),
        };
        let plan = Plan::new(&listing.records, &recipe, row_bytes, tails);
        Ok(Inputs { listing, recipe, small_classes, hashes, plan, all })
    }

    /// Checksum of everything that decides what the run writes, except the contents of the files.
    pub(crate) fn checksum(&self) -> Checksum {
        let mut hasher = Hasher::new();
        let settings = serde_json::to_vec(&(self.recipe.spec(), &self.listing.classes));
        hasher.write(&settings.expect("a spec has no maps with odd keys"));
        for record in &self.listing.records {
            hasher.write(record.key.as_bytes());
            // Keys contain no zero bytes, as file names don't.
            hasher.write(&[0]);
            hasher.write(&record.place.to_le_bytes());
            hasher.write(&record.label.map_or(0, |label| u64::from(label) + 1).to_le_bytes());
            hasher.write(&[record.split.map_or(0, |split| split as u8 + 1)]);
        }
        for column in self.listing.columns.iter().chain(self.listing.labels.iter().map(|labels| &labels.values)) {
            hash_values(&mut hasher, column);
        }
        for shard in &self.plan.shards {
            hasher.write(&(shard.rows.len() as u64).to_le_bytes());
        }
        Checksum::from(&hasher)
    }

    /// What the items of a written plan are made from.
    pub(crate) fn origin(&self) -> Origin<'_> {
        let lengths = match &self.plan.row_bytes {
            RowBytes::OfFiles(lengths) => Some(&**lengths),
            RowBytes::Same(_) => None,
        };
        Origin {
            listing: &self.listing,
            hashes: &self.hashes,
            lengths,
            images: self.recipe.further.len() + 1,
            has_values: true,
        }
    }

    /// The new shards of the plan, with their numbers.
    pub(crate) fn numbered_shards(&self) -> impl Iterator<Item = (&ShardPlan, usize)> {
        self.plan.shards.iter().filter_map(|shard| match shard.place {
            Place::New(number) => Some((shard, number)),
            Place::Tail => None,
        })
    }

    /// Number of shards that the run fills.
    pub(crate) fn shards(&self) -> usize {
        self.plan.shards.len()
    }

    /// Removes finished shards from the plan. Returns the rejects to continue with: those of the listing, and those of
    /// inputs that were decoded before the interruption.
    pub(crate) fn skip_finished(
        &mut self,
        unfinished: Option<Unfinished>,
        files: &dyn Files,
    ) -> Result<Vec<Reject>, Error> {
        let mut rejects = self.listing.rejects.clone();
        if let Some(Unfinished { shards, .. }) = unfinished {
            let done = self.plan.shards.drain(..shards);
            let key = |index: u32| &*self.listing.records[index as usize].key;
            let keys: HashSet<&str> = done.flat_map(|shard| shard.rows).map(key).collect();
            let earlier = read_rejects(files, REJECTS)?.into_iter();
            let decoded = |reject: &Reject| keys.contains(&*reject.path) && !rejects.contains(reject);
            let decoded: Vec<Reject> = earlier.filter(decoded).collect();
            rejects.extend(decoded);
        }
        Ok(rejects)
    }

    /// Carries out the plan. The rejects of the outcome are the given ones, and the inputs that turned out to be
    /// unusable.
    pub(crate) fn write(
        &self,
        source: &dyn Source,
        pool: &rayon::ThreadPool,
        options: &RunOptions,
        transaction: &mut Transaction,
        rejects: Vec<Reject>,
    ) -> Result<Outcome, Error> {
        let Inputs { listing, plan, recipe, hashes, all, .. } = self;
        let columns = &transaction.columns().clone();
        let job = Job { source, listing, plan, recipe, columns, options, hashes, inputs: *all };
        pipeline::write_shards(&job, pool, transaction, rejects)
    }

    /// The summary of a dry run: the result if every image is usable except these rejects.
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
            split.shards += usize::from(shard.place != Place::Tail);
        }
        Summary { dry_run: true, committed: false, ..self.summary(begin, unchanged, rejects, splits) }
    }

    /// The summary of the run. `unchanged` is the number of further inputs that are rows already.
    pub(crate) fn summary(
        &self,
        begin: Instant,
        unchanged: usize,
        rejects: &[Reject],
        splits: BTreeMap<Split, SplitSummary>,
    ) -> Summary {
        let small_classes = self.small_classes.clone();
        Summary { small_classes, ..Summary::of(begin, &self.listing, unchanged, rejects, splits) }
    }
}

/// Adds the values of a column to a checksum.
fn hash_values(hasher: &mut Hasher, column: &ArrayRef) {
    let data = column.to_data();
    hasher.write(&(data.len() as u64).to_le_bytes());
    for row in 0..data.len() {
        if data.is_null(row) {
            hasher.write(&(row as u64).to_le_bytes());
        }
    }
    for part in std::iter::once(&data).chain(data.child_data()) {
        part.buffers().iter().for_each(|buffer| hasher.write(buffer));
    }
}

/// Names the new classes that a model would not learn or not be tested on: those in a single split, or not in train.
fn classes_in_splits(listing: &Listing, there: &Snapshot) -> Vec<Notice> {
    let mut places: Vec<BTreeSet<Split>> = vec![BTreeSet::new(); listing.classes.len()];
    for record in &listing.records {
        if let (Some(label), Some(split)) = (record.label, record.split) {
            places[label as usize].insert(split);
        }
    }
    let mut all: BTreeSet<Split> = listing.records.iter().filter_map(|record| record.split).collect();
    all.extend(there.splits.iter().filter(|(_, info)| info.rows > 0).map(|(split, _)| *split));
    let mut classes = BTreeMap::<&BTreeSet<Split>, Vec<String>>::new();
    for (name, splits) in listing.classes.iter().zip(&places).skip(there.classes.len()) {
        let lacks_train = all.contains(&Split::Train) && !splits.contains(&Split::Train);
        if !splits.is_empty() && *splits != all && (splits.len() == 1 || lacks_train) {
            classes.entry(splits).or_default().push(name.clone());
        }
    }
    let notice = |(splits, names): (&BTreeSet<Split>, _)| Notice::ClassesInSplits {
        names,
        splits: splits.iter().copied().collect(),
    };
    classes.into_iter().map(notice).collect()
}

/// Names the first few of the classes that are too small for exact fractions.
fn notice_of(small: &[SmallClass], shares: &SplitFractions) -> Option<Notice> {
    const NAMED: usize = 5;
    let order = shares.filling().collect();
    let first = small.first()?;
    Some(match first.class {
        None => Notice::FewImages { count: first.images, order },
        Some(_) => {
            let names = small.iter().filter_map(|small| small.class.clone()).take(NAMED).collect();
            Notice::SmallClasses { names, count: small.len(), order }
        }
    })
}
