//! The files of a run below a URL. An attempt is an upload to the final key of the shard, which nobody sees before the
//! commit completes it; an object tells of every upload, so that whoever removes the run drops those that are open.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, StoreError};
use crate::format::files::Files;
use crate::format::new_file::NewFile;
use crate::items::folder_run::drawn;
use crate::items::run_files::{Attempt, RUNS, RunFiles};
use crate::remote::{Bucket, BucketFiles, Expected, NewObject, Sent, at_once};
use crate::run::StorageOptions;

/// The files of a run below a URL.
#[derive(Debug)]
pub(super) struct BucketRun {
    url: PathBuf,
    name: String,
    files: Arc<dyn Files>,
    bucket: Arc<Bucket>,
}

/// An upload that was opened: the object that tells of it.
#[derive(Debug, Serialize, Deserialize)]
struct Opened {
    key: String,
    id: String,
}

impl BucketRun {
    /// Sends no request.
    ///
    /// # Errors
    /// If it is no URL of a bucket that can be written to, or a setting of its store is wrong.
    pub(super) fn new(url: &Path, name: String, options: &StorageOptions) -> Result<BucketRun, Error> {
        let bucket = Bucket::at(url, options)?;
        let files = Arc::new(BucketFiles::new(url, bucket.clone()));
        Ok(BucketRun { url: url.to_owned(), name, files, bucket })
    }

    fn failed(&self, name: &str, reason: StoreError) -> Error {
        Error::Store { place: self.url.join(name), reason }
    }

    fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.name)
    }
}

impl RunFiles for BucketRun {
    fn files(&self) -> &Arc<dyn Files> {
        &self.files
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn create(&self) -> Result<(), Error> {
        Ok(())
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let key = self.key(name);
        let put = self.bucket.put(&key, bytes.to_vec().into(), &Expected::Anything);
        put.map(drop).map_err(|reason| self.failed(&key, reason))
    }

    fn begin(&self, item: usize, shard: &str) -> Result<Box<dyn Attempt>, Error> {
        let opened = self.bucket.open_uploads(&[shard]).map_err(|reason| self.failed(shard, reason))?;
        let id = opened.into_iter().next().unwrap_or_default();
        let opened = Opened { key: shard.to_owned(), id };
        let note = self.key(&format!("attempts/{item:06}-{}.json", drawn()));
        let text = serde_json::to_vec(&opened).expect("it is made of texts");
        if let Err(reason) = self.bucket.put(&note, text.into(), &Expected::Anything) {
            self.bucket.abort(&[(opened.key, opened.id)]);
            return Err(self.failed(&note, reason));
        }
        let path = self.url.join(shard);
        Ok(Box::new(UploadAttempt { bucket: self.bucket.clone(), opened, note, path, sent: Sent::default() }))
    }

    fn has(&self, _staged: &str, _bytes: u64) -> Result<bool, Error> {
        // An upload that is gone can't be completed, which is found then.
        Ok(true)
    }

    fn is_published(&self, file: &str, staged: &str) -> Result<bool, Error> {
        let upload = serde_json::from_str(staged).map_err(|_| self.failed(file, StoreError::NotFound))?;
        self.bucket.is_of_upload(file, &upload).map_err(|reason| self.failed(file, reason))
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        let key = self.key(name);
        self.bucket.remove(&key).map_err(|reason| self.failed(&key, reason))
    }

    fn remove_all(&self) -> Result<(), Error> {
        let failed = |reason| self.failed(RUNS, reason);
        let keys = self.bucket.keys_below(RUNS).map_err(failed)?;
        let attempts: Vec<&String> = keys.iter().filter(|key| key.contains("/attempts/")).collect();
        let opened = at_once(&attempts, |key| {
            let text = self.bucket.read_whole(key).map_err(failed)?;
            Ok(text.and_then(|(text, _)| serde_json::from_slice::<Opened>(&text).ok()))
        })?;
        // Those that a commit has completed are not open any more.
        let uploads: Vec<(String, String)> = opened.into_iter().flatten().map(|Opened { key, id }| (key, id)).collect();
        self.bucket.abort(&uploads);
        self.bucket.remove_keys(&keys).map_err(failed)
    }
}

/// An upload.
#[derive(Debug)]
struct UploadAttempt {
    bucket: Arc<Bucket>,
    opened: Opened,
    /// Key of the object that tells of it.
    note: String,
    path: PathBuf,
    sent: Sent,
}

impl Attempt for UploadAttempt {
    fn file(&self) -> Result<Box<dyn NewFile>, Error> {
        let Opened { key, id } = &self.opened;
        let file = NewObject::new(&self.bucket, key, id.clone(), self.sent.clone());
        Ok(Box::new(file.map_err(|reason| Error::Store { place: self.path.clone(), reason })?))
    }

    fn path(&self) -> PathBuf {
        self.path.clone()
    }

    fn staged(&self) -> Result<String, Error> {
        let sent = self.sent.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let gone = || StoreError::UploadGone(self.opened.key.clone());
        let upload = sent.last().map(|(_, upload)| upload).ok_or_else(gone);
        let upload = upload.map_err(|reason| Error::Store { place: self.path.clone(), reason })?;
        Ok(serde_json::to_string(upload).expect("it is made of texts and numbers"))
    }

    fn abandon(&self) {
        self.bucket.abort(&[(self.opened.key.clone(), self.opened.id.clone())]);
        // What can't be removed now is removed by the commit.
        let _ = self.bucket.remove(&self.note);
    }
}
