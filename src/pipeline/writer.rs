//! Puts pages in the order of the plan and writes them, on the calling thread.

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;

use super::Job;
use super::window::Window;
use super::worker::{Facts, Filled};
use crate::commit::transaction::{FinishedShard, Shards};
use crate::dataset::moments::Moments;
use crate::dataset::reject::Reject;
use crate::dataset::statistics::Statistics;
use crate::error::{Error, RecordError};
use crate::format::shard::{RowGroup, RowGroupBuilder, ShardWriter};
use crate::plan::PagePlan;
use crate::source::reject;

/// Writes pages in the order of the plan.
pub(super) struct Writer<'a> {
    job: &'a Job<'a>,
    shards: &'a mut dyn Shards,
    /// Pages that arrived before their turn.
    early: BTreeMap<usize, Filled<'a>>,
    next: usize,
    builder: RowGroupBuilder,
    pages_in_group: usize,
    shard: Option<Box<dyn ShardWriter>>,
    /// Statistics of the new rows of the shard.
    statistics: Statistics,
    /// Moments of the last row.
    of_row: Moments,
    /// Bytes of images still to be written.
    left: u64,
    outcome: Outcome,
}

/// What a run found in its inputs.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Inputs that could not become rows.
    pub(crate) rejects: Vec<Reject>,
    /// Number of rows that it made of truncated images.
    pub(crate) truncated: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn new(job: &'a Job<'a>, shards: &'a mut dyn Shards, rejects: Vec<Reject>) -> Writer<'a> {
        Writer {
            job,
            shards,
            early: BTreeMap::new(),
            next: 0,
            builder: RowGroupBuilder::of_dataset(job.columns, job.recipe.layout()),
            pages_in_group: 0,
            shard: None,
            statistics: Statistics::default(),
            of_row: Moments::default(),
            left: job.plan.shards.iter().map(|shard| job.plan.row_bytes.sum(&shard.rows)).sum(),
            outcome: Outcome { rejects, truncated: 0 },
        }
    }

    pub(super) fn write_all<I: Iterator<Item = PagePlan<'a>>>(
        mut self,
        results: Receiver<Vec<Filled<'a>>>,
        window: &Window<I>,
    ) -> Result<Outcome, Error> {
        for batch in results {
            self.early.extend(batch.into_iter().map(|filled| (filled.number, filled)));
            while let Some(filled) = self.early.remove(&self.next) {
                self.next += 1;
                self.add(filled, window).map_err(|error| error.or_disk_full(self.left))?;
            }
        }
        match self.job.options.progress.is_stopped() {
            true => Err(Error::Interrupted),
            false => Ok(self.outcome),
        }
    }

    fn add<I: Iterator<Item = PagePlan<'a>>>(&mut self, filled: Filled<'a>, window: &Window<I>) -> Result<(), Error> {
        let Filled { plan, pages, others, facts, rejects, bytes, .. } = filled;
        if !rejects.is_empty()
            && let Some(error) = self.job.source.failure()
        {
            return Err(error);
        }
        for (path, error) in rejects {
            self.reject(path, error)?;
        }
        let rows = facts.len();
        for Facts { elements, label, source_width, source_height, is_truncated } in facts {
            self.outcome.truncated += usize::from(is_truncated);
            elements.put(&mut self.of_row);
            self.statistics.add(&self.of_row, label, source_width, source_height);
        }
        self.pages_in_group += 1;
        if self.job.columns.tensors().is_empty() {
            let Writer { builder, shard, shards, .. } = self;
            builder.add_files(&others, |group| write(shard, &**shards, &plan, group))?;
            // Files are not in pages, so they don't have to wait for the rest of their row group.
            window.written(std::mem::take(&mut self.pages_in_group));
        } else {
            self.builder.add(pages, others, plan.rows.len());
        }
        if self.builder.is_full() || plan.ends_shard {
            if let Some(mut group) = self.builder.take() {
                write(&mut self.shard, self.shards, &plan, &mut group)?;
                window.give_back(group.tensors);
            }
            window.written(std::mem::take(&mut self.pages_in_group));
        }
        if plan.ends_shard {
            let info = self.shard.take().map(|shard| shard.finish()).transpose()?;
            let statistics = std::mem::take(&mut self.statistics);
            let shard = info.map(|info| FinishedShard { info, statistics });
            self.shards.add(plan.split, shard, &self.outcome.rejects)?;
        }
        self.job.options.progress.written(plan.split, rows, bytes);
        self.left -= self.job.plan.row_bytes.sum(plan.rows);
        Ok(())
    }

    fn reject(&mut self, path: String, error: RecordError) -> Result<(), Error> {
        self.outcome.rejects.push(reject(path, &error));
        self.job.options.check(&self.outcome.rejects, self.job.inputs)
    }
}

/// Writes a row group to the shard, and begins the shard if there is none yet.
fn write(
    shard: &mut Option<Box<dyn ShardWriter>>,
    shards: &dyn Shards,
    plan: &PagePlan<'_>,
    group: &mut RowGroup,
) -> Result<(), Error> {
    let shard = match shard {
        Some(shard) => shard,
        none => none.insert(shards.begin(plan.split, plan.place)?),
    };
    Ok(shard.write_row_group(group)?)
}
