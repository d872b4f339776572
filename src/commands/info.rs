//! What a dataset is.

use std::path::Path;

use crate::commit::recovery::complete_commit;
use crate::dataset::manifest::Manifest;
use crate::error::{Error, FormatError};

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
    let folder = folder.as_ref();
    let commit = complete_commit(folder);
    match (Manifest::read(folder)?, commit) {
        (Some(manifest), commit) => Ok(Info { manifest, open_commit: commit.err() }),
        (None, Ok(_)) => Err(FormatError::NoDataset(folder.to_owned()).into()),
        (None, Err(error)) => Err(error),
    }
}
