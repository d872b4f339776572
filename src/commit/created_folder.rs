//! Folders that a run creates for its output, and removes again if it fails.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::format::disk;

/// A folder that was missing, and the missing folders above it. Dropped, those that are empty are
/// removed, unless they are kept.
#[derive(Debug)]
pub(super) struct CreatedFolder {
    /// Topmost folder that was missing.
    top: PathBuf,
    /// Lowest folder that was missing.
    folder: PathBuf,
    /// Lock file in the lowest folder, once this process holds the lock; removed first.
    pub(super) lock_file: Option<PathBuf>,
    pub(super) keep: bool,
}

impl CreatedFolder {
    /// Creates the folder and those above it. None if it exists.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub(super) fn ensure(folder: &Path) -> Result<Option<CreatedFolder>, Error> {
        if folder.exists() {
            return Ok(None);
        }
        let missing = folder.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists());
        let top = missing.last().unwrap_or(folder).to_owned();
        let created = CreatedFolder { top, folder: folder.to_owned(), lock_file: None, keep: false };
        disk::create_folders(folder, &created.top)?;
        Ok(Some(created))
    }

    /// Creates the folders above `folder`. `folder` itself, to be created by the caller, counts as the
    /// lowest folder that was missing. None if it exists.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub(super) fn ensure_parent(folder: &Path) -> Result<Option<CreatedFolder>, Error> {
        if folder.exists() {
            return Ok(None);
        }
        let folder = folder.to_owned();
        Ok(Some(match folder.parent().map_or(Ok(None), CreatedFolder::ensure)? {
            Some(mut created) => {
                created.folder = folder;
                created
            }
            None => CreatedFolder { top: folder.clone(), folder, lock_file: None, keep: false },
        }))
    }
}

impl Drop for CreatedFolder {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        // No caller is left to report to: folders that hold somebody's files just stay.
        if let Some(lock_file) = &self.lock_file {
            let _ = fs::remove_file(lock_file);
        }
        for folder in self.folder.ancestors() {
            let removed = fs::remove_dir(folder);
            // The lowest folder may never have been created.
            if removed.is_err_and(|error| error.kind() != io::ErrorKind::NotFound) || folder == self.top {
                break;
            }
        }
    }
}
