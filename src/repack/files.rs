//! Which files are repacked, and what they are called below the output folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, RepackError};

/// The extensions of files that a folder is searched for, in any case.
const EXTENSIONS: [&str; 6] = ["parquet", "pq", "arrow", "arrows", "feather", "ipc"];

/// The files by the name that each gets below the output folder: its own below its source, with the
/// extension `parquet`. A source is a file, or a folder with all files below it that have one of
/// [`EXTENSIONS`] and are not hidden (`.` or `_` at the front, as pyarrow has it).
pub(super) fn find(sources: &[PathBuf]) -> Result<BTreeMap<String, PathBuf>, Error> {
    if sources.is_empty() {
        return Err(Error::NoSource);
    }
    let mut files = BTreeMap::new();
    for source in sources {
        let metadata = fs::metadata(source).map_err(Error::io("read", source))?;
        if !metadata.is_dir() && !metadata.is_file() {
            return Err(Error::repack(source)(RepackError::UnknownFormat));
        }
        if !metadata.is_dir() {
            add(&mut files, source.file_name().map(Path::new).unwrap_or(source), source)?;
            continue;
        }
        let before = files.len();
        add_all_in(&mut files, source, source)?;
        if files.len() == before {
            return Err(Error::repack(source)(RepackError::NoFiles));
        }
    }
    Ok(files)
}

fn add_all_in(files: &mut BTreeMap<String, PathBuf>, folder: &Path, source: &Path) -> Result<(), Error> {
    let entries = fs::read_dir(folder).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    for entry in entries.map_err(Error::io("read", folder))? {
        let path = entry.path();
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".")
            || entry.file_name().as_encoded_bytes().starts_with(b"_");
        if is_hidden {
            continue;
        }
        // Links to files are followed, as caches are made of them; links to folders may go round.
        if entry.file_type().map_err(Error::io("read", &path))?.is_dir() {
            add_all_in(files, &path, source)?;
        } else if has_extension(&path) && path.is_file() {
            add(files, path.strip_prefix(source).unwrap_or(&path), &path)?;
        }
    }
    Ok(())
}

fn has_extension(path: &Path) -> bool {
    let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
    extension.is_some_and(|extension| EXTENSIONS.iter().any(|known| *known == extension))
}

fn add(files: &mut BTreeMap<String, PathBuf>, below: &Path, path: &Path) -> Result<(), Error> {
    let name = below.with_extension("parquet");
    let name = name.to_str().ok_or_else(|| Error::repack(path)(RepackError::NameNotUtf8))?;
    match files.insert(name.to_owned(), path.to_owned()) {
        None => Ok(()),
        Some(other) => Err(Error::repack(path)(RepackError::SameName(other))),
    }
}
