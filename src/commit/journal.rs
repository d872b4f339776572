//! The journal of a commit: it names every rename and removal. It is complete or absent, as it is renamed into place.

use std::fs;
use std::io;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use crate::commit::output::STAGING;
use crate::dataset::names::{JOURNAL, PRIVATE};
use crate::error::{Error, FormatError};
use crate::format::disk;
use crate::spec::Split;

/// What a commit does, in this order.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Journal {
    /// From the staging area to the dataset, both below its folder; the manifest last.
    pub(super) renames: Vec<(String, String)>,
    /// Files of the version before that are not replaced.
    pub(super) removals: Vec<String>,
}

impl Journal {
    /// A file that does not lie below the dataset's folder: nobody may be made to replace or remove it.
    fn foreign_file(&self) -> Option<&str> {
        let mut files = self.renames.iter().flat_map(|(from, to)| [from, to]).chain(&self.removals);
        let is_below = |file: &str| Path::new(file).components().all(|part| matches!(part, Component::Normal(_)));
        files.find(|file| !is_below(file)).map(|file| &**file)
    }
}

/// Completes a commit that a crash interrupted, and drops what was staged without one.
pub(super) fn recover(folder: &Path, private: &Path) -> Result<(), Error> {
    let path = private.join(JOURNAL);
    match fs::read(&path) {
        Ok(text) => {
            let damaged = |error: serde_json::Error| FormatError::damaged(&path, error.to_string());
            let journal: Journal = serde_json::from_slice(&text).map_err(damaged)?;
            if let Some(file) = journal.foreign_file() {
                return Err(Error::damaged(&path, format!("it names `{file}`, which is not in this folder")));
            }
            carry_out(folder, &journal)?;
            disk::remove_file(&path)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(Error::io("read", path)(error)),
    }
    for entry in fs::read_dir(private).map_err(Error::io("read", private))? {
        let entry = entry.map_err(Error::io("read", private))?;
        if entry.file_name().to_string_lossy().starts_with(STAGING) {
            fs::remove_dir_all(entry.path()).map_err(Error::io("remove", entry.path()))?;
        }
    }
    Ok(())
}

/// Does what a journal says; what is done already is passed over.
pub(super) fn carry_out(folder: &Path, journal: &Journal) -> Result<(), Error> {
    for (from, to) in &journal.renames {
        let (from, to) = (folder.join(from), folder.join(to));
        if let Some(parent) = to.parent().filter(|parent| !parent.exists()) {
            disk::create_folder(parent)?;
        }
        match disk::rename(&from, &to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && to.exists() => {}
            done => done.map_err(Error::io("create", &to))?,
        }
    }
    for file in &journal.removals {
        disk::remove_file(&folder.join(file))?;
    }
    for split in Split::ALL {
        let path = folder.join(split.as_str());
        if path.exists() {
            disk::sync_folder(&path)?;
            // Only an empty folder can be removed, and a split without rows has no folder.
            let _ = fs::remove_dir(&path);
        }
    }
    disk::sync_folder(&folder.join(PRIVATE))?;
    Ok(disk::sync_folder(folder)?)
}
