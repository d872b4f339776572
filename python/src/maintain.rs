//! Looking at datasets that are there, and maintaining them.

use std::path::PathBuf;
use std::sync::Arc;

use inlaid::{CardFiles, Change, Error, Info, Progress, open_source};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::{Value, json};

use crate::errors::exception;
use crate::keywords::Keywords;
use crate::run::Run;
use crate::settings;

/// The manifest of the snapshot that is committed now as JSON, and an exception that describes a commit that can't be
/// completed.
#[pyfunction]
pub fn info<'py>(
    py: Python<'py>,
    folder: PathBuf,
    keywords: Bound<'py, PyDict>,
) -> PyResult<(String, Option<Bound<'py, PyAny>>)> {
    let storage = settings::info(Keywords::new(keywords))?;
    let Info { manifest, open_commit, .. } = py.detach(|| inlaid::info_with(&folder, &storage)).map_err(exception)?;
    let open_commit = open_commit.map(|error| exception(error).into_value(py).into_bound(py).into_any());
    Ok((manifest.to_json(), open_commit))
}

/// Reads back a dataset, and compares its rows with the files of sources if there are any; returns the result as JSON.
#[pyfunction]
pub fn verify(
    folder: PathBuf,
    sources: Vec<PathBuf>,
    keywords: Bound<'_, PyDict>,
    progress: Bound<'_, PyAny>,
) -> PyResult<String> {
    let options = settings::verify(Keywords::new(keywords))?;
    let run = Run { counts: options.progress.clone(), unit: "rows", progress };
    run.run(|| match &sources[..] {
        [] => inlaid::verify(&folder, None, &options),
        sources => inlaid::verify(&folder, Some(&*open_source(sources, &options.source)?), &options),
    })
}

/// Writes the card of a dataset; returns the names of the files that describe it, and remarks on them, as JSON.
#[pyfunction]
pub fn card(py: Python<'_>, folder: PathBuf, keywords: Bound<'_, PyDict>) -> PyResult<String> {
    let options = settings::card(Keywords::new(keywords))?;
    let CardFiles { files, notes, .. } = py.detach(|| inlaid::card(&folder, &options)).map_err(exception)?;
    let notes: Vec<String> = notes.iter().map(ToString::to_string).collect();
    Ok(json!({ "files": files, "notes": notes }).to_string())
}

/// Merges small files of a dataset; returns the new snapshot as JSON, and remarks on the card.
#[pyfunction]
pub fn compact(folder: PathBuf, progress: Bound<'_, PyAny>) -> PyResult<String> {
    change(progress, |counts| inlaid::compact_with(&folder, counts))
}

/// Undoes the last append to a dataset; otherwise as [`compact`].
#[pyfunction]
pub fn rollback(folder: PathBuf, progress: Bound<'_, PyAny>) -> PyResult<String> {
    change(progress, |counts| inlaid::rollback_with(&folder, counts))
}

fn change(
    progress: Bound<'_, PyAny>,
    change: impl FnOnce(&Progress) -> Result<Change, Error> + Send,
) -> PyResult<String> {
    let counts = Arc::<Progress>::default();
    let run = Run { counts: counts.clone(), unit: "rows", progress };
    run.run(|| {
        let Change { after, card, .. } = change(&counts)?;
        Ok::<Value, Error>(
            json!({ "snapshot": after, "card": card.iter().map(ToString::to_string).collect::<Vec<_>>() }),
        )
    })
}
