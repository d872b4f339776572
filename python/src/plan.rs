//! Plans that any number of processes carry out.

use std::path::PathBuf;

use inlaid::{Error, PlannedRun};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde::Serialize;

use crate::errors::exception;
use crate::keywords::Keywords;
use crate::run::Run;
use crate::settings;

/// Plans a conversion; returns what was planned as JSON.
#[pyfunction]
pub fn plan(py: Python<'_>, sources: Vec<PathBuf>, out: PathBuf, keywords: Bound<'_, PyDict>) -> PyResult<String> {
    let (spec, options) = settings::convert(Keywords::new(keywords))?;
    let progress = false.into_pyobject(py)?.to_owned().into_any();
    let run = Run { counts: options.progress.clone(), unit: "images", progress };
    run.run(|| inlaid::plan(&sources, &out, &spec, &options))
}

/// What was planned, of the run at a path or URL.
#[pyfunction]
pub fn planned(py: Python<'_>, run: PathBuf, keywords: Bound<'_, PyDict>) -> PyResult<String> {
    let storage = settings::info(Keywords::new(keywords))?;
    told(py, || PlannedRun::open(&run, &storage))
}

/// The items that are not done.
#[pyfunction]
pub fn missing(py: Python<'_>, run: PathBuf, keywords: Bound<'_, PyDict>) -> PyResult<String> {
    let storage = settings::info(Keywords::new(keywords))?;
    told(py, || PlannedRun::open(&run, &storage)?.missing(&storage))
}

/// What became of these items, of those that are done.
#[pyfunction]
pub fn outcomes(py: Python<'_>, run: PathBuf, items: Vec<usize>, keywords: Bound<'_, PyDict>) -> PyResult<String> {
    let storage = settings::info(Keywords::new(keywords))?;
    told(py, || PlannedRun::open(&run, &storage)?.outcomes(&items, &storage))
}

/// Makes the file of an item; returns what became of it as JSON.
#[pyfunction]
pub fn work(py: Python<'_>, run: PathBuf, item: usize, keywords: Bound<'_, PyDict>) -> PyResult<String> {
    let options = settings::work(Keywords::new(keywords))?;
    let progress = false.into_pyobject(py)?.to_owned().into_any();
    let watched = Run { counts: options.progress.clone(), unit: "images", progress };
    watched.run(|| inlaid::work(&run, item, &options))
}

/// Makes the dataset of a plan; returns the summary as JSON.
#[pyfunction]
pub fn commit(py: Python<'_>, run: PathBuf, keywords: Bound<'_, PyDict>) -> PyResult<String> {
    let options = settings::commit(Keywords::new(keywords))?;
    told(py, || inlaid::commit(&run, &options))
}

fn told<T: Serialize + Send>(py: Python<'_>, task: impl FnOnce() -> Result<T, Error> + Send) -> PyResult<String> {
    let told = py.detach(task).map_err(exception)?;
    Ok(serde_json::to_string(&told).expect("it has no maps with odd keys"))
}
