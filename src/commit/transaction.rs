//! The transaction of a run: the snapshot that it is making. It grows shard by shard, and each shard is
//! committed as soon as it is finished, so that a run that was killed can be resumed from there.

use crate::commit::journal::Purpose;
use crate::commit::output::Output;
use crate::dataset::card::{About, CardNote};
use crate::dataset::manifest::{Manifest, Unfinished};
use crate::dataset::names::{REJECTS, REJECTS_BEFORE};
use crate::dataset::place::Place;
use crate::dataset::reject::{Reject, read_rejects, to_lines};
use crate::dataset::statistics::Statistics;
use crate::error::Error;
use crate::format::columns::Columns;
use crate::format::row_layout::RowLayout;
use crate::format::shard::{self, Checksum, Footer, ShardInfo, ShardWriter, shard_name};
use crate::spec::Split;

/// When finished shards become part of the dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Commits {
    /// Each as soon as it is finished.
    EachShard,
    /// All together, because they replace a dataset.
    AtEnd,
    /// All together: they were made before, by others.
    OfPlan,
}

/// The run that makes a transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Checksum of everything that decides what the run writes.
    pub(crate) checksum: Checksum,
    /// Number of shards in its plan, including those that are finished.
    pub(crate) shards: usize,
}

/// A shard of the plan that is finished.
#[derive(Debug)]
pub(crate) struct FinishedShard {
    /// Its entry in the manifest.
    pub(crate) info: ShardInfo,
    /// Statistics of the rows that the run added to it.
    pub(crate) statistics: Statistics,
}

/// What takes the shards of a plan, one after the other.
pub(crate) trait Shards {
    /// Begins a shard that nobody sees: a new one, or a longer copy of the split's last shard.
    ///
    /// # Errors
    /// If it can't be created.
    fn begin(&self, split: Split, place: Place) -> Result<Box<dyn ShardWriter>, Error>;

    /// Adds the next shard of the plan. None if all of its rows were rejected. `rejects` holds all rejects of the run so
    /// far.
    ///
    /// # Errors
    /// If it can't be added.
    fn add(&mut self, split: Split, shard: Option<FinishedShard>, rejects: &[Reject]) -> Result<(), Error>;
}

/// The snapshot that a run is making.
pub(crate) struct Transaction {
    output: Output,
    /// Manifest that the next commit writes.
    manifest: Manifest,
    columns: Columns,
    layout: RowLayout,
    commits: Commits,
    run: Run,
    /// Number of shards of the plan that are finished.
    done: usize,
    /// Rejects of earlier runs that this one does not judge again.
    kept_rejects: Vec<Reject>,
    /// What people should know about the card.
    card: Vec<CardNote>,
}

impl Transaction {
    /// Begins a transaction on the snapshot of `manifest`.
    pub(crate) fn new(
        output: Output,
        manifest: Manifest,
        commits: Commits,
        layout: &RowLayout,
        run: Run,
        kept_rejects: Vec<Reject>,
    ) -> Transaction {
        let columns = Columns::new(layout, &manifest.spec, &manifest.snapshot.classes);
        let done = manifest.unfinished.map_or(0, |unfinished| unfinished.shards);
        Transaction {
            output,
            manifest,
            columns,
            layout: layout.clone(),
            commits,
            run,
            done,
            kept_rejects,
            card: Vec::new(),
        }
    }

    /// Columns of its shards.
    pub(crate) fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Whether its snapshot has no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.manifest.snapshot.splits.is_empty()
    }

    fn begin_file(&self, name: String, from: Option<&Footer>) -> Result<Box<dyn ShardWriter>, Error> {
        let file = self.output.create(&name)?;
        // A disk is named by the file that is written, a store by the one that it becomes.
        let path = match self.output.files().folder() {
            Some(_) => self.output.scratch().join(&name),
            None => self.output.files().path(&name),
        };
        Ok(shard::begin(file, path, name, &self.columns, from)?)
    }

    /// Takes over a shard that was made elsewhere, to be added next. `staged` is what a journal calls it.
    pub(crate) fn adopt(&mut self, file: String, staged: String) {
        self.output.adopt(file, staged);
    }

    /// Drops the previous snapshot, so that there is nothing to roll back to.
    pub(crate) fn drop_history(&mut self) {
        self.manifest.previous = None;
    }

    /// Whether there is anything to commit: new rows, different rejects, or the end of an interrupted run.
    pub(crate) fn is_changed(&self, rejects: &[Reject]) -> Result<bool, Error> {
        let same = |current: &Manifest| {
            current.unfinished.is_none() && current.snapshot.splits == self.manifest.snapshot.splits
        };
        Ok(!self.output.current().is_some_and(same)
            || self.all_rejects(rejects) != read_rejects(&**self.output.files(), REJECTS)?)
    }

    /// Gives up, with what was added so far. Returns what it was to be committed to.
    pub(crate) fn into_output(self) -> Output {
        self.output
    }

    /// Commits the rest at the end of the run. Returns the manifest, and what people should know about the card.
    pub(crate) fn finish(mut self, rejects: &[Reject]) -> Result<(Manifest, Vec<CardNote>), Error> {
        self.commit(None, rejects)?;
        Ok((self.manifest, self.card))
    }

    /// Rejects of earlier runs and of this one, sorted.
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
        }
        let begins = self.output.current().is_none_or(|current| current.previous != self.manifest.previous);
        if self.manifest.previous.is_some() && begins {
            let before = read_rejects(&**self.output.files(), REJECTS)?;
            self.output.stage(REJECTS_BEFORE, &to_lines(&before))?;
        }
        let mut notes = self.output.describe(&mut self.manifest, &self.layout, &About::default())?;
        // The first commit of a run rewrites what the others find rewritten.
        notes.extend(self.card.drain(..).filter(CardNote::is_of_rewriting));
        self.card = notes;
        let purpose = if self.commits == Commits::OfPlan { Purpose::Plan } else { Purpose::Change };
        self.manifest = self.output.commit_for(purpose, self.manifest.clone())?;
        Ok(())
    }
}

impl Shards for Transaction {
    fn begin(&self, split: Split, place: Place) -> Result<Box<dyn ShardWriter>, Error> {
        let shards = self.manifest.snapshot.splits.get(&split).map_or(&[][..], |info| &info.shards);
        match (place, shards) {
            (Place::Tail, [.., tail]) => {
                let footer = Footer::of_dataset(&**self.output.files(), tail, &self.columns)?;
                self.begin_file(tail.file.clone(), Some(&footer))
            }
            (Place::New(number), _) => self.begin_file(shard_name(split, number, self.manifest.spec.format), None),
            (Place::Tail, []) => unreachable!("a tail is a shard of the snapshot that the plan adds to"),
        }
    }

    fn add(&mut self, split: Split, shard: Option<FinishedShard>, rejects: &[Reject]) -> Result<(), Error> {
        self.done += 1;
        let Some(FinishedShard { info: shard, statistics }) = shard else { return Ok(()) };
        let info = self.manifest.snapshot.splits.entry(split).or_default();
        info.labels.resize(self.manifest.snapshot.classes.len(), 0);
        info.labels.iter_mut().zip(&statistics.labels).for_each(|(rows, moments)| *rows += moments.rows);
        if info.shards.is_empty() {
            info.statistics = Some(Statistics::default());
        }
        info.statistics.iter_mut().for_each(|merged| merged.merge(&statistics));
        self.output.add_shard(shard.file.clone());
        if info.shards.last().is_some_and(|last| last.file == shard.file) {
            info.shards.pop();
        }
        info.shards.push(shard);
        info.count();
        // `finish` commits the last shard.
        if self.commits == Commits::EachShard && self.done < self.run.shards {
            self.commit(Some(Unfinished { run: self.run.checksum, shards: self.done }), rejects)?;
        }
        Ok(())
    }
}
