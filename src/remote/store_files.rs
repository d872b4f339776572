//! The files of a dataset in a store, for readers: in whatever process they are.

use std::path::{Path, PathBuf};

use super::bucket::Bucket;
use super::bucket_files::BucketFiles;
use crate::error::{Error, FormatError};
use crate::format::files::Files;
use crate::format::ranges::Stored;
use crate::read::PerProcess;
use crate::run::StorageOptions;

/// The objects below a URL, which each process reads by requests of its own: a fork has no connections.
pub(super) struct StoreFiles {
    url: PathBuf,
    options: StorageOptions,
    files: PerProcess<Option<BucketFiles>>,
}

impl StoreFiles {
    /// The files below a URL. Sends no request.
    ///
    /// # Errors
    /// If it is no URL of a bucket, or a setting of its store is wrong.
    pub(super) fn open(url: &Path, options: &StorageOptions) -> Result<StoreFiles, Error> {
        let files = BucketFiles::new(url, Bucket::to_read_at(url, options)?);
        Ok(StoreFiles { url: url.to_owned(), options: options.clone(), files: PerProcess::here(Some(files)) })
    }

    fn files(&self) -> Result<BucketFiles, FormatError> {
        if let Some(files) = self.files.with(|files| files.clone()) {
            return Ok(files);
        }
        let bucket = Bucket::to_read_at(&self.url, &self.options).map_err(|error| match error {
            Error::Format(error) => error,
            Error::Store { place, reason } => {
                FormatError::Io { action: "open", path: place, source: std::io::Error::other(reason) }
            }
            _ => FormatError::Io { action: "open", path: self.url.clone(), source: std::io::ErrorKind::Other.into() },
        })?;
        let made = BucketFiles::new(&self.url, bucket);
        Ok(self.files.with(|files| files.get_or_insert(made).clone()))
    }

    /// Keys of the objects below the URL, in order.
    ///
    /// # Errors
    /// If the store can't be listed.
    pub(super) fn keys(&self) -> Result<Vec<String>, FormatError> {
        let files = self.files()?;
        let listed = files.bucket().list().map_err(|error| files.failed("read", "", error))?;
        Ok(listed.iter().map(|object| files.bucket().key(object).to_owned()).collect())
    }
}

impl Files for StoreFiles {
    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.url.clone() } else { self.url.join(name) }
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, FormatError> {
        self.files()?.read(name)
    }

    fn open(&self, name: &str) -> Result<Stored, FormatError> {
        self.files()?.open(name)
    }

    fn exists(&self, name: &str) -> Result<bool, FormatError> {
        self.files()?.exists(name)
    }

    fn entries(&self, folder: &str) -> Result<Vec<(String, u64)>, FormatError> {
        self.files()?.entries(folder)
    }

    fn folder(&self) -> Option<&Path> {
        None
    }
}

impl std::fmt::Debug for StoreFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreFiles").field("url", &self.url).finish_non_exhaustive()
    }
}
