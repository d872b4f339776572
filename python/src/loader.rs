//! Loaders of rows by number, whose threads go on between calls.

use std::sync::Arc;

use inlaid::read::{PerProcess, TensorColumn};
use inlaid::{LoadOptions, Table};
use pyo3::prelude::*;

use crate::batches::row_numbers;
use crate::errors::exception;
use crate::ndarray::{Access, tensors};

/// Makes tensors of the rows of a table.
#[pyclass(frozen, module = "inlaid._inlaid")]
pub struct Loader {
    table: Table,
    options: LoadOptions,
    column: TensorColumn,
    /// A fork has none of its threads.
    loader: PerProcess<Option<Arc<inlaid::Loader>>>,
}

impl Loader {
    pub fn new(table: &Table, options: LoadOptions) -> PyResult<Loader> {
        let column = inlaid::Loader::column(table, &options).map_err(exception)?;
        Ok(Loader { table: table.clone(), options, column, loader: PerProcess::default() })
    }
}

#[pymethods]
impl Loader {
    /// The tensors of these rows: int64 in the byte order of the machine, one after the other.
    fn take<'py>(&self, py: Python<'py>, rows: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        let rows = row_numbers(rows);
        let make = || -> Result<_, inlaid::Error> {
            let known = self.loader.with(|loader| loader.clone());
            let loader = match known {
                Some(loader) => loader,
                None => {
                    let made = Arc::new(inlaid::Loader::new(&self.table, &self.options)?);
                    self.loader.with(|loader| loader.get_or_insert(made).clone())
                }
            };
            Ok(loader.tensors(&self.table, &rows)?)
        };
        let values = py.detach(make).map_err(exception)?;
        tensors(py, &self.column, values, rows.len(), Access::Write)
    }
}
