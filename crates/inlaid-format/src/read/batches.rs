//! Batches of rows, made ahead by threads.

use std::fmt;
use std::iter::StepBy;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use arrow_array::{ArrayRef, UInt64Array};
use arrow_buffer::{Buffer, MutableBuffer};
use arrow_schema::FieldRef;
use arrow_select::take::take;

use super::order::{Epoch, Share};
use super::pool::Pool;
use super::table::Table;
use crate::error::Error;
use crate::format::tensor::tensor_array;

/// Batches that wait at the end of each thread that makes them, beside the one it is making.
const WAITING: usize = 1;

/// What batches are read, and how.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BatchOptions {
    /// Rows of a batch, at least 1.
    pub batch_size: usize,
    /// Whether a last batch of fewer rows is left out. Default: it is not.
    pub drop_last: bool,
    /// Columns beside the tensors. Default: none.
    pub columns: Vec<String>,
    /// The pass over the table. Default: the first, as rows are stored.
    pub epoch: Epoch,
    /// The part of it. Default: all.
    pub share: Share,
    /// This worker, from 0, and how many there are: each takes every so many batches. Default: 0 of 1.
    pub worker: (usize, usize),
    /// Batches of the epoch that were read before, by all workers. Default: 0.
    pub skip: usize,
    /// Threads that make batches ahead. Default: 0, each batch is made when it is asked for.
    pub prefetch: usize,
}

impl BatchOptions {
    /// Batches of so many rows, with the defaults.
    pub fn new(batch_size: usize) -> BatchOptions {
        BatchOptions {
            batch_size,
            drop_last: false,
            columns: Vec::new(),
            epoch: Epoch::default(),
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

    /// Batches of the share of an epoch of so many rows, for all workers and from the first on.
    pub fn count(&self, rows: usize) -> usize {
        let rows = self.share.count(rows);
        match self.drop_last {
            true => rows / self.batch_size.max(1),
            false => rows.div_ceil(self.batch_size.max(1)),
        }
    }
}

/// Some rows of a table.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Which rows.
    pub rows: Vec<usize>,
    /// Their tensors, one after the other. They begin at a multiple of 64 bytes, as TensorFlow and JAX want
    /// it to take them over without another copy.
    pub tensors: Buffer,
    /// The other columns that were asked for, in that order.
    pub columns: Vec<ArrayRef>,
}

/// The batches of a share of an epoch, in order. Memory holds `2 * prefetch + 1` of them at most, which
/// are filled again as they are dropped.
pub struct Batches {
    source: Arc<Source>,
    /// Numbers of the batches to come.
    numbers: StepBy<Range<usize>>,
    /// The threads that make them, taking turns.
    threads: Vec<Receiver<Result<Batch, Error>>>,
    /// How many were given out.
    given: usize,
}

/// What batches are made of.
struct Source {
    table: Arc<Table>,
    rows: Vec<usize>,
    batch_size: usize,
    columns: Vec<Column>,
    pool: Arc<Pool>,
}

/// A column that batches have beside the main tensors.
enum Column {
    /// All its values.
    Values(ArrayRef),
    /// Tensors, by the name of their column, with its field.
    Tensors(String, FieldRef),
}

impl Column {
    fn open(table: &Table, name: &str) -> Result<Column, Error> {
        if !table.tensor_columns().iter().any(|column| column.name == name) {
            return table.column(name).map(Column::Values);
        }
        table.tensors(name)?;
        let (_, field) = table.schema().fields().find(name).ok_or_else(|| table.no_column(name))?;
        Ok(Column::Tensors(name.to_owned(), field.clone()))
    }

    fn take(&self, table: &Table, rows: &[usize], indices: &UInt64Array) -> Result<ArrayRef, Error> {
        match self {
            Column::Values(array) => Ok(take(array, indices, None).expect("every row of a table is in its columns")),
            Column::Tensors(name, field) => {
                let tensors = table.tensors(name)?;
                let mut buffer = MutableBuffer::with_capacity(rows.len() * tensors.column().row_bytes());
                tensors.append(rows, &mut buffer)?;
                Ok(tensor_array(field, buffer.into()).expect("tensors are of the type of their column"))
            }
        }
    }
}

impl Batches {
    pub(super) fn new(table: Arc<Table>, options: &BatchOptions) -> Result<Batches, Error> {
        let columns = options.columns.iter().map(|name| Column::open(&table, name)).collect::<Result<_, _>>()?;
        let batch_size = options.batch_size.max(1);
        let rows = options.share.rows(&options.epoch.rows(&table));
        let count = options.count(table.len());
        let (worker, workers) = (options.worker.0, options.worker.1.max(1));
        let numbers = (options.skip + worker).min(count)..count;
        // As many as there are at a time, when each is dropped before the next is asked for.
        let pool = Pool::new((WAITING + 1) * options.prefetch + 1);
        let source = Arc::new(Source { table, rows, batch_size, columns, pool });
        let threads = (0..options.prefetch).map(|thread| {
            let (sender, receiver) = sync_channel(WAITING);
            let mine = numbers.clone().step_by(workers).skip(thread).step_by(options.prefetch);
            let source = source.clone();
            thread::spawn(move || {
                for number in mine {
                    // Nobody waits for batches any more.
                    if sender.send(source.batch(number)).is_err() {
                        return;
                    }
                }
            });
            receiver
        });
        let threads = threads.collect();
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
            // A thread that has gone has panicked; the batch is then made here, and fails here.
            threads => self.threads[turn % threads].recv().unwrap_or_else(|_| self.source.batch(number)),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.numbers.size_hint()
    }
}

impl ExactSizeIterator for Batches {}

impl Source {
    fn batch(&self, number: usize) -> Result<Batch, Error> {
        let end = ((number + 1) * self.batch_size).min(self.rows.len());
        let rows = self.rows[number * self.batch_size..end].to_vec();
        let mut tensors = self.pool.take(rows.len() * self.table.tensor_column().row_bytes());
        self.table.main().append(&rows, &mut tensors)?;
        let tensors = self.pool.lend(tensors);
        let indices = UInt64Array::from_iter_values(rows.iter().map(|row| *row as u64));
        let columns = self.columns.iter().map(|column| column.take(&self.table, &rows, &indices));
        let columns = columns.collect::<Result<_, _>>()?;
        Ok(Batch { rows, tensors, columns })
    }
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
