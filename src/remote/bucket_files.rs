//! The files of a dataset that are objects in a store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::bucket::Bucket;
use super::object_bytes::ObjectBytes;
use crate::error::{FormatError, StoreError};
use crate::format::files::Files;
use crate::format::ranges::Stored;

/// The objects below a URL, as the files of a dataset.
#[derive(Clone, Debug)]
pub(crate) struct BucketFiles {
    url: PathBuf,
    bucket: Arc<Bucket>,
}

impl BucketFiles {
    pub(crate) fn new(url: &Path, bucket: Arc<Bucket>) -> BucketFiles {
        BucketFiles { url: url.to_owned(), bucket }
    }

    pub(crate) fn bucket(&self) -> &Arc<Bucket> {
        &self.bucket
    }

    /// The error of a step on a file.
    pub(crate) fn failed(&self, action: &'static str, name: &str, error: StoreError) -> FormatError {
        FormatError::Io { action, path: self.path(name), source: std::io::Error::other(error) }
    }
}

impl Files for BucketFiles {
    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.url.clone() } else { self.url.join(name) }
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, FormatError> {
        let read = self.bucket.read_whole(name).map_err(|error| self.failed("read", name, error))?;
        Ok(read.map(|(bytes, _)| bytes.into()))
    }

    fn open(&self, name: &str) -> Result<Stored, FormatError> {
        let found = self.bucket.find(name).and_then(|found| found.ok_or(StoreError::NotFound));
        let object = found.map_err(|error| self.failed("open", name, error))?;
        Ok(Stored::Elsewhere(Arc::new(ObjectBytes::new(self.bucket.clone(), object))))
    }

    fn exists(&self, name: &str) -> Result<bool, FormatError> {
        let found = self.bucket.find(name).map_err(|error| self.failed("read", name, error))?;
        Ok(found.is_some())
    }

    fn entries(&self, folder: &str) -> Result<Vec<(String, u64)>, FormatError> {
        self.bucket.entries(folder).map_err(|error| self.failed("read", folder, error))
    }

    fn folder(&self) -> Option<&Path> {
        None
    }
}
