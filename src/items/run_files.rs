//! The files of a run, on a disk or below a URL.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Error;
use crate::format::files::Files;
use crate::format::new_file::NewFile;
use crate::items::folder_run::FolderRun;
use crate::remote::{files_at, is_url};
use crate::run::StorageOptions;

/// Folder of all runs, in that of a dataset.
pub(super) const RUNS: &str = ".inlaid/runs";

/// The files of a run. Any number of processes write to them at a time, without a lock.
pub(crate) trait RunFiles: fmt::Debug + Send + Sync {
    /// The files of the dataset, among them those of the run below [`RunFiles::name`].
    fn files(&self) -> &Arc<dyn Files>;

    /// Name of the folder of the run, in that of the dataset.
    fn name(&self) -> &str;

    /// Creates the folder of the run, if there is none. Only who plans does: others would bring back what is removed.
    ///
    /// # Errors
    /// If it can't be created.
    fn create(&self) -> Result<(), Error>;

    /// Puts a small file in the place of what is there, so that nobody finds a part of it.
    ///
    /// # Errors
    /// If it can't be written, or the folder of the run is gone.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), Error>;

    /// Begins an attempt at the shard of an item.
    ///
    /// # Errors
    /// As [`RunFiles::put`].
    fn begin(&self, item: usize, shard: &str) -> Result<Box<dyn Attempt>, Error>;

    /// Checks what a commit relies on: that a shard is there as it was made.
    ///
    /// # Errors
    /// If that can't be told.
    fn has(&self, staged: &str, bytes: u64) -> Result<bool, Error>;

    /// Whether a shard is in its place in the dataset, after a commit that failed because others were gone.
    ///
    /// # Errors
    /// If that can't be told.
    fn is_published(&self, _file: &str, _staged: &str) -> Result<bool, Error> {
        Ok(true)
    }

    /// Removes a file of the run, if it exists.
    ///
    /// # Errors
    /// If it can't be removed.
    fn remove(&self, name: &str) -> Result<(), Error>;

    /// Removes all runs, with attempts that others left or are still making.
    ///
    /// # Errors
    /// If one can't be removed.
    fn remove_all(&self) -> Result<(), Error>;
}

/// An attempt at a shard. Nobody sees the shard before a commit.
pub(crate) trait Attempt: fmt::Debug + Send {
    /// The file to write to, once.
    ///
    /// # Errors
    /// If it can't be created.
    fn file(&self) -> Result<Box<dyn NewFile>, Error>;

    /// What messages call the file.
    fn path(&self) -> PathBuf;

    /// What the journal of a commit calls the complete file.
    ///
    /// # Errors
    /// If it is not complete.
    fn staged(&self) -> Result<String, Error>;

    /// Drops it, because another one is complete.
    fn abandon(&self);
}

/// The files of the run with this name, of the dataset at a path or URL.
///
/// # Errors
/// If it is no URL of a bucket, or a setting of its store is wrong.
pub(crate) fn run_files(out: &Path, name: &str, options: &StorageOptions) -> Result<Arc<dyn RunFiles>, Error> {
    let name = format!("{RUNS}/{name}");
    #[cfg(feature = "remote")]
    if is_url(out) {
        return Ok(Arc::new(crate::items::bucket_run::BucketRun::new(out, name, options)?));
    }
    if is_url(out) {
        // An error: there are no stores.
        files_at(out, options)?;
    }
    Ok(Arc::new(FolderRun::new(out, name)))
}

/// Removes the plans of a dataset that is made: none of them can be committed any more.
///
/// # Errors
/// If one can't be removed.
pub(crate) fn remove_runs(out: &Path, options: &StorageOptions) -> Result<(), Error> {
    run_files(out, "none", options)?.remove_all()
}
