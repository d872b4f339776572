//! Which files below a folder hold tables.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The extensions of their names, in any case.
const EXTENSIONS: [&str; 6] = ["parquet", "pq", "arrow", "arrows", "feather", "ipc"];

/// All files below a folder that have one of [`EXTENSIONS`] and are not hidden (`.` or `_` at the front, as
/// pyarrow has it), in the order of their paths.
///
/// # Errors
/// If a folder can't be listed.
pub fn tables_below(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    add_all_in(&mut found, folder)?;
    found.sort();
    Ok(found)
}

fn add_all_in(found: &mut Vec<PathBuf>, folder: &Path) -> Result<(), Error> {
    let entries = fs::read_dir(folder).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    for entry in entries.map_err(Error::io("read", folder))? {
        let path = entry.path();
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(b".") || name.as_encoded_bytes().starts_with(b"_") {
            continue;
        }
        // Links to files are followed, as caches are made of them; links to folders may go round.
        if entry.file_type().map_err(Error::io("read", &path))?.is_dir() {
            add_all_in(found, &path)?;
        } else if has_extension(&path) && path.is_file() {
            found.push(path);
        }
    }
    Ok(())
}

fn has_extension(path: &Path) -> bool {
    let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
    extension.is_some_and(|extension| EXTENSIONS.iter().any(|known| *known == extension))
}
