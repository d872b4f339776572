//! Writes to a bucket: objects that are put only if they are as expected, and uploads of many parts, which nobody sees
//! before they are completed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, UpdateVersion};
use tokio::time::timeout;

use super::bucket::{Bucket, get_range};
use super::told::told;
use crate::error::StoreError;
use crate::format::disk;
use crate::format::shard::Checksum;

/// Uploads that are completed or dropped at once.
const AT_ONCE: usize = 64;

/// How long dropping an upload may take.
const ABORT: Duration = Duration::from_secs(10);

/// A store that objects are written to.
pub(super) trait Writable: ObjectStore + MultipartStore {}

impl<T: ObjectStore + MultipartStore> Writable for T {}

/// What tells a version of an object from others.
pub(crate) type Version = UpdateVersion;

/// What is expected of an object that is replaced.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expected {
    /// There is none.
    Absent,
    /// It is this version.
    Version(UpdateVersion),
    /// Anything: nobody else writes.
    Anything,
}

/// What has become of an object that was put.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Put {
    /// It is in its place.
    Done(UpdateVersion),
    /// There was another than expected, or there is one already.
    Refused,
}

/// A file that was uploaded, but is not in its place before its upload is completed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Upload {
    pub(super) id: String,
    /// Names of the parts, in order.
    pub(super) parts: Vec<String>,
    /// Length of the file, in bytes.
    pub(super) bytes: u64,
    /// Bytes at its end, and their checksum: a shard's footer has those of all others.
    pub(super) end: u64,
    pub(super) checksum: Checksum,
}

impl Bucket {
    /// Puts an object with a key below the prefix, if what is there is as expected.
    ///
    /// # Errors
    /// If it can't be written. It may have been, though the answer was lost.
    pub(crate) fn put(&self, key: &str, bytes: Bytes, expected: &Expected) -> Result<Put, StoreError> {
        let path = self.path_of(key)?;
        self.wait_for(put(self.store().clone(), path, bytes, expected.clone()))
    }

    /// Removes an object, if it exists.
    ///
    /// # Errors
    /// If it can't be removed.
    pub(crate) fn remove(&self, key: &str) -> Result<(), StoreError> {
        step()?;
        let (store, path) = (self.store().clone(), self.path_of(key)?);
        match self.wait_for(async move { store.delete(&path).await.map_err(|error| told(&error)) }) {
            Err(StoreError::NotFound) => Ok(()),
            removed => removed,
        }
    }

    /// All keys below a folder.
    ///
    /// # Errors
    /// If they can't be listed.
    pub(crate) fn keys_below(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let below = self.at_prefix(self.path_of(folder)?.as_ref())?;
        let objects = below.list()?;
        Ok(objects.iter().map(|object| format!("{folder}/{}", below.key(object))).collect())
    }

    /// Removes objects, as many with one request as the store takes.
    ///
    /// # Errors
    /// If one can't be removed.
    pub(crate) fn remove_keys(&self, keys: &[String]) -> Result<(), StoreError> {
        step()?;
        let paths = keys.iter().map(|key| self.path_of(key)).collect::<Result<Vec<Path>, _>>()?;
        let store = self.store().clone();
        self.wait_for(async move {
            let mut removed = store.delete_stream(stream::iter(paths).map(Ok).boxed());
            while let Some(removed) = removed.next().await {
                match removed {
                    Ok(_) | Err(Error::NotFound { .. }) => {}
                    Err(error) => return Err(told(&error)),
                }
            }
            Ok(())
        })
    }

    /// Opens uploads to these keys, at once. Returns what the store calls each.
    ///
    /// # Errors
    /// If the store refuses.
    pub(crate) fn open_uploads(&self, keys: &[&str]) -> Result<Vec<String>, StoreError> {
        let mut tasks = Vec::new();
        for key in keys {
            step()?;
            let (store, path) = (self.writes().clone(), self.path_of(key)?);
            let open = async move { store.create_multipart(&path).await.map_err(|error| told(&error)) };
            tasks.push(self.runtime().spawn(open));
        }
        tasks.into_iter().map(|task| self.wait(task).flatten()).collect()
    }

    /// Whether an object is what an upload made of it: whether it has the length and the end of it.
    ///
    /// # Errors
    /// If it can't be read.
    pub(crate) fn is_of_upload(&self, key: &str, upload: &Upload) -> Result<bool, StoreError> {
        let Some(object) = self.find(key)? else { return Ok(false) };
        if object.bytes != upload.bytes {
            return Ok(false);
        }
        if upload.end == 0 {
            return Ok(true);
        }
        let (store, range) = (self.store().clone(), upload.bytes - upload.end..upload.bytes);
        let end = self.wait_for(async move { get_range(&*store, &object, range).await })?;
        Ok(Checksum::of(&end) == upload.checksum)
    }

    /// Completes these uploads, at once, and tells of each whether it was open: it may have been completed before.
    ///
    /// # Errors
    /// If one can't be completed.
    pub(crate) fn complete(&self, uploads: &[(&str, &Upload)]) -> Result<Vec<bool>, StoreError> {
        let mut were_open = Vec::with_capacity(uploads.len());
        for uploads in uploads.chunks(AT_ONCE) {
            let mut tasks = Vec::new();
            for (key, upload) in uploads {
                step()?;
                let (store, path, upload) = (self.writes().clone(), self.path_of(key)?, (*upload).clone());
                tasks.push(self.runtime().spawn(async move {
                    let parts = upload.parts.into_iter().map(|content_id| PartId { content_id }).collect();
                    match store.complete_multipart(&path, &upload.id, parts).await {
                        Ok(_) => Ok(true),
                        Err(error) => match told(&error) {
                            StoreError::NotFound | StoreError::Status { status: 400..=499, .. } => Ok(false),
                            error => Err(error),
                        },
                    }
                }));
            }
            for task in tasks {
                were_open.push(self.wait(task).flatten()?);
            }
        }
        Ok(were_open)
    }

    /// Drops uploads that were not completed: keys, and what the store calls the uploads. Those that are not open any
    /// more are as good, and what a store that does not answer keeps is dropped by the next run.
    pub(crate) fn abort(&self, uploads: &[(String, String)]) {
        for uploads in uploads.chunks(AT_ONCE) {
            let mut tasks = Vec::new();
            for (key, id) in uploads {
                let (store, id) = (self.writes().clone(), id.clone());
                let Ok(path) = self.path_of(key) else { continue };
                let abort = async move { timeout(ABORT, store.abort_multipart(&path, &id)).await };
                tasks.push(self.runtime().spawn(abort));
            }
            tasks.into_iter().for_each(|task| drop(self.wait(task)));
        }
    }
}

/// Puts an object; see [`Bucket::put`].
pub(super) async fn put(
    store: Arc<dyn ObjectStore>,
    path: Path,
    bytes: Bytes,
    expected: Expected,
) -> Result<Put, StoreError> {
    step()?;
    let mode = match expected {
        Expected::Absent => PutMode::Create,
        Expected::Version(version) => PutMode::Update(version),
        Expected::Anything => PutMode::Overwrite,
    };
    match store.put_opts(&path, PutPayload::from(bytes), PutOptions::from(mode)).await {
        Ok(put) => Ok(Put::Done(put.into())),
        Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(Put::Refused),
        // What was to be replaced is gone.
        Err(Error::NotFound { .. }) => Ok(Put::Refused),
        Err(error) => Err(told(&error)),
    }
}

/// A point at which a test may end the process, before a request that changes something.
pub(super) fn step() -> Result<(), StoreError> {
    disk::step().map_err(|error| StoreError::Settings(error.to_string()))
}
