//! How the files of datasets and tables are read: the keywords of `open`.

use std::sync::Arc;

use inlaid::Table;
use inlaid::read::{FileAccess, StoreCache};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::keywords::{Keyword, Keywords};
use crate::settings::storage;

/// How files are read, and what is kept of those in object stores.
#[pyclass(frozen, module = "inlaid._inlaid")]
pub struct Reading {
    pub reading: inlaid::Reading,
}

#[pymethods]
impl Reading {
    /// Takes the keywords out of the dictionary. Without a folder for the cache, parts of files are kept in memory.
    #[new]
    fn new(keywords: Bound<'_, PyDict>) -> PyResult<Reading> {
        let keywords = Keywords::new(keywords);
        let is_mapped = keywords.take("map", Keyword::switch)?;
        let access = if is_mapped { FileAccess::Map } else { FileAccess::Read };
        let storage = storage(&keywords)?;
        let folder = keywords.take_if_some("cache", Keyword::path)?;
        let most = keywords.take("cache_bytes", Keyword::bytes)?.0;
        keywords.end()?;
        Ok(Reading { reading: inlaid::Reading { access, storage, cache: StoreCache::new(folder, most) } })
    }
}

/// Warns if the cache of a table is of no use.
pub fn tell_of_cache(py: Python<'_>, table: &Table) -> PyResult<()> {
    let Some(notice) = table.cache().and_then(|cache: &Arc<StoreCache>| cache.notice()) else { return Ok(()) };
    let errors = py.import("inlaid._errors")?;
    errors.getattr("warn")?.call1((notice, errors.getattr("CacheWarning")?))?;
    Ok(())
}
