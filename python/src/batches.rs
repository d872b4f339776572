//! Batches of a table.

use std::sync::{Arc, Mutex, PoisonError};

use inlaid::read::{BatchOptions, Epoch, RowOrder, Share, Uneven};
use pyo3::prelude::*;

use crate::column::column_to_numpy;
use crate::errors::{exception, misuse, setting};
use crate::ndarray::{Access, tensors};

/// Which batches: the attributes of `BatchSettings` of `python/inlaid/_settings.py`, which checks them.
#[derive(FromPyObject)]
pub struct Settings {
    batch_size: usize,
    shuffle: Shuffle,
    seed: u64,
    drop_last: bool,
    columns: Vec<String>,
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

impl Settings {
    /// The options of a pass over the table.
    fn options(self, epoch: u64, skip: usize, worker: (usize, usize)) -> BatchOptions {
        let order = match self.shuffle {
            Shuffle::All(false) => RowOrder::Stored,
            Shuffle::All(true) => RowOrder::Random,
            Shuffle::Mixed(row_groups) => RowOrder::Mixed { row_groups },
        };
        BatchOptions::new(self.batch_size)
            .drop_last(self.drop_last)
            .columns(self.columns)
            .epoch(Epoch { order, seed: self.seed, number: epoch })
            .share(Share { rank: self.rank, world_size: self.world_size, uneven: self.uneven })
            .worker(worker)
            .skip(skip)
            .prefetch(self.prefetch)
    }

    /// The number of batches.
    pub fn count(self, rows: usize) -> usize {
        self.options(0, 0, (0, 1)).count(rows)
    }
}

/// Batches that are being read: an iterator of lists of arrays, the tensors first.
#[pyclass(frozen, module = "inlaid._inlaid")]
pub struct Batches {
    table: Arc<inlaid::Table>,
    batches: Mutex<inlaid::Batches>,
    columns: Vec<String>,
    /// The threads that make batches are those of this process, and a fork has none of them.
    process: u32,
}

impl Batches {
    pub fn new(
        py: Python<'_>,
        table: &Arc<inlaid::Table>,
        settings: Settings,
        epoch: u64,
        skip: usize,
        worker: (usize, usize),
    ) -> PyResult<Batches> {
        let options = settings.options(epoch, skip, worker);
        let batches = py.detach(|| table.batches(&options)).map_err(exception)?;
        let process = std::process::id();
        Ok(Batches { table: table.clone(), batches: Mutex::new(batches), columns: options.columns, process })
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
        let mut arrays = vec![tensors(py, self.table.tensor_column(), batch.tensors, batch.rows.len(), Access::Write)?];
        for (name, column) in self.columns.iter().zip(&batch.columns) {
            arrays.push(column_to_numpy(py, &self.table, name, column, Access::Write)?);
        }
        Ok(Some(arrays))
    }
}
