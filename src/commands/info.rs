//! What a dataset is.

use std::path::Path;

use crate::commit::recovery::complete_commit_with;
use crate::dataset::manifest::Manifest;
use crate::error::{Error, FormatError};
use crate::remote::files_at;
use crate::run::StorageOptions;

/// What a dataset is.
#[derive(Debug)]
#[non_exhaustive]
pub struct Info {
    /// Manifest of the snapshot that is committed now.
    pub manifest: Manifest,
    /// Reason that an interrupted commit could not be completed; the snapshot is the one before it, which is whole.
    pub open_commit: Option<Error>,
}

/// Reads the manifest of the dataset in `folder`. Completes the last commit first if that was interrupted.
///
/// # Errors
/// If `folder` is not a dataset, its first commit can't be completed, or its manifest can't be read.
pub fn info(folder: impl AsRef<Path>) -> Result<Info, Error> {
    info_with(folder, &StorageOptions::default())
}

/// As [`info`], also of a dataset below a URL of an object store that is reached with these settings.
///
/// # Errors
/// As [`info`], and if the store can't be read.
pub fn info_with(folder: impl AsRef<Path>, options: &StorageOptions) -> Result<Info, Error> {
    let folder = folder.as_ref();
    let files = files_at(folder, options)?;
    let commit = complete_commit_with(folder, options);
    match (Manifest::read_from(&*files)?, commit) {
        (Some(manifest), commit) => Ok(Info { manifest, open_commit: commit.err() }),
        (None, Ok(_)) => Err(FormatError::NoDataset(folder.to_owned()).into()),
        (None, Err(error)) => Err(error),
    }
}
