//! The files of a dataset, read by their names: those in a folder, or the objects below a prefix of a store.

use std::fmt;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use super::open;
use super::ranges::Stored;
use crate::error::Error;

/// The files of a dataset. Names are relative to it, and `/`-separated.
pub trait Files: fmt::Debug + Send + Sync {
    /// What messages call a file; the empty name is the dataset itself.
    fn path(&self, name: &str) -> PathBuf;

    /// All bytes of a small file; none if there is no such file.
    ///
    /// # Errors
    /// If it can't be read.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error>;

    /// Opens a file.
    ///
    /// # Errors
    /// If there is none, or it can't be opened.
    fn open(&self, name: &str) -> Result<Stored, Error>;

    /// Whether there is a file of this name.
    ///
    /// # Errors
    /// If that can't be told.
    fn exists(&self, name: &str) -> Result<bool, Error>;

    /// Names of what is in a folder, if there is such a folder, and lengths in bytes.
    ///
    /// # Errors
    /// If it can't be listed.
    fn entries(&self, folder: &str) -> Result<Vec<(String, u64)>, Error>;

    /// The folder, if it is one on a disk.
    fn folder(&self) -> Option<&Path>;
}

/// A folder on a disk.
#[derive(Clone, Debug)]
pub struct Folder(pub PathBuf);

impl Files for Folder {
    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.0.clone() } else { self.0.join(name) }
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let path = self.0.join(name);
        match open::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some).map_err(Error::io("read", path)),
        }
    }

    fn open(&self, name: &str) -> Result<Stored, Error> {
        let path = self.0.join(name);
        let file = open::regular(&path).map_err(Error::io("open", &path))?;
        Stored::of_file(file).map_err(Error::io("read", path))
    }

    fn exists(&self, name: &str) -> Result<bool, Error> {
        Ok(self.0.join(name).exists())
    }

    fn entries(&self, folder: &str) -> Result<Vec<(String, u64)>, Error> {
        let place = self.path(folder);
        let entry = |entry: io::Result<DirEntry>| {
            let name = entry?.file_name();
            // What a link names, if it names anything.
            let bytes = place.join(&name).metadata().map_or(0, |found| found.len());
            Ok((name.to_string_lossy().into_owned(), bytes))
        };
        match fs::read_dir(&place).and_then(|entries| entries.map(entry).collect::<io::Result<_>>()) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(Vec::new())
            }
            entries => entries.map_err(Error::io("read", &place)),
        }
    }

    fn folder(&self) -> Option<&Path> {
        Some(&self.0)
    }
}
