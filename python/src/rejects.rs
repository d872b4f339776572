//! The inputs of a dataset that could not become rows.

use inlaid::{Reject, RejectList};
use pyo3::prelude::*;

use crate::errors::exception;

/// The rejects of an open dataset, which are read when they are asked for.
#[pyclass(frozen, module = "inlaid._inlaid")]
pub struct Rejects {
    list: RejectList,
}

impl Rejects {
    pub fn new(list: RejectList) -> Rejects {
        Rejects { list }
    }
}

#[pymethods]
impl Rejects {
    fn __len__(&self) -> usize {
        self.list.len()
    }

    /// Path, stage, reason and detail of each.
    fn read(&self, py: Python<'_>) -> PyResult<Vec<(String, &'static str, String, String)>> {
        let rejects = py.detach(|| self.list.read()).map_err(exception)?;
        let fields = |Reject { path, stage, reason, detail }| (path, stage.as_str(), String::from(reason), detail);
        Ok(rejects.into_iter().map(fields).collect())
    }
}
