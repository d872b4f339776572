//! The journal of a commit: every rename and removal, written down before the first of them is carried
//! out. A journal is complete or absent, since it is renamed into place.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use crate::commit::staging::Staging;
use crate::commit::store::Steps;
use crate::dataset::names::{JOURNAL, PRIVATE};
use crate::error::{Error, FormatError};
use crate::format::beneath::Beneath;
use crate::format::open;

/// Its place below the dataset's folder.
pub(super) const PLACE: &str = ".inlaid/journal.json";

/// The steps of a commit, in this order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Journal {
    /// From where files are staged to their places in the dataset, relative to its folder; the manifest last.
    pub(super) renames: Vec<(String, String)>,
    /// Files of the previous snapshot that are not replaced.
    pub(super) removals: Vec<String>,
    /// Files whose rows a new file takes over, by its place: removed right before it is renamed, so that whoever lists
    /// the folder finds no row twice.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) merged: BTreeMap<String, Vec<String>>,
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
    /// It makes the dataset of a plan, whose shards were made by others. As long as it can't be completed, what was carried
    /// out of it stays.
    Plan,
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
    pub(super) fn recover(folder: &Beneath) -> Result<Option<Purpose>, Error> {
        let path = folder.path().join(PLACE);
        let text = match open::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(Error::io("read", &path))?,
        };
        let damaged = |error: serde_json::Error| FormatError::damaged(&path, error.to_string());
        let journal: Journal = serde_json::from_slice(&text).map_err(damaged)?;
        if let Some(file) = journal.foreign_file() {
            return Err(Error::damaged(&path, format!("it names `{file}`, which is not in this folder")));
        }
        // All of them before the first step.
        journal.files().try_for_each(|file| folder.check_parent(file))?;
        journal.complete(folder)?;
        folder.sync_folder(PRIVATE)?;
        Ok(Some(journal.purpose))
    }

    /// Puts the journal into its place, by way of the staging folder.
    ///
    /// # Errors
    /// If the operating system refuses; then there is no commit.
    pub(super) fn write(&self, staging: &Staging, folder: &Beneath) -> Result<(), Error> {
        let text = serde_json::to_vec_pretty(self).expect("a journal is made of strings");
        staging.write(JOURNAL, &text)?;
        match folder.rename(&format!("{PRIVATE}/{}/{JOURNAL}", staging.name()), PLACE)? {
            true => Ok(()),
            false => Err(Error::io("create", folder.path().join(PLACE))(io::ErrorKind::NotFound.into())),
        }
    }

    /// Carries the journal out and removes it. Steps that have been carried out before are passed over.
    ///
    /// # Errors
    /// If a step fails; then the next writer completes the commit.
    pub(super) fn complete(&self, on: &dyn Steps) -> Result<(), Error> {
        if let Some((manifest, others)) = self.renames.split_last() {
            on.publish(others, &self.merged)?;
            // The manifest names files that are in their place, whatever a power failure spares.
            on.sync()?;
            on.publish_manifest(manifest)?;
        }
        on.remove(&self.removals)?;
        on.sync()?;
        on.drop_journal()
    }

    /// All files that it names.
    fn files(&self) -> impl Iterator<Item = &str> {
        let renames = self.renames.iter().flat_map(|(from, to)| [from, to]);
        renames.chain(&self.removals).chain(self.merged.values().flatten()).map(|file| &**file)
    }

    /// A file outside of the dataset's folder: no journal may make a process replace or remove one.
    pub(super) fn foreign_file(&self) -> Option<&str> {
        let is_inside = |file: &str| Path::new(file).components().all(|part| matches!(part, Component::Normal(_)));
        self.files().find(|file| !is_inside(file))
    }
}
