//! Finds the tables below a folder, and decides whether they are one table or several.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};

use crate::dataset::names::{MANIFEST, is_system};
use crate::error::Error;

/// File name extensions of tables, in lower case; any case is accepted.
const EXTENSIONS: [&str; 6] = ["parquet", "pq", "arrow", "arrows", "feather", "ipc"];

/// What a path holds that can be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A folder with a manifest: a [`Dataset`](crate::Dataset).
    Dataset,
    /// A file, or a folder whose files form one [`Table`](crate::Table).
    Table,
    /// A folder of folders that each hold something that can be opened, by name.
    Folders(BTreeMap<String, PathBuf>),
    /// A folder with the shards of several splits: the files of one table for each split, by the split's name.
    Splits(BTreeMap<String, Vec<PathBuf>>),
}

impl Found {
    /// Inspects the names at a path without opening files. Shards of several splits in one folder are distinguished by
    /// names such as `train-00000.parquet` or, as Hugging Face `datasets` writes them, `test-00000-of-00002.parquet`.
    ///
    /// # Errors
    /// If the path does not exist, or a folder can't be listed.
    pub fn at(path: &Path) -> Result<Found, Error> {
        if !fs::metadata(path).map_err(Error::io("read", path))?.is_dir() {
            return Ok(Found::Table);
        }
        if path.join(MANIFEST).exists() {
            return Ok(Found::Dataset);
        }
        let (mut folders, mut splits) = (BTreeMap::new(), BTreeMap::<_, Vec<_>>::new());
        for entry in visible(path)? {
            let (entry, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if entry.is_dir() {
                if !tables_below(&entry)?.is_empty() {
                    folders.insert(name, entry);
                }
            } else if is_table(&entry) {
                splits.entry(split_of(&name).map(str::to_owned)).or_default().push(entry);
            }
        }
        if splits.is_empty() && !folders.is_empty() {
            return Ok(Found::Folders(folders));
        }
        if splits.len() < 2 || splits.contains_key(&None) || !folders.is_empty() {
            return Ok(Found::Table);
        }
        Ok(Found::of_splits(splits))
    }

    /// Inspects the names of all files below a place that is not on a disk, as [`Found::at`] does. They are `/`-separated
    /// and relative to it.
    #[doc(hidden)]
    pub fn among(place: &Path, names: &[String]) -> Found {
        let (mut folders, mut splits) = (BTreeMap::new(), BTreeMap::<_, Vec<_>>::new());
        for name in Found::tables_among(names.to_vec()) {
            match name.split_once('/') {
                Some((folder, _)) => drop(folders.insert(folder.to_owned(), place.join(folder))),
                None => splits.entry(split_of(&name).map(str::to_owned)).or_default().push(place.join(&name)),
            }
        }
        match (folders.is_empty(), splits.len()) {
            (false, 0) => Found::Folders(folders),
            (true, 2..) if !splits.contains_key(&None) => Found::of_splits(splits),
            _ => Found::Table,
        }
    }

    /// Those of the names of files below a place that [`tables_below`] would find, in order.
    #[doc(hidden)]
    pub fn tables_among(mut names: Vec<String>) -> Vec<String> {
        let is_visible =
            |name: &String| name.split('/').all(|part| !part.starts_with(['.', '_']) && !is_system(OsStr::new(part)));
        names.retain(|name| is_visible(name) && Found::is_table_name(Path::new(name)));
        names.sort_by(|a, b| Path::new(a).cmp(Path::new(b)));
        names
    }

    /// Whether a file of this name may be a table.
    #[doc(hidden)]
    pub fn is_table_name(path: &Path) -> bool {
        let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
        extension.is_some_and(|extension| EXTENSIONS.iter().any(|known| *known == extension))
    }

    fn of_splits(mut splits: BTreeMap<Option<String>, Vec<PathBuf>>) -> Found {
        splits.values_mut().for_each(|files| files.sort());
        Found::Splits(splits.into_iter().filter_map(|(split, files)| Some((split?, files))).collect())
    }
}

/// The split of a shard with this name, such as `test` for `test-00000-of-00002.parquet`; none for other names.
fn split_of(name: &str) -> Option<&str> {
    let name = name.strip_suffix(".parquet").or_else(|| name.strip_suffix(".arrow"))?;
    let is_number = |text: &str| text.len() >= 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let (name, number) = match name.rsplit_once("-of-") {
        Some((name, count)) if is_number(count) => name.rsplit_once('-')?,
        _ => name.rsplit_once('-')?,
    };
    let is_word = |word: &str| !word.is_empty() && word.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    (is_number(number) && name.split('.').all(is_word)).then_some(name)
}

/// All files below a folder that have one of the `EXTENSIONS` and are not hidden (as in pyarrow, a name that begins
/// with `.` or `_` is) and not a system's, sorted by path.
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
    for entry in visible(folder)? {
        let path = entry.path();
        // Links to files are followed, because caches consist of them; links to folders may form loops.
        if entry.file_type().map_err(Error::io("read", &path))?.is_dir() {
            add_all_in(found, &path)?;
        } else if is_table(&path) {
            found.push(path);
        }
    }
    Ok(())
}

/// The entries of a folder that are neither hidden nor system files.
fn visible(folder: &Path) -> Result<Vec<DirEntry>, Error> {
    let entries = fs::read_dir(folder).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let mut entries = entries.map_err(Error::io("read", folder))?;
    let is_hidden = |name: &OsStr| matches!(name.as_encoded_bytes(), [b'.' | b'_', ..]);
    entries.retain(|entry| !is_hidden(&entry.file_name()) && !is_system(&entry.file_name()));
    Ok(entries)
}

fn is_table(path: &Path) -> bool {
    Found::is_table_name(path) && path.is_file()
}
