//! Looking at rows: contact sheets, and reports of datasets.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use inlaid::{ReportOptions, Sheet, Shown};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::exception;
use crate::reading::{Reading, tell_of_cache};
use crate::run::Run;
use crate::table::Table;

/// A contact sheet of rows of tables, which are splits with names, as a PNG or a JPEG file: of rows by number, or of some
/// of a class or of all.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
pub fn sheet<'py>(
    py: Python<'py>,
    tables: Vec<(String, Bound<'py, Table>)>,
    rows: Option<Vec<usize>>,
    class_name: Option<String>,
    count: usize,
    seed: u64,
    columns: NonZeroUsize,
    threads: Option<NonZeroUsize>,
    is_jpeg: bool,
) -> PyResult<Bound<'py, PyBytes>> {
    let tables: Vec<_> = tables.iter().map(|(name, table)| (name.clone(), table.get().table.clone())).collect();
    let shown = match (rows, class_name) {
        (Some(rows), _) => Shown::Rows(rows),
        (None, Some(name)) => Shown::Class { name, rows: count, seed },
        (None, None) => Shown::Drawn { rows: count, seed },
    };
    let caches = tables.clone();
    let file = py.detach(|| {
        let sheet = Sheet::of(tables, &shown, threads)?;
        Ok(if is_jpeg { sheet.jpeg(columns) } else { sheet.png(columns) })
    });
    let file = file.map_err(|error: inlaid::Error| exception(error))?;
    caches.iter().try_for_each(|(_, table)| tell_of_cache(py, table))?;
    Ok(PyBytes::new(py, &file))
}

/// Writes the page of a report on what is at a path or URL. `progress` is `False`.
#[pyfunction]
pub fn report(
    progress: Bound<'_, PyAny>,
    place: PathBuf,
    reading: &Reading,
    out: PathBuf,
    rows: usize,
    seed: u64,
    threads: Option<NonZeroUsize>,
) -> PyResult<()> {
    let mut options = ReportOptions::default();
    (options.rows, options.seed, options.threads) = (rows, seed, threads);
    let run = Run { counts: options.progress.clone(), unit: "images", progress };
    run.run(|| {
        inlaid::Report::check(&out)?;
        inlaid::report_with(&place, &options, &reading.reading)?.write(&out)
    })?;
    Ok(())
}
