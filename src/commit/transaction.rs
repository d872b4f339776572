//! The version of a dataset that a run is making. It grows shard by shard, and each shard is
//! committed as it is finished, so that a run which is killed can go on from there.

use crate::commit::output::Output;
use crate::dataset::card::card;
use crate::dataset::manifest::{Manifest, Unfinished};
use crate::dataset::names::CARD;
use crate::dataset::names::{REJECTS, REJECTS_BEFORE};
use crate::dataset::place::Place;
use crate::dataset::reject::{Reject, read_rejects, to_lines};
use crate::dataset::statistics::Statistics;
use crate::error::Error;
use crate::format::columns::Columns;
use crate::format::row_layout::RowLayout;
use crate::format::shard::{self, Checksum, Footer, ShardInfo, ShardWriter, shard_name, shard_number};
use crate::format::tensor::TensorShape;
use crate::spec::Split;

/// When finished shards become part of the dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Commits {
    /// Each as soon as it is finished.
    EachShard,
    /// All together, when they replace a dataset.
    AtEnd,
}

/// The version of a dataset that a run is making.
pub(crate) struct Transaction {
    output: Output,
    /// What the next commit makes of the manifest.
    manifest: Manifest,
    columns: Columns,
    shape: Option<TensorShape>,
    commits: Commits,
    run: Checksum,
    /// How many shards of the run's plan are done, and how many are not.
    done: usize,
    left: usize,
    /// Rejects of earlier runs, that this one does not judge again.
    kept_rejects: Vec<Reject>,
    /// Files that the next commit brings.
    staged: Vec<String>,
}

impl Transaction {
    /// A transaction that begins with what `manifest` says, for a run of `shards` shards.
    pub(crate) fn new(
        output: Output,
        manifest: Manifest,
        commits: Commits,
        layout: &RowLayout,
        (run, shards): (Checksum, usize),
        kept_rejects: Vec<Reject>,
    ) -> Transaction {
        let columns = Columns::new(layout, &manifest.spec, &manifest.snapshot.classes);
        let shape = layout.shape();
        let done = manifest.unfinished.map_or(0, |unfinished| unfinished.shards);
        let (left, staged) = (shards - done, Vec::new());
        Transaction { output, manifest, columns, shape, commits, run, done, left, kept_rejects, staged }
    }

    /// The columns of its shards.
    pub(crate) fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Whether it has no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.manifest.snapshot.splits.is_empty()
    }

    /// Begins a shard.
    pub(crate) fn begin_shard(&self, split: Split, place: Place) -> Result<Box<dyn ShardWriter>, Error> {
        let shards = self.manifest.snapshot.splits.get(&split).map_or(&[][..], |info| &info.shards);
        match (place, shards) {
            (Place::Tail, [.., tail]) => {
                let footer = Footer::of_shard(&self.output.folder().join(&tail.file), tail, self.columns.format())?;
                Ok(shard::extend(self.output.staging(), tail.file.clone(), &self.columns, &footer)?)
            }
            (_, shards) => {
                // Merged shards leave gaps in the numbers.
                let number = shards.last().map_or(0, |last| shard_number(&last.file) + 1);
                let name = shard_name(split, number, self.manifest.spec.format);
                Ok(shard::create(self.output.staging(), name, &self.columns)?)
            }
        }
    }

    /// Adds a shard of the plan that is finished, with the statistics of its new rows; none if all of
    /// them were rejected. `rejects` are those of the run so far.
    pub(crate) fn add_shard(
        &mut self,
        split: Split,
        shard: Option<(ShardInfo, Statistics)>,
        rejects: &[Reject],
    ) -> Result<(), Error> {
        self.done += 1;
        self.left -= 1;
        let Some((shard, statistics)) = shard else { return Ok(()) };
        let info = self.manifest.snapshot.splits.entry(split).or_default();
        info.labels.resize(self.manifest.snapshot.classes.len(), 0);
        info.labels.iter_mut().zip(&statistics.labels).for_each(|(rows, moments)| *rows += moments.rows);
        if info.shards.is_empty() {
            info.statistics = Some(Statistics::default());
        }
        info.statistics.iter_mut().for_each(|there| there.merge(&statistics));
        self.staged.push(shard.file.clone());
        if info.shards.last().is_some_and(|last| last.file == shard.file) {
            info.shards.pop();
        }
        info.shards.push(shard);
        info.count();
        // The last shard is committed with the end of the run.
        match self.commits == Commits::EachShard && self.left > 0 {
            true => self.commit(Some(Unfinished { run: self.run, shards: self.done }), rejects),
            false => Ok(()),
        }
    }

    /// Keeps nothing of the version before.
    pub(crate) fn drop_history(&mut self) {
        self.manifest.previous = None;
    }

    /// Whether there is anything to commit: a row, another list of rejects, or the end of a run that
    /// was interrupted.
    pub(crate) fn is_changed(&self, rejects: &[Reject]) -> Result<bool, Error> {
        let same = |current: &Manifest| {
            current.unfinished.is_none() && current.snapshot.splits == self.manifest.snapshot.splits
        };
        Ok(!self.output.current().is_some_and(same)
            || self.all_rejects(rejects) != read_rejects(&self.output.folder().join(REJECTS))?)
    }

    /// Commits what is left; the run has ended.
    pub(crate) fn finish(mut self, rejects: &[Reject]) -> Result<Manifest, Error> {
        self.commit(None, rejects)?;
        Ok(self.manifest)
    }

    /// The lines of the list of rejects: those of earlier runs, and of this one.
    fn all_rejects(&self, rejects: &[Reject]) -> Vec<Reject> {
        let mut all: Vec<Reject> = self.kept_rejects.iter().chain(rejects).cloned().collect();
        all.sort();
        all
    }

    fn commit(&mut self, unfinished: Option<Unfinished>, rejects: &[Reject]) -> Result<(), Error> {
        let all = self.all_rejects(rejects);
        self.manifest.unfinished = unfinished;
        self.manifest.snapshot.rejects = all.len();
        self.manifest.snapshot.inputs = self.manifest.snapshot.rows() + all.len();
        if !all.is_empty() {
            self.output.stage(REJECTS, &to_lines(&all))?;
            self.staged.push(REJECTS.to_owned());
        }
        let begins = self.output.current().is_none_or(|current| current.previous != self.manifest.previous);
        if self.manifest.previous.is_some() && begins {
            let before = read_rejects(&self.output.folder().join(REJECTS))?;
            self.output.stage(REJECTS_BEFORE, &to_lines(&before))?;
            self.staged.push(REJECTS_BEFORE.to_owned());
        }
        self.output.stage(CARD, &card(&self.manifest, self.shape))?;
        self.staged.push(CARD.to_owned());
        self.output.commit(&self.staged, self.manifest.clone())?;
        self.staged.clear();
        Ok(())
    }
}
