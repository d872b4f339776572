//! The journal of a commit: every rename and removal, written down before the first of them is carried
//! out. A journal is complete or absent, since it is renamed into place.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::commit::staging::Staging;
use crate::dataset::names::{JOURNAL, PRIVATE};
use crate::error::{Error, FormatError};
use crate::format::{disk, open};
use crate::spec::Split;

/// The steps of a commit, in this order.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Journal {
    /// From the staging folder to the dataset, both relative to the dataset's folder; the manifest last.
    pub(super) renames: Vec<(String, String)>,
    /// Files of the previous snapshot that are not replaced.
    pub(super) removals: Vec<String>,
    /// What the commit is for, where a repetition of the command has to know it.
    #[serde(default, skip_serializing_if = "Purpose::is_change")]
    pub(super) purpose: Purpose,
}

/// What a commit is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Purpose {
    /// It makes a new snapshot. To repeat the command adds nothing.
    #[default]
    Change,
    /// It returns to the snapshot before. To repeat the command would go further back, or find nothing to go back to.
    Rollback,
}

impl Purpose {
    fn is_change(&self) -> bool {
        *self == Purpose::Change
    }
}

impl Journal {
    /// Completes a commit that a crash interrupted, if there is one. Returns what it was for.
    ///
    /// # Errors
    /// If the journal is damaged, or the operating system refuses a step.
    pub(super) fn recover(folder: &Path) -> Result<Option<Purpose>, Error> {
        let path = place(folder);
        let text = match open::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(Error::io("read", &path))?,
        };
        let damaged = |error: serde_json::Error| FormatError::damaged(&path, error.to_string());
        let journal: Journal = serde_json::from_slice(&text).map_err(damaged)?;
        if let Some(file) = journal.foreign_file() {
            return Err(Error::damaged(&path, format!("it names `{file}`, which is not in this folder")));
        }
        journal.complete(folder)?;
        Ok(Some(journal.purpose))
    }

    /// Puts the journal into its place, by way of the staging folder.
    ///
    /// # Errors
    /// If the operating system refuses; then there is no commit.
    pub(super) fn write(&self, staging: &Staging, folder: &Path) -> Result<(), Error> {
        let text = serde_json::to_vec_pretty(self).expect("a journal is made of strings");
        staging.write(JOURNAL, &text)?;
        let place = place(folder);
        disk::rename(&staging.path().join(JOURNAL), &place).map_err(Error::io("create", &place))
    }

    /// Carries the journal out and removes it.
    ///
    /// # Errors
    /// If the operating system refuses a step; then the next writer completes the commit.
    pub(super) fn complete(&self, folder: &Path) -> Result<(), Error> {
        self.rename_into_place(folder)?;
        Ok(disk::remove_file(&place(folder))?)
    }

    /// Carries out the steps that have not been carried out.
    fn rename_into_place(&self, folder: &Path) -> Result<(), Error> {
        for (from, to) in &self.renames {
            let (from, to) = (folder.join(from), folder.join(to));
            if let Some(parent) = to.parent().filter(|parent| !parent.exists()) {
                disk::create_folder(parent)?;
            }
            match disk::rename(&from, &to) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && to.exists() => {}
                renamed => renamed.map_err(Error::io("create", &to))?,
            }
        }
        for file in &self.removals {
            disk::remove_file(&folder.join(file))?;
        }
        for split in Split::ALL {
            let path = folder.join(split.as_str());
            if path.exists() {
                disk::sync_folder(&path)?;
                // A split without rows has no folder; one that is not empty is not removed.
                let _ = fs::remove_dir(&path);
            }
        }
        disk::sync_folder(&folder.join(PRIVATE))?;
        Ok(disk::sync_folder(folder)?)
    }

    /// A file outside of the dataset's folder: no journal may make a process replace or remove one.
    fn foreign_file(&self) -> Option<&str> {
        let mut files = self.renames.iter().flat_map(|(from, to)| [from, to]).chain(&self.removals);
        let is_inside = |file: &str| Path::new(file).components().all(|part| matches!(part, Component::Normal(_)));
        files.find(|file| !is_inside(file)).map(|file| &**file)
    }
}

fn place(folder: &Path) -> PathBuf {
    folder.join(PRIVATE).join(JOURNAL)
}
