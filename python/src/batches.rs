//! Batches of a table.

use std::sync::{Mutex, PoisonError};

use inlaid::read::{
    BatchOptions, Cast, CastError, CastOptions, Draw, Epoch, Part, RowOrder, Share, Table, TensorColumn, Uneven,
};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use crate::column::column_to_numpy;
use crate::errors::{exception, misuse, setting};
use crate::keywords::Keyword;
use crate::ndarray::{Access, tensors};
use crate::reading::tell_of_cache;
use crate::table::tensor_column;

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

/// What tensors are cast to: the attributes of `CastSettings` of `python/inlaid/_settings.py`.
pub struct Casting(CastOptions);

impl<'py> FromPyObject<'_, 'py> for Casting {
    type Error = PyErr;

    fn extract(settings: Borrowed<'_, 'py, PyAny>) -> PyResult<Casting> {
        let mut options = CastOptions::default();
        options.layout = Keyword::of(&settings, "layout")?.map(|layout| layout.word()).transpose()?;
        options.dtype = Keyword::of(&settings, "dtype")?.map(|dtype| dtype.dtype()).transpose()?;
        options.scale = Keyword::of(&settings, "scale")?.map(|scale| scale.word()).transpose()?;
        options.mean = Keyword::of(&settings, "mean")?.map(|mean| mean.mean()).transpose()?;
        options.std = Keyword::of(&settings, "std")?.map(|std| std.std()).transpose()?;
        Ok(Casting(options))
    }
}

impl Casting {
    /// The rule for the tensors of a table.
    pub fn of(&self, table: &Table) -> PyResult<Cast> {
        Cast::new(tensor_column(table)?, table.layout(), &self.0).map_err(|error| match error {
            CastError::Setting(error) => exception(error),
            error => setting(error.to_string()),
        })
    }
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
            .cast(self.cast.map(|cast| cast.of(table)).transpose()?)
            .share(Share { rank: self.rank, world_size: self.world_size, uneven: self.uneven })
            .worker(worker)
            .skip(skip)
            .prefetch(self.prefetch))
    }

    /// The number of batches of an epoch.
    pub fn count(self, table: &Table) -> PyResult<usize> {
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
        let tensors = match &options.cast {
            Some(cast) => cast.target().clone(),
            None => tensor_column(table)?.clone(),
        };
        let (table, process) = (table.clone(), std::process::id());
        Ok(Batches { table, tensors, batches: Mutex::new(batches), columns: options.columns, process })
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
        let mut arrays = vec![tensors(py, &self.tensors, batch.tensors, batch.rows.len(), Access::Write)?];
        for (name, column) in self.columns.iter().zip(&batch.columns) {
            arrays.push(column_to_numpy(py, &self.table, name, column, Access::Write)?);
        }
        Ok(Some(arrays))
    }
}
