//! The unpacked copy of compressed archives: a nameless file, one for all archives of a run, so that thousands of them
//! don't use up the files that a process may open.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Error;

/// A nameless file that archives are unpacked into, several at a time. It is made when the first one needs it, and
/// goes with its owner.
#[derive(Debug)]
pub(in crate::source) struct Spool {
    folder: PathBuf,
    file: OnceLock<File>,
    end: AtomicU64,
}

impl Spool {
    /// A spool in this folder. Creates nothing yet.
    pub(in crate::source) fn new(folder: &Path) -> Spool {
        Spool { folder: folder.to_owned(), file: OnceLock::new(), end: AtomicU64::new(0) }
    }

    /// Takes room for so many bytes; returns where it begins.
    pub(super) fn take(&self, bytes: u64) -> u64 {
        self.end.fetch_add(bytes, Ordering::Relaxed)
    }

    /// Writes into room that was taken.
    ///
    /// # Errors
    /// If the disk is full, or the system refuses.
    pub(super) fn write(&self, bytes: &[u8], place: u64) -> Result<(), Error> {
        let written = self.opened().and_then(|file| file.write_all_at(bytes, place));
        let failed = |error| Error::io("unpack archives into", &self.folder)(error).or_disk_full(0);
        written.map_err(failed)
    }

    /// The file.
    ///
    /// # Errors
    /// If it can't be created.
    pub(super) fn opened(&self) -> io::Result<&File> {
        if self.file.get().is_none() {
            let file = tempfile::tempfile_in(&self.folder)?;
            // Another thread may have been faster; then this file is dropped.
            let _ = self.file.set(file);
        }
        self.file.get().ok_or_else(|| io::Error::other("the file was not created"))
    }
}
