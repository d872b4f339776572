//! Finds the files to repack, and their names in the output folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, RepackError, SourceError, StoreError};
use crate::read::tables_below;
use crate::remote::is_url;

/// The files to repack, by their names in the output folder: the path relative to the source, with the extension
/// `parquet`. A source is a file, or a folder with all tables below it.
pub(super) fn find(sources: &[PathBuf]) -> Result<BTreeMap<String, PathBuf>, Error> {
    if sources.is_empty() {
        return Err(Error::NoSource);
    }
    let mut files = BTreeMap::new();
    if let Some(url) = sources.iter().find(|source| is_url(source)) {
        return Err(Error::source(url)(SourceError::Store(StoreError::SingleObject)));
    }
    for source in sources {
        let metadata = fs::metadata(source).map_err(Error::io("read", source))?;
        if !metadata.is_dir() && !metadata.is_file() {
            return Err(Error::repack(source)(RepackError::UnknownFormat));
        }
        if !metadata.is_dir() {
            add(&mut files, source.file_name().map(Path::new).unwrap_or(source), source)?;
            continue;
        }
        let tables = tables_below(source)?;
        if tables.is_empty() {
            return Err(Error::repack(source)(RepackError::NoFiles));
        }
        for path in &tables {
            add(&mut files, path.strip_prefix(source).unwrap_or(path), path)?;
        }
    }
    Ok(files)
}

fn add(files: &mut BTreeMap<String, PathBuf>, below: &Path, path: &Path) -> Result<(), Error> {
    let name = below.with_extension("parquet");
    let name = name.to_str().ok_or_else(|| Error::repack(path)(RepackError::NameNotUtf8))?;
    match files.insert(name.to_owned(), path.to_owned()) {
        None => Ok(()),
        Some(other) => Err(Error::repack(path)(RepackError::SameName(other))),
    }
}
