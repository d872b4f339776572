//! Batches of a table.

use std::sync::{Arc, Mutex, PoisonError};

use inlaid::Loader;
use inlaid::read::{
    BatchOptions, Draw, Epoch, OnBadRow, Part, RowOrder, Share, SkippedRow, Table, TensorColumn, TensorMaker, Uneven,
};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use crate::casting::{Casting, encoded};
use crate::column::column_to_numpy;
use crate::errors::{exception, misuse, setting};
use crate::ndarray::{Access, tensors};
use crate::pixels::Pixels;
use crate::reading::tell_of_cache;

/// Which batches: the attributes of `BatchSettings` of `python/inlaid/_settings.py`, which checks them.
#[derive(FromPyObject)]
pub struct Settings {
    batch_size: usize,
    shuffle: Shuffle,
    seed: u64,
    drop_last: bool,
    columns: Vec<String>,
    draw: Option<Draws>,
    cast: Option<Casting>,
    pixels: Option<Pixels>,
    #[pyo3(from_py_with = on_error)]
    on_error: OnBadRow,
    rank: usize,
    world_size: usize,
    #[pyo3(from_py_with = uneven)]
    uneven: Uneven,
    prefetch: usize,
}

/// `True`, `False`, or how many row groups are mixed.
#[derive(FromPyObject)]
enum Shuffle {
    All(bool),
    Mixed(usize),
}

fn uneven(word: &Bound<'_, PyAny>) -> PyResult<Uneven> {
    match word.extract::<&str>() {
        Ok("keep") => Ok(Uneven::Keep),
        Ok("drop") => Ok(Uneven::Drop),
        Ok("pad") => Ok(Uneven::Pad),
        _ => Err(setting(format!("uneven can't be {}", word.repr()?))),
    }
}

fn on_error(word: &Bound<'_, PyAny>) -> PyResult<OnBadRow> {
    Ok(if word.extract::<&str>()? == "skip" { OnBadRow::Skip } else { OnBadRow::Raise })
}

/// A `Draw` of `python/inlaid/_draws.py`.
#[derive(FromPyObject)]
struct Draws {
    native: Drawn,
}

/// What an epoch draws: the bytes of a weight of 64 bits for each row, or the rows of each part, with how many are drawn.
#[derive(FromPyObject)]
enum Drawn {
    Weights(PyBackedBytes),
    Parts(Vec<(PyBackedBytes, usize)>),
}

impl From<Drawn> for Draw {
    fn from(drawn: Drawn) -> Draw {
        match drawn {
            Drawn::Weights(weights) => {
                Draw::Weights(weights.as_chunks().0.iter().map(|bytes| f64::from_ne_bytes(*bytes)).collect())
            }
            Drawn::Parts(parts) => {
                let part = |(rows, count): (PyBackedBytes, usize)| Part { rows: row_numbers(&rows).into(), count };
                Draw::Parts(parts.into_iter().map(part).collect())
            }
        }
    }
}

/// Rows: int64 in the byte order of the machine, one after the other.
pub fn row_numbers(rows: &[u8]) -> Vec<usize> {
    rows.as_chunks().0.iter().map(|row| i64::from_ne_bytes(*row) as usize).collect()
}

impl Settings {
    /// The options of a pass over the table.
    fn options(self, table: &Table, epoch: u64, skip: usize, worker: (usize, usize)) -> PyResult<BatchOptions> {
        let order = match self.shuffle {
            Shuffle::All(false) => RowOrder::Stored,
            Shuffle::All(true) => RowOrder::Random,
            Shuffle::Mixed(row_groups) => RowOrder::Mixed { row_groups },
        };
        Ok(BatchOptions::new(self.batch_size)
            .drop_last(self.drop_last)
            .columns(self.columns)
            .epoch(Epoch { order, seed: self.seed, number: epoch })
            .draw(self.draw.map_or(Draw::Every, |draw| draw.native.into()))
            .cast(match &self.pixels {
                Some(_) => None,
                None => self.cast.map(|cast| cast.of(table)).transpose()?,
            })
            .maker(match self.pixels {
                Some(pixels) => {
                    let loader = Loader::new(table, &pixels.shared_by(worker.1)).map_err(exception)?;
                    Some(Arc::new(loader) as Arc<dyn TensorMaker>)
                }
                None => None,
            })
            .on_error(self.on_error)
            .share(Share { rank: self.rank, world_size: self.world_size, uneven: self.uneven })
            .worker(worker)
            .skip(skip)
            .prefetch(self.prefetch))
    }

    /// The number of batches of an epoch.
    pub fn count(mut self, table: &Table) -> PyResult<usize> {
        // Threads that decode are for passes.
        self.pixels = None;
        self.cast = None;
        Ok(self.options(table, 0, 0, (0, 1))?.count(table.len()))
    }
}

/// Batches that are being read: an iterator of lists of arrays, the tensors first.
#[pyclass(frozen, module = "inlaid._inlaid")]
pub struct Batches {
    table: Table,
    /// The column of tensors, as they were cast.
    tensors: TensorColumn,
    batches: Mutex<inlaid::Batches>,
    columns: Vec<String>,
    /// Rows that the last batch lacks.
    skipped: Mutex<Vec<SkippedRow>>,
    /// The threads that make batches are those of this process, and a fork has none of them.
    process: u32,
}

impl Batches {
    pub fn new(
        py: Python<'_>,
        table: &Table,
        settings: Settings,
        epoch: u64,
        skip: usize,
        worker: (usize, usize),
    ) -> PyResult<Batches> {
        let options = settings.options(table, epoch, skip, worker)?;
        let batches = py.detach(|| table.batches(&options)).map_err(exception)?;
        let tensors = match (&options.maker, &options.cast) {
            (Some(maker), _) => maker.target().clone(),
            (None, Some(cast)) => cast.target().clone(),
            (None, None) => table.tensor_column().ok_or_else(|| encoded(table))?.clone(),
        };
        let (table, process, skipped) = (table.clone(), std::process::id(), Mutex::default());
        Ok(Batches { table, tensors, batches: Mutex::new(batches), columns: options.columns, skipped, process })
    }
}

#[pymethods]
impl Batches {
    fn __iter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Vec<Bound<'py, PyAny>>>> {
        if std::process::id() != self.process {
            return Err(misuse("another process started these batches; start new ones after a fork".to_owned()));
        }
        let next = py.detach(|| self.batches.lock().unwrap_or_else(PoisonError::into_inner).next());
        let Some(batch) = next.transpose().map_err(exception)? else { return Ok(None) };
        tell_of_cache(py, &self.table)?;
        *self.skipped.lock().unwrap_or_else(PoisonError::into_inner) = batch.skipped;
        let mut arrays = vec![tensors(py, &self.tensors, batch.tensors, batch.rows.len(), Access::Write)?];
        for (name, column) in self.columns.iter().zip(&batch.columns) {
            arrays.push(column_to_numpy(py, &self.table, name, column, Access::Write)?);
        }
        Ok(Some(arrays))
    }

    /// The rows that the last batch lacks, and why.
    fn skipped(&self) -> Vec<(usize, String)> {
        let skipped = self.skipped.lock().unwrap_or_else(PoisonError::into_inner);
        skipped.iter().map(|row| (row.row, row.reason.clone())).collect()
    }
}
