//! Conversions, appends and repackings.

use std::path::PathBuf;
use std::sync::Arc;

use inlaid::Progress;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::keywords::Keywords;
use crate::run::Run;
use crate::settings;

/// Makes a dataset, and returns the summary as JSON. `progress` is called with the numbers of images done, in all, and
/// rejected; `True` shows a bar on a terminal.
#[pyfunction]
pub fn convert(
    sources: Vec<PathBuf>,
    out: PathBuf,
    keywords: Bound<'_, PyDict>,
    progress: Bound<'_, PyAny>,
) -> PyResult<String> {
    let (spec, options) = settings::convert(Keywords::new(keywords))?;
    let run = Run { counts: options.progress.clone(), unit: "images", progress };
    run.run(|| inlaid::convert(&sources, &out, &spec, &options))
}

/// Adds to a dataset; otherwise as [`convert`].
#[pyfunction]
pub fn append(
    sources: Vec<PathBuf>,
    out: PathBuf,
    keywords: Bound<'_, PyDict>,
    progress: Bound<'_, PyAny>,
) -> PyResult<String> {
    let options = settings::append(Keywords::new(keywords))?;
    let run = Run { counts: options.progress.clone(), unit: "images", progress };
    run.run(|| inlaid::append(&sources, &out, &options))
}

/// Rewrites files of other tools; otherwise as [`convert`].
#[pyfunction]
pub fn repack(
    sources: Vec<PathBuf>,
    out: PathBuf,
    keywords: Bound<'_, PyDict>,
    progress: Bound<'_, PyAny>,
) -> PyResult<String> {
    let spec = settings::repack(Keywords::new(keywords))?;
    let counts = Arc::<Progress>::default();
    Run { counts: counts.clone(), unit: "rows", progress }.run(|| inlaid::repack(&sources, &out, &spec, &counts))
}
