//! Completes a commit for whoever only reads: the next writer completes it anyway, but there may be none for a long time.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

#[cfg(feature = "remote")]
use crate::commit::bucket_store::BucketStore;
use crate::commit::journal::Journal;
use crate::commit::lock::Lock;
use crate::commit::staging::Staging;
use crate::dataset::names::{LOCK, PRIVATE, is_committing};
use crate::error::{Error, FormatError};
use crate::format::beneath::Beneath;
#[cfg(feature = "remote")]
use crate::remote::is_read_only;
use crate::remote::{files_at, is_url};
use crate::run::StorageOptions;

/// As [`complete_commit`], also below a URL of an object store that is reached with these settings.
///
/// # Errors
/// As [`complete_commit`], and if the store can't be read.
pub(crate) fn complete_commit_with(place: &Path, options: &StorageOptions) -> Result<bool, Error> {
    #[cfg(feature = "remote")]
    if is_read_only(place) {
        return Ok(false);
    }
    #[cfg(feature = "remote")]
    if is_url(place) {
        return BucketStore::complete_commit(place, options);
    }
    match is_url(place) {
        // An error: there are no stores.
        true => files_at(place, options).map(|_| false),
        false => complete_commit(place),
    }
}

/// Completes the commit to the dataset in `folder` that a crash interrupted. Returns whether there was one.
///
/// # Errors
/// If another process is committing right now, the folder can't be written to, or the journal is damaged.
pub fn complete_commit(folder: impl AsRef<Path>) -> Result<bool, Error> {
    let folder = folder.as_ref();
    if !is_committing(folder) {
        return Ok(false);
    }
    let private = folder.join(PRIVATE);
    let lock = private.join(LOCK);
    let complete = || {
        let _lock = Lock::on_file(&lock, folder)?;
        let completed = Journal::recover(&Beneath::open(folder)?)?.is_some();
        // What is left of the staging folders, which the next writer would remove.
        let _ = Staging::in_private_folder(&private);
        Ok(completed)
    };
    complete().map_err(|error| match error {
        Error::Locked { .. } => FormatError::Committing(folder.to_owned()).into(),
        error if is_unwritable(&error) && is_locked(&lock) => FormatError::Committing(folder.to_owned()).into(),
        error if is_unwritable(&error) => Error::CommitInterrupted(folder.to_owned()),
        error => error,
    })
}

fn is_unwritable(error: &Error) -> bool {
    let Error::Format(FormatError::Io { source, .. }) = error else { return false };
    matches!(source.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// Whether another process holds the lock, for a process that may only read it.
fn is_locked(lock: &Path) -> bool {
    File::open(lock).is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
}
