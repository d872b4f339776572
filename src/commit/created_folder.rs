//! Folders that a run creates for its output, and removes again if it fails.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::commit::pending::Pending;
use crate::dataset::names::{LOCK, MANIFEST, PRIVATE, is_committing};
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
    _pending: Pending,
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
        let created = CreatedFolder::new(folder, top);
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
        let above = folder.parent().map_or(Ok(None), CreatedFolder::ensure)?;
        let created = CreatedFolder::new(folder, above.as_ref().map_or(folder, |above| &above.top).to_owned());
        // The new value removes them from now on.
        above.into_iter().for_each(|mut above| above.keep = true);
        Ok(Some(created))
    }

    fn new(folder: &Path, top: PathBuf) -> CreatedFolder {
        let (folder, pending) = (folder.to_owned(), (folder.to_owned(), top.clone()));
        let _pending = Pending::new(move || {
            let (folder, top) = &pending;
            let dataset = folder.parent().filter(|_| folder.ends_with(PRIVATE));
            match dataset {
                Some(dataset) if dataset.join(MANIFEST).exists() || is_committing(dataset) => {}
                Some(_) => remove(Some(&folder.join(LOCK)), folder, top),
                None => remove(None, folder, top),
            }
        });
        CreatedFolder { top, folder, lock_file: None, keep: false, _pending }
    }
}

impl Drop for CreatedFolder {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        remove(self.lock_file.as_deref(), &self.folder, &self.top);
    }
}

/// Removes the lock file, then the folders from the lowest to the topmost.
fn remove(lock_file: Option<&Path>, folder: &Path, top: &Path) {
    // No caller is left to report to: folders that hold somebody's files just stay.
    if let Some(lock_file) = lock_file {
        let _ = fs::remove_file(lock_file);
    }
    for folder in folder.ancestors() {
        let removed = fs::remove_dir(folder);
        // The lowest folder may never have been created.
        if removed.is_err_and(|error| error.kind() != io::ErrorKind::NotFound) || folder == top {
            break;
        }
    }
}
