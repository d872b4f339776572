//! A staging folder: files are written to it before they are renamed into their place. It is created
//! under the lock of its output, in the place of staging folders that crashed processes left.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::commit::pending::Pending;
use crate::dataset::names::{JOURNAL, PRIVATE};
use crate::error::Error;
use crate::format::disk;

/// What names of staging folders in the private folder of a dataset begin with.
const PREFIX: &str = "staging-";

/// Name of the staging folder in a hidden folder.
const NEW: &str = "new";

/// Empty file in a hidden folder: whatever else is in that folder may be removed.
const MARK: &str = "staging-of-inlaid";

/// A staging folder. Dropped, it is removed with everything in it, unless it is kept.
#[derive(Debug)]
pub(super) struct Staging {
    path: PathBuf,
    /// Folder that is removed: the staging folder, or the hidden folder around it.
    removed: PathBuf,
    pub(super) keep: bool,
    _pending: Pending,
}

impl Staging {
    /// Creates a staging folder in the private folder of a dataset.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub(super) fn in_private_folder(private: &Path) -> Result<Staging, Error> {
        remove_leftovers(private, |name| name.starts_with(PREFIX))?;
        let created = tempfile::Builder::new().prefix(PREFIX).tempdir_in(private);
        let path = created.map_err(Error::io("create folder in", private))?.keep();
        Ok(Staging { removed: path.clone(), _pending: pending(&path), path, keep: false })
    }

    /// Creates a staging folder in a hidden folder, which is removed along with it.
    ///
    /// # Errors
    /// If the hidden folder holds files of somebody else, or the operating system refuses.
    pub(super) fn in_hidden_folder(hidden: &Path) -> Result<Staging, Error> {
        let is_marked = is_marked(hidden);
        if !is_marked && !entries(hidden)?.is_empty() {
            return Err(Error::ForeignFile(hidden.to_owned()));
        }
        let staging =
            Staging { path: hidden.join(NEW), removed: hidden.to_owned(), keep: false, _pending: pending(hidden) };
        if !is_marked {
            disk::write_file(&hidden.join(MARK), b"")?;
            disk::sync_folder(hidden)?;
        }
        remove_leftovers(hidden, |name| name == NEW)?;
        disk::create_folder(&staging.path)?;
        Ok(staging)
    }

    /// Name of the staging folder.
    pub(super) fn name(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).expect("its name is ours, in ASCII")
    }

    /// Path of the staging folder.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a small file and brings it to disk.
    ///
    /// # Errors
    /// If it can't be written.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let written = disk::write_file(&self.path.join(name), bytes);
        Ok(written.map_err(|error| error.or_disk_full(bytes.len() as u64))?)
    }

    /// Brings the names of all files in it, at any depth, to disk.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub(super) fn sync(&self) -> Result<(), Error> {
        sync_tree(&self.path)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.keep {
            // What can't be removed now is removed by the next run.
            let _ = fs::remove_dir_all(&self.removed);
        }
    }
}

/// Whether a hidden folder has the mark of a staging folder.
pub(super) fn is_marked(hidden: &Path) -> bool {
    hidden.join(MARK).symlink_metadata().is_ok_and(|mark| mark.is_file())
}

/// Lists a folder that is removed if this process has to end.
fn pending(removed: &Path) -> Pending {
    /// Other threads may still be adding files.
    const ATTEMPTS: usize = 10;
    let removed = removed.to_owned();
    Pending::new(move || {
        // A journal names files in it.
        let private = removed.parent().filter(|folder| folder.ends_with(PRIVATE));
        if private.is_some_and(|folder| folder.join(JOURNAL).exists()) {
            return;
        }
        for _ in 0..ATTEMPTS {
            if fs::remove_dir_all(&removed).is_ok() || !removed.exists() {
                break;
            }
        }
    })
}

/// Removes the staging folders that crashed processes left.
fn remove_leftovers(folder: &Path, is_staging: impl Fn(&str) -> bool) -> Result<(), Error> {
    for entry in entries(folder)? {
        if is_staging(&entry.file_name().to_string_lossy()) {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let removed = if is_folder { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) };
            removed.map_err(Error::io("remove", entry.path()))?;
        }
    }
    Ok(())
}

fn sync_tree(folder: &Path) -> Result<(), Error> {
    for entry in entries(folder)? {
        if entry.path().is_dir() {
            sync_tree(&entry.path())?;
        }
    }
    Ok(disk::sync_folder(folder)?)
}

/// Files and folders in a folder, sorted by name: the order of steps must not depend on the file system.
fn entries(folder: &Path) -> Result<Vec<fs::DirEntry>, Error> {
    let entries = fs::read_dir(folder).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
    let mut entries = entries.map_err(Error::io("read", folder))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    Ok(entries)
}
