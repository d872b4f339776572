//! What a dataset is written to: a folder on a disk, or the objects below a URL. Both let one process write at a time, take
//! files that nobody sees before a commit, and carry out its steps.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

#[cfg(feature = "remote")]
use crate::commit::bucket_store::BucketStore;
use crate::commit::folder_store::FolderStore;
use crate::commit::journal::{Journal, Purpose};
use crate::commit::ownership;
use crate::dataset::manifest::Manifest;
use crate::error::Error;
use crate::format::files::Files;
use crate::format::new_file::NewFile;
use crate::remote::{files_at, is_url};
use crate::run::{RunOptions, StorageOptions};

/// A store that only this process writes to. Dropped without a commit, it leaves nothing behind.
pub(super) trait Store: fmt::Debug {
    /// The files of the dataset, as they were last committed.
    fn files(&self) -> &Arc<dyn Files>;

    /// A folder on a disk for what is needed during the run.
    fn scratch(&self) -> &Path;

    /// Whether files share blocks, so that copying them costs nothing.
    fn shares_blocks(&self) -> bool;

    /// Begins a file that becomes part of the dataset with the next commit.
    ///
    /// # Errors
    /// If it can't be created.
    fn create(&self, name: &str) -> Result<Box<dyn NewFile>, Error>;

    /// Stages a small file, which becomes part of the dataset with the next commit.
    ///
    /// # Errors
    /// If it can't be written.
    fn stage(&self, name: &str, bytes: &[u8]) -> Result<(), Error>;

    /// Refuses to replace what is not one of the `old` files of the dataset, and folders in the place of files.
    ///
    /// # Errors
    /// If there is such a thing in the place of a file in `staged` or `old`.
    fn refuse_overwriting(&self, staged: &[String], old: &[String]) -> Result<(), Error>;

    /// Brings everything that is staged to where it survives the process.
    ///
    /// # Errors
    /// If that fails.
    fn settle(&self) -> Result<(), Error>;

    /// What the journal calls a staged file that is settled.
    fn staged(&self, name: &str) -> String;

    /// Writes the journal down. From here on the commit is made, by this process or by the next.
    ///
    /// # Errors
    /// If it can't be written, or another process has taken the dataset over; then there is no commit.
    fn begin_commit(&mut self, journal: &Journal) -> Result<(), Error>;

    /// What the steps of the journal are carried out on.
    fn steps(&self) -> &dyn Steps;

    /// Cleans up after the last step of a commit.
    ///
    /// # Errors
    /// If that fails.
    fn end_commit(&mut self) -> Result<(), Error>;
}

/// What the steps of a commit are carried out on. Each may have been carried out before.
pub(super) trait Steps {
    /// Puts staged files into their places, each after the files in `merged` whose rows it has are removed.
    ///
    /// # Errors
    /// If one is neither staged nor in its place, or a step fails.
    fn publish(&self, files: &[(String, String)], merged: &BTreeMap<String, Vec<String>>) -> Result<(), Error>;

    /// Puts the manifest into its place: the commit point.
    ///
    /// # Errors
    /// As [`Steps::publish`].
    fn publish_manifest(&self, file: &(String, String)) -> Result<(), Error>;

    /// Removes files, if they exist.
    ///
    /// # Errors
    /// If one can't be removed.
    fn remove(&self, files: &[String]) -> Result<(), Error>;

    /// Brings the names of all files to where they survive a power failure. Objects always do.
    ///
    /// # Errors
    /// If that fails.
    fn sync(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Removes the journal, whose steps are carried out. That of a store is void once its manifest is in place.
    ///
    /// # Errors
    /// If it can't be removed.
    fn drop_journal(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// A claimed store, with the dataset in it.
pub(super) struct Claimed {
    pub(super) store: Box<dyn Store>,
    /// Manifest of the dataset as it was last committed; none if there is none.
    pub(super) manifest: Option<Manifest>,
    /// What the interrupted commit was for that was completed first; none if there was none.
    pub(super) completed: Option<Purpose>,
}

/// Claims a place for this process, and completes or undoes what a crash left in it.
///
/// # Errors
/// If it holds anything but a dataset, another process is writing to it, or it can't be written to.
pub(super) fn claim(place: &Path, options: &RunOptions) -> Result<Claimed, Error> {
    #[cfg(feature = "remote")]
    if is_url(place) {
        return BucketStore::claim(place, options);
    }
    if is_url(place) {
        // An error: there are no stores.
        files_at(place, &options.source.storage)?;
    }
    FolderStore::claim(place)
}

/// The manifest of the dataset at a path or URL; none if there is none, so that one may be written.
///
/// # Errors
/// If something else is there, or it can't be read.
pub(super) fn check(place: &Path, options: &StorageOptions) -> Result<Option<Manifest>, Error> {
    #[cfg(feature = "remote")]
    if is_url(place) {
        return crate::commit::bucket_store::check(place, options);
    }
    if is_url(place) {
        // An error: there are no stores.
        files_at(place, options)?;
    }
    ownership::check(place)
}
