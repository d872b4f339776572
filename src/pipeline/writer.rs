//! Puts pages in the order of the plan and writes them, on the calling thread.

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;

use super::Job;
use super::window::Window;
use super::worker::Filled;
use crate::commit::transaction::Transaction;
use crate::dataset::reject::Reject;
use crate::dataset::statistics::Statistics;
use crate::error::{Error, RecordError};
use crate::format::columns::Row;
use crate::format::page::Page;
use crate::format::row_counts::ends_row_group;
use crate::format::shard::{RowGroup, ShardWriter};
use crate::plan::PagePlan;

/// Writes pages in the order of the plan.
pub(super) struct Writer<'a> {
    job: &'a Job<'a>,
    transaction: &'a mut Transaction,
    /// Pages that came before their turn.
    early: BTreeMap<usize, Filled<'a>>,
    next: usize,
    group: RowGroup,
    /// Of the pages of the group.
    rows: Vec<Row>,
    pages_in_group: usize,
    /// Bytes of the encoded images of the group.
    encoded: usize,
    shard: Option<Box<dyn ShardWriter>>,
    /// Of the new rows of the shard.
    statistics: Statistics,
    /// Bytes of images that are still to be written.
    left: u64,
    rejects: Vec<Reject>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(job: &'a Job<'a>, transaction: &'a mut Transaction, rejects: Vec<Reject>) -> Writer<'a> {
        Writer {
            job,
            transaction,
            early: BTreeMap::new(),
            next: 0,
            group: RowGroup::default(),
            rows: Vec::new(),
            pages_in_group: 0,
            encoded: 0,
            shard: None,
            statistics: Statistics::default(),
            left: job.plan.shards.iter().map(|shard| job.plan.row_bytes.sum(&shard.rows)).sum(),
            rejects,
        }
    }

    pub(super) fn write_all<I: Iterator<Item = PagePlan<'a>>>(
        mut self,
        results: Receiver<Filled<'a>>,
        window: &Window<I>,
    ) -> Result<Vec<Reject>, Error> {
        for filled in results {
            self.early.insert(filled.number, filled);
            while let Some(filled) = self.early.remove(&self.next) {
                self.next += 1;
                self.add(filled, window).map_err(|error| error.or_disk_full(self.left))?;
            }
        }
        match self.job.options.progress.is_stopped() {
            true => Err(Error::Interrupted),
            false => Ok(self.rejects),
        }
    }

    fn add<I: Iterator<Item = PagePlan<'a>>>(&mut self, filled: Filled<'a>, window: &Window<I>) -> Result<(), Error> {
        let Filled { plan, page, rows, moments, rejects, .. } = filled;
        for (path, error) in rejects {
            self.reject(path, error)?;
        }
        for (row, moments) in rows.into_iter().zip(&moments) {
            self.statistics.add(moments, row.label, row.source_width, row.source_height);
            // A row group of tensors ends where the plan says.
            if ends_row_group(self.encoded, row.image.len(), self.job.recipe.spec()) {
                self.write_row_group(&plan)?;
            }
            self.encoded += row.image.len();
            self.rows.push(row);
        }
        self.group.pages.extend(page);
        self.pages_in_group += 1;
        if plan.ends_row_group {
            self.write_row_group(&plan)?;
            window.give_back(self.group.pages.drain(..).map(Page::into_buffer));
        }
        // Encoded images lie in no page, so it need not wait for the others of its row group.
        if plan.ends_row_group || self.job.pages.is_none() {
            window.written(std::mem::take(&mut self.pages_in_group));
        }
        if plan.ends_shard {
            let shard = self.shard.take().map(|shard| shard.finish()).transpose()?;
            let statistics = std::mem::take(&mut self.statistics);
            self.transaction.add_shard(plan.split, shard.map(|shard| (shard, statistics)), &self.rejects)?;
        }
        self.left -= self.job.plan.row_bytes.sum(plan.rows);
        Ok(())
    }

    fn reject(&mut self, path: String, error: RecordError) -> Result<(), Error> {
        self.rejects.push(error.reject(path));
        self.job.options.check(&self.rejects, self.job.inputs)
    }

    fn write_row_group(&mut self, plan: &PagePlan<'_>) -> Result<(), Error> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let shard = match &mut self.shard {
            Some(shard) => shard,
            none => none.insert(self.transaction.begin_shard(plan.split, plan.place)?),
        };
        self.group.others = self.transaction.columns().other_arrays(&self.rows);
        shard.write_row_group(&mut self.group)?;
        self.rows.clear();
        self.encoded = 0;
        Ok(())
    }
}
