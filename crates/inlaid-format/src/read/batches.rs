//! Batches of rows, prefetched by threads.

use std::collections::HashMap;
use std::fmt;
use std::iter::StepBy;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use arrow_array::{ArrayRef, UInt64Array};
use arrow_buffer::Buffer;
use arrow_schema::FieldRef;
use arrow_select::take::take;

use super::ahead::{Ahead, Coming};
use super::cast::Cast;
use super::draw::Draw;
use super::maker::{DrawnRow, OnBadRow, SkippedRow, TensorMaker, close_gaps};
use super::order::{Epoch, Share};
use super::pool::{self, Need};
use super::table::Table;
use crate::error::Error;
use crate::format::tensor::tensor_array;
use crate::format::tensor_column::TensorColumn;

/// Options of a pass over a table in batches.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BatchOptions {
    /// Rows in a batch, at least 1.
    pub batch_size: usize,
    /// Whether to leave out the last batch if it has fewer rows. Default: false.
    pub drop_last: bool,
    /// Columns to read besides the main tensors. Default: none.
    pub columns: Vec<String>,
    /// Number and order of the pass. Default: pass 0, in stored order.
    pub epoch: Epoch,
    /// Rows that the epoch draws. Default: every row once.
    pub draw: Draw,
    /// What the main tensors are cast to. Default: nothing.
    pub cast: Option<Arc<Cast>>,
    /// What makes the main tensors, which are not cast then. Default: nothing, they are stored.
    pub maker: Option<Arc<dyn TensorMaker>>,
    /// What becomes of rows for which that makes no tensor. Default: [`OnBadRow::Raise`].
    pub on_error: OnBadRow,
    /// Part of the epoch to read. Default: all of it.
    pub share: Share,
    /// Index of this worker, from 0, and number of workers `n`: the worker reads every `n`th batch. Default: `(0, 1)`.
    pub worker: (usize, usize),
    /// Batches at the start of the epoch to skip, over all workers. Default: 0.
    pub skip: usize,
    /// Threads that prefetch batches. Default: 0, which makes each batch when it is requested.
    pub prefetch: usize,
}

impl Table {
    /// An iterator over batches of rows, in the order of an epoch.
    ///
    /// # Errors
    /// If a requested column does not exist or can't be read.
    pub fn batches(&self, options: &BatchOptions) -> Result<Batches, Error> {
        Batches::new(self.clone(), options)
    }
}

impl BatchOptions {
    /// The default options, for batches of `batch_size` rows.
    pub fn new(batch_size: usize) -> BatchOptions {
        BatchOptions {
            batch_size,
            drop_last: false,
            columns: Vec::new(),
            epoch: Epoch::default(),
            draw: Draw::Every,
            cast: None,
            maker: None,
            on_error: OnBadRow::Raise,
            share: Share::default(),
            worker: (0, 1),
            skip: 0,
            prefetch: 0,
        }
    }

    /// The same options, with [`BatchOptions::drop_last`] set.
    #[must_use]
    pub fn drop_last(self, drop_last: bool) -> BatchOptions {
        BatchOptions { drop_last, ..self }
    }

    /// The same options, with [`BatchOptions::columns`] set.
    #[must_use]
    pub fn columns(self, columns: Vec<String>) -> BatchOptions {
        BatchOptions { columns, ..self }
    }

    /// The same options, with [`BatchOptions::epoch`] set.
    #[must_use]
    pub fn epoch(self, epoch: Epoch) -> BatchOptions {
        BatchOptions { epoch, ..self }
    }

    /// The same options, with [`BatchOptions::draw`] set.
    #[must_use]
    pub fn draw(self, draw: Draw) -> BatchOptions {
        BatchOptions { draw, ..self }
    }

    /// The same options, with [`BatchOptions::cast`] set.
    #[must_use]
    pub fn cast(self, cast: Option<Cast>) -> BatchOptions {
        BatchOptions { cast: cast.map(Arc::new), ..self }
    }

    /// The same options, with [`BatchOptions::maker`] set.
    #[must_use]
    pub fn maker(self, maker: Option<Arc<dyn TensorMaker>>) -> BatchOptions {
        BatchOptions { maker, ..self }
    }

    /// The same options, with [`BatchOptions::on_error`] set.
    #[must_use]
    pub fn on_error(self, on_error: OnBadRow) -> BatchOptions {
        BatchOptions { on_error, ..self }
    }

    /// The same options, with [`BatchOptions::share`] set.
    #[must_use]
    pub fn share(self, share: Share) -> BatchOptions {
        BatchOptions { share, ..self }
    }

    /// The same options, with [`BatchOptions::worker`] set.
    #[must_use]
    pub fn worker(self, worker: (usize, usize)) -> BatchOptions {
        BatchOptions { worker, ..self }
    }

    /// The same options, with [`BatchOptions::skip`] set.
    #[must_use]
    pub fn skip(self, skip: usize) -> BatchOptions {
        BatchOptions { skip, ..self }
    }

    /// The same options, with [`BatchOptions::prefetch`] set.
    #[must_use]
    pub fn prefetch(self, prefetch: usize) -> BatchOptions {
        BatchOptions { prefetch, ..self }
    }

    /// Number of batches that all workers together read from an epoch of a table of `rows` rows, of which
    /// [`BatchOptions::share`] takes its part. [`BatchOptions::skip`] does not count.
    pub fn count(&self, rows: usize) -> usize {
        let rows = self.share.count(self.draw.count(rows));
        match self.drop_last {
            true => rows / self.batch_size.max(1),
            false => rows.div_ceil(self.batch_size.max(1)),
        }
    }
}

/// A batch of rows.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Numbers of the rows in the table, from 0.
    pub rows: Vec<usize>,
    /// Main tensors of the rows, one after another, as an array of shape `[rows, H, W, C]` (or that of the column, or
    /// that of [`Cast::target`]). Aligned to 64 bytes, so that TensorFlow and JAX can use them without another copy.
    pub tensors: Buffer,
    /// Columns requested in [`BatchOptions::columns`], in that order.
    pub columns: Vec<ArrayRef>,
    /// Rows that were left out, as [`OnBadRow::Skip`] demands.
    pub skipped: Vec<SkippedRow>,
}

/// An iterator over the batches of a share of an epoch, in order. At most `prefetch + 1` batches are in memory if
/// each is dropped before the next is requested; their buffers are reused, also by the next pass. While there is none,
/// a process keeps those of the last pass, or 64 MiB if that is more.
pub struct Batches {
    source: Arc<Source>,
    /// Numbers of the remaining batches.
    numbers: StepBy<Range<usize>>,
    /// The threads that make them, taking turns.
    threads: Vec<Receiver<Result<Batch, Error>>>,
    /// Number of batches returned so far.
    given: usize,
}

/// The data that batches are made from.
struct Source {
    table: Table,
    rows: Vec<usize>,
    /// How often the epoch drew each of them before; empty if it draws none twice.
    repeats: Vec<u32>,
    epoch: Epoch,
    batch_size: usize,
    columns: Vec<Column>,
    cast: Option<Arc<Cast>>,
    maker: Option<Arc<dyn TensorMaker>>,
    on_error: OnBadRow,
    /// Number of batches of the epoch, and the step from one that is made here to the next.
    count: usize,
    step: usize,
    ahead: Ahead,
    _need: Need,
}

/// A column of batches besides the main tensors.
enum Column {
    /// All values of the column, of all stored rows, by its name.
    Values(String, ArrayRef),
    /// A tensor column, by its name, with its Arrow field.
    Tensors(String, FieldRef),
}

impl Column {
    fn open(table: &Table, name: &str) -> Result<Column, Error> {
        if !table.tensor_columns().iter().any(|column| column.name == name) {
            return Ok(Column::Values(name.to_owned(), table.stored.column(name)?));
        }
        table.tensors(name)?;
        let (_, field) = table.schema().fields().find(name).ok_or_else(|| table.no_column(name))?;
        Ok(Column::Tensors(name.to_owned(), field.clone()))
    }

    fn take(&self, table: &Table, rows: &[usize], stored: &UInt64Array) -> Result<ArrayRef, Error> {
        match self {
            Column::Values(name, array) => take(array, stored, None).map_err(|_| table.stored.too_long(name)),
            Column::Tensors(name, field) => {
                let tensors = table.tensors(name)?;
                let mut memory = pool::take(length(rows, tensors.column())?)?;
                tensors.gather(rows, &mut memory)?;
                Ok(tensor_array(field, pool::lend(memory)).expect("tensors are of the type of their column"))
            }
        }
    }
}

/// Bytes of the tensors of some rows.
fn length(rows: &[usize], column: &TensorColumn) -> Result<usize, Error> {
    rows.len().checked_mul(column.row_bytes()).ok_or(Error::NoMemory(u64::MAX))
}

impl Batches {
    pub(super) fn new(table: Table, options: &BatchOptions) -> Result<Batches, Error> {
        let columns = options.columns.iter().map(|name| Column::open(&table, name));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let batch_size = options.batch_size.max(1);
        let drawn = options.epoch.drawn(&table, &options.draw)?;
        let repeats = match (&options.maker, &options.draw) {
            (None, _) | (_, Draw::Every) => Vec::new(),
            _ => options.share.of_epoch(&repeats(&drawn)),
        };
        let rows = options.share.of_epoch(&drawn);
        drop(drawn);
        let count = options.count(table.len());
        let (worker, workers) = (options.worker.0, options.worker.1.max(1));
        let numbers = (options.skip + worker).min(count)..count;
        let others = columns.iter().map(|column| match column {
            Column::Values(..) => Ok(0),
            Column::Tensors(name, _) => Ok(table.tensors(name)?.column().row_bytes()),
        });
        let main = match (&options.maker, &options.cast) {
            (Some(maker), _) => maker.target(),
            (None, Some(cast)) => table.main().map(|_| cast.target())?,
            (None, None) => table.main()?.column(),
        };
        let main = main.row_bytes();
        let row_bytes = main + others.sum::<Result<usize, Error>>()?;
        // The batches alive at a time, with one more that a loop drops only when it has the next.
        let need =
            Need::of((options.prefetch + 2).saturating_mul(batch_size.min(rows.len())).saturating_mul(row_bytes));
        let source = Arc::new(Source {
            table,
            rows,
            repeats,
            epoch: options.epoch,
            batch_size,
            columns,
            cast: options.cast.clone(),
            maker: options.maker.clone(),
            on_error: options.on_error,
            count,
            step: workers,
            ahead: Ahead::default(),
            _need: need,
        });
        let threads = (0..options.prefetch).map(|thread| {
            // A thread waits with its batch until that is taken: more batches would not stay in the processor's caches.
            let (sender, receiver) = sync_channel(0);
            let mine = numbers.clone().step_by(workers).skip(thread).step_by(options.prefetch);
            let source = source.clone();
            let make = move || {
                for number in mine {
                    // The iterator was dropped.
                    if sender.send(source.batch(number)).is_err() {
                        return;
                    }
                }
            };
            thread::Builder::new().spawn(make).map(|_| receiver)
        });
        let threads = threads.collect::<Result<_, _>>();
        let threads = threads.map_err(Error::io("start a thread that reads", &source.table.stored.files[0].path))?;
        Ok(Batches { numbers: numbers.step_by(workers), source, threads, given: 0 })
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, Error>;

    fn next(&mut self) -> Option<Result<Batch, Error>> {
        let number = self.numbers.next()?;
        let turn = self.given;
        self.given += 1;
        Some(match self.threads.len() {
            0 => self.source.batch(number),
            // A thread that is gone has panicked; the batch is made here instead, and fails here.
            threads => self.threads[turn % threads].recv().unwrap_or_else(|_| self.source.batch(number)),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.numbers.size_hint()
    }
}

impl ExactSizeIterator for Batches {}

impl Source {
    /// Begins to fetch what batches from this one on need, of files that are not on a disk.
    fn fetch_ahead(&self, number: usize) {
        if self.table.cache().is_none() {
            return;
        }
        let others = self.columns.iter().filter_map(|column| match column {
            Column::Tensors(name, _) => Some(&**name),
            Column::Values(..) => None,
        });
        let columns: Vec<&str> = [self.table.main_column()].into_iter().chain(others).collect();
        let Source { rows, batch_size, count, step, .. } = self;
        let coming = Coming { rows, batch_size: *batch_size, count: *count, step: *step, columns: &columns };
        self.ahead.announce(&self.table, number, &coming);
    }

    fn batch(&self, number: usize) -> Result<Batch, Error> {
        let places = number * self.batch_size..((number + 1) * self.batch_size).min(self.rows.len());
        let mut rows = self.rows[places.clone()].to_vec();
        self.fetch_ahead(number);
        let (tensors, skipped) = match &self.maker {
            Some(maker) => self.made(&**maker, places, &mut rows)?,
            None => {
                let main = self.table.main()?;
                let column = self.cast.as_ref().map_or(main.column(), |cast| cast.target());
                let mut tensors = pool::take(length(&rows, column)?)?;
                main.gather_cast(&rows, &mut tensors, self.cast.as_deref())?;
                (pool::lend(tensors), Vec::new())
            }
        };
        let stored = UInt64Array::from_iter_values(rows.iter().map(|row| self.table.stored(*row) as u64));
        let columns = self.columns.iter().map(|column| column.take(&self.table, &rows, &stored));
        let columns = columns.collect::<Result<_, _>>()?;
        Ok(Batch { rows, tensors, columns, skipped })
    }

    /// The tensors that are made of rows at these places of the epoch. Rows without one are taken out of `rows`.
    fn made(
        &self,
        maker: &dyn TensorMaker,
        places: Range<usize>,
        rows: &mut Vec<usize>,
    ) -> Result<(Buffer, Vec<SkippedRow>), Error> {
        let repeat = |place| self.repeats.get(place).copied().unwrap_or_default();
        let drawn: Vec<_> = places.map(|place| DrawnRow { row: self.rows[place], repeat: repeat(place) }).collect();
        let mut tensors = pool::take(length(rows, maker.target())?)?;
        let mut bad = maker.make(&self.table, &self.epoch, &drawn, &mut tensors)?;
        if bad.is_empty() {
            return Ok((pool::lend(tensors), Vec::new()));
        }
        // A file that can't be read at the moment is no bad row.
        let is_bad = |error: &Error| matches!(error, Error::NoImage { .. } | Error::Damaged { .. });
        let other = bad.iter().position(|(_, error)| !is_bad(error));
        if self.on_error == OnBadRow::Raise || other.is_some() || bad.len() == rows.len() {
            return Err(bad.swap_remove(other.unwrap_or(0)).1);
        }
        let gaps: Vec<usize> = bad.iter().map(|(place, _)| *place).collect();
        let left = close_gaps(&mut tensors, maker.target().row_bytes(), &gaps);
        tensors.truncate(left);
        let skipped = bad.into_iter().map(|(place, error)| SkippedRow { row: rows[place], reason: error.to_string() });
        let skipped = skipped.collect();
        let mut places = 0..;
        rows.retain(|_| places.next().is_some_and(|place| gaps.binary_search(&place).is_err()));
        Ok((pool::lend(tensors), skipped))
    }
}

/// How often each row of an epoch was drawn before.
fn repeats(drawn: &[usize]) -> Vec<u32> {
    let mut times: HashMap<usize, u32> = HashMap::new();
    let before = drawn.iter().map(|row| {
        let times = times.entry(*row).or_default();
        *times = times.saturating_add(1);
        *times - 1
    });
    before.collect()
}

impl fmt::Debug for Batches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches")
            .field("table", &self.source.table)
            .field("batch_size", &self.source.batch_size)
            .field("left", &self.numbers.len())
            .finish_non_exhaustive()
    }
}
