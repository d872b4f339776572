//! What the sources of a run are read from, in a build without object stores: disks.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{disk_file, is_url};
use crate::error::{Error, SourceError, StoreError};
use crate::format::ranges::Stored;
use crate::run::StorageOptions;

/// What the sources of a run are read from.
#[derive(Debug)]
pub(crate) struct Stores;

/// The objects below a URL, of which there are none.
#[derive(Debug)]
pub(crate) struct Below;

impl Below {
    /// Keys below the URL, and lengths in bytes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        std::iter::empty()
    }
}

impl Stores {
    /// Number of parts that are gained by asking for them ahead.
    pub(crate) const AHEAD: usize = 0;

    pub(crate) fn new(_: &StorageOptions) -> Arc<Stores> {
        Arc::new(Stores)
    }

    pub(crate) fn check(&self, url: &Path) -> Result<PathBuf, Error> {
        Err(Error::source(url)(SourceError::Store(StoreError::LeftOut)))
    }

    pub(crate) fn below(&self, url: &Path) -> Result<Arc<Below>, Error> {
        self.check(url).map(|_| Arc::new(Below))
    }

    pub(crate) fn names(&self, url: &Path) -> Result<Vec<String>, Error> {
        self.check(url).map(|_| Vec::new())
    }

    pub(crate) fn lists(&self, _: &Path) -> bool {
        false
    }

    pub(crate) fn has(&self, url: &Path) -> Result<bool, Error> {
        self.check(url).map(|_| false)
    }

    /// Opens a file.
    ///
    /// # Errors
    /// If there is none, or it can't be read.
    pub(crate) fn open(&self, path: &Path) -> io::Result<Stored> {
        match is_url(path) {
            true => Err(io::Error::other(StoreError::LeftOut)),
            false => disk_file(path),
        }
    }

    pub(crate) fn open_known(&self, _: &Path, _: u64, _: Option<&str>) -> Result<Stored, StoreError> {
        Err(StoreError::LeftOut)
    }

    pub(crate) fn is_file(&self, path: &Path) -> bool {
        !is_url(path) && path.is_file()
    }

    pub(crate) fn failure(&self) -> Option<Error> {
        None
    }
}
