//! Files while they are written, from their first byte to their last: on a disk, or on the way to an object store.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::disk;
use super::ranges::Stored;
use crate::error::Error;

/// A file that is being written.
pub trait NewFile: fmt::Debug + Send {
    /// Writes some of these bytes after those before, and returns how many.
    ///
    /// # Errors
    /// If they can't be written.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Lets go of the bytes before this offset, which are not read back any more.
    fn let_go(&mut self, before: u64);

    /// What was written so far, as far as it was not let go.
    ///
    /// # Errors
    /// If its length can't be read.
    fn written(&self) -> io::Result<Stored>;

    /// Has what was written so far stored, without waiting for more than a disk.
    ///
    /// # Errors
    /// If it can't be stored.
    fn sync(&mut self) -> io::Result<()>;

    /// Waits until everything is stored. Nothing is written afterwards.
    ///
    /// # Errors
    /// If it can't be stored.
    fn finish(&mut self) -> io::Result<()>;

    /// The file, if it is one on a disk.
    fn file(&self) -> Option<&File>;
}

/// A new file on a disk.
#[derive(Debug)]
pub struct DiskFile(Arc<File>);

impl DiskFile {
    /// Creates a file that does not exist.
    ///
    /// # Errors
    /// If it exists, or the operating system refuses.
    pub fn create(path: &Path) -> Result<Box<dyn NewFile>, Error> {
        Ok(Box::new(DiskFile(Arc::new(disk::create(path)?))))
    }
}

impl NewFile for DiskFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        disk::write(&self.0, bytes)
    }

    fn let_go(&mut self, _before: u64) {}

    fn written(&self) -> io::Result<Stored> {
        Ok(Stored::File(self.0.clone(), self.0.metadata()?.len()))
    }

    fn sync(&mut self) -> io::Result<()> {
        disk::sync(&self.0)
    }

    fn finish(&mut self) -> io::Result<()> {
        disk::sync(&self.0)
    }

    fn file(&self) -> Option<&File> {
        Some(&self.0)
    }
}
