//! The inputs of a run, with their splits and their places: everything that is known before the first
//! image is decoded.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::time::Instant;

use twox_hash::xxhash3_128::Hasher;

use crate::discover::{Discovery, Notice};
use crate::draft::Draft;
use crate::element::Elements;
use crate::encoded::Encoder;
use crate::error::{Error, SpecError};
use crate::manifest::{SplitInfo, Unfinished, Version};
use crate::pipeline::{self, Job};
use crate::plan::{Place, Plan, RowBytes, Tails};
use crate::reject::{REJECTS, Reject, read_rejects};
use crate::resize::Method;
use crate::run::{RunOptions, SplitSummary, Summary};
use crate::sha256::Sha256;
use crate::shard::Checksum;
use crate::spec::{Shares, Spec, Split, SplitBy};
use crate::split::{self, SmallClass};
use crate::tensor::TensorShape;

/// The inputs of a run.
pub(crate) struct Inputs {
    /// What the sources hold.
    pub(crate) discovery: Discovery,
    /// The spec with every choice made.
    pub(crate) spec: Spec,
    /// Classes that are too small for exact shares.
    small_classes: Vec<SmallClass>,
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
        spec: Spec,
        options: &RunOptions,
        pool: &rayon::ThreadPool,
        (there, unchanged): (&Version, usize),
        tails: &Tails,
    ) -> Result<Inputs, Error> {
        let hashes = match spec.split_by {
            Some(SplitBy::Content) => pipeline::hash_contents(&mut discovery, &spec, pool, &options.progress)?,
            _ => Vec::new(),
        };
        let all = discovery.inputs() + unchanged;
        options.check(&discovery.rejects, all)?;
        let small_classes = split::assign(&mut discovery.records, &discovery.classes, &spec, &hashes, &there.splits);
        options.check_classes(&small_classes, &spec.shares)?;
        discovery.notices.extend(notice_of(&small_classes, &spec.shares));
        let row_bytes = row_bytes(&discovery, &spec, pool)?;
        let plan = Plan::of(&discovery.records, &spec, row_bytes, tails);
        Ok(Inputs { discovery, spec, small_classes, hashes, plan, all })
    }

    /// Stands for everything that decides what the run writes, but the bytes of the files.
    pub(crate) fn checksum(&self) -> Checksum {
        let mut hasher = Hasher::new();
        let settings = serde_json::to_vec(&(&self.spec, &self.discovery.classes));
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
        draft: &mut Draft,
        rejects: Vec<Reject>,
    ) -> Result<Vec<Reject>, Error> {
        let Inputs { discovery, plan, spec, hashes, all, .. } = self;
        let resized = spec.size.map(|_| Ok::<_, SpecError>((Elements::of(spec)?, Method::of(spec)?))).transpose()?;
        let job = Job { discovery, plan, spec, resized, pages: draft.columns().pages(), options, hashes, inputs: *all };
        pipeline::write_shards(&job, pool, draft, rejects)
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
        Summary { dry_run: true, committed: false, ..self.summary(begin, unchanged, rejects, splits) }
    }

    /// What became of the inputs and of `unchanged` others.
    pub(crate) fn summary(
        &self,
        begin: Instant,
        unchanged: usize,
        rejects: &[Reject],
        splits: BTreeMap<Split, SplitSummary>,
    ) -> Summary {
        let small_classes = self.small_classes.clone();
        Summary { small_classes, ..Summary::of(begin, &self.discovery, unchanged, rejects, splits) }
    }
}

/// Names the first few of the classes that are too small for exact shares.
fn notice_of(small: &[SmallClass], shares: &Shares) -> Option<Notice> {
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

fn row_bytes(discovery: &Discovery, spec: &Spec, pool: &rayon::ThreadPool) -> Result<RowBytes, SpecError> {
    Ok(match TensorShape::of(spec)? {
        Some(shape) => {
            RowBytes::Same(Encoder::of(spec).map_or(shape.bytes(), |encoder| encoder.typical_bytes(shape.bytes())))
        }
        None => RowBytes::OfFiles(pipeline::file_lengths(discovery, spec, pool)),
    })
}
