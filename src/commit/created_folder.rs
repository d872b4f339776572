//! A folder that a run makes for its output, and takes away again if nothing comes of it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::dataset::names::{LOCK, PRIVATE};
use crate::error::Error;
use crate::format::disk;

/// A folder that did not exist; it is removed again unless kept.
#[derive(Debug)]
pub(crate) struct CreatedFolder {
    /// The topmost folder that was missing.
    top: PathBuf,
    folder: PathBuf,
    /// Whether the lock in it is this process's, not that of another which found the folder made.
    pub(crate) is_locked: bool,
    pub(crate) keep: bool,
}

impl CreatedFolder {
    /// Makes the folder, and those above it; none if it is there.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub(crate) fn ensure(folder: &Path) -> Result<Option<CreatedFolder>, Error> {
        if folder.exists() {
            return Ok(None);
        }
        let missing = folder.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists());
        let top = missing.last().unwrap_or(folder).to_owned();
        let created = CreatedFolder { top, folder: folder.to_owned(), is_locked: false, keep: false };
        disk::create_folders(folder, &created.top)?;
        Ok(Some(created))
    }

    /// The private folder alone, if it is still to be made.
    pub(crate) fn private_of(folder: &Path) -> Option<CreatedFolder> {
        let (top, folder) = (folder.join(PRIVATE), folder.to_owned());
        (!top.exists()).then_some(CreatedFolder { top, folder, is_locked: false, keep: false })
    }
}

impl Drop for CreatedFolder {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        let private = self.folder.join(PRIVATE);
        // Nothing is left to tell the caller: folders that somebody has put files into just stay.
        if self.is_locked {
            let _ = fs::remove_file(private.join(LOCK));
        }
        let _ = fs::remove_dir(&private);
        if self.top == private {
            return;
        }
        for folder in self.folder.ancestors() {
            if fs::remove_dir(folder).is_err() || folder == self.top {
                break;
            }
        }
    }
}
