//! The objects below a URL as the store of a dataset. A file is an open upload to its final key, which nobody sees before
//! it is completed; the manifest is put only if the one before it is still there. Uploads and journal of a run are written
//! down in an object of its own, so that the next run completes the commit of one that has died, and drops its uploads.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tempfile::TempDir;

use crate::commit::journal::Journal;
use crate::commit::lease::{Conditions, Lease};
use crate::commit::ownership::dataset_files;
use crate::commit::pending::Pending;
use crate::commit::store::{Claimed, Steps, Store};
use crate::commit::store_run::{Leftovers, Recovered, Run, StagedManifest, There, is_record, to_json};
use crate::dataset::manifest::Manifest;
use crate::dataset::names::{CARD, MANIFEST, PRIVATE, REJECTS, is_system};
use crate::error::{Error, FormatError, StoreError};
use crate::format::files::Files;
use crate::format::new_file::NewFile;
use crate::format::shard::Checksum;
use crate::remote::{Bucket, BucketFiles};
use crate::run::{RunOptions, StorageOptions};
use crate::spec::Split;

/// The objects below a URL, which only this process writes to.
#[derive(Debug)]
pub(super) struct BucketStore {
    files: Arc<dyn Files>,
    run: Arc<Run>,
    conditions: Conditions,
    /// The manifest that is there.
    there: There,
    /// Files of a commit that could not be completed, which the next one replaces.
    pending: Vec<String>,
    /// Small files of the next commit, not sent yet.
    small: Mutex<BTreeMap<String, Vec<u8>>>,
    scratch: TempDir,
    _pending: Pending,
    lease: Lease,
}

impl BucketStore {
    /// Claims what is below a URL; see [`claim`](super::store::claim).
    ///
    /// # Errors
    /// If it holds anything but a dataset, another process is writing to it, or it can't be written to.
    pub(super) fn claim(url: &Path, options: &RunOptions) -> Result<Claimed, Error> {
        let (bucket, conditions) = (Bucket::at(url, &options.source.storage)?, Conditions::from(options.writers));
        let files = BucketFiles::new(url, bucket.clone());
        let has_records = || Ok::<_, Error>(files.entries(PRIVATE)?.iter().any(|(name, _)| is_record(name)));
        if Manifest::read_from(&files)?.is_none()
            && !has_records()?
            && let Err(error) = refuse_foreign(&bucket, url, &[])
            // Another process may have made a dataset in the meantime.
            && Manifest::read_from(&files)?.is_none()
        {
            return Err(error);
        }
        let lease = Lease::take(&bucket, url, conditions)?;
        let run = Run::new(bucket, url, lease.owner());
        let Recovered { completed, pending } = run.recover(Leftovers::Dropped, conditions)?;
        let (bytes, there) = There::read(&run.bucket, conditions).map_err(|reason| run.failed(MANIFEST, reason))?;
        let manifest = bytes.map(|bytes| Manifest::parse(&files.path(MANIFEST), &bytes)).transpose()?;
        match &manifest {
            Some(manifest) => refuse_foreign_shards(&files, manifest)?,
            None => refuse_foreign(&run.bucket, url, &pending)?,
        }
        let scratch = tempfile::Builder::new().prefix("inlaid-").tempdir();
        let scratch = scratch.map_err(Error::io("create folder in", std::env::temp_dir()))?;
        let (run, files): (_, Arc<dyn Files>) = (Arc::new(run), Arc::new(files));
        let (ended, given_back) = (run.clone(), lease.ending());
        let _pending = Pending::new(move || {
            ended.drop_uploads();
            given_back();
        });
        let small = Mutex::default();
        let store = BucketStore { files, run, conditions, there, pending, small, scratch, _pending, lease };
        Ok(Claimed { store: Box::new(store), manifest, completed })
    }

    /// Completes the commit that a crash interrupted below a URL, for whoever only reads. Returns whether there was one.
    ///
    /// # Errors
    /// If the store can't be read, or the commit can't be completed.
    pub(super) fn complete_commit(url: &Path, options: &StorageOptions) -> Result<bool, Error> {
        let run = Run::new(Bucket::at(url, options)?, url, "none");
        Ok(run.recover(Leftovers::Kept, Conditions::Kept)?.completed.is_some())
    }
}

impl Store for BucketStore {
    fn files(&self) -> &Arc<dyn Files> {
        &self.files
    }

    fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    fn shares_blocks(&self) -> bool {
        false
    }

    fn create(&self, name: &str) -> Result<Box<dyn NewFile>, Error> {
        self.lease.check_known().map_err(|reason| self.run.failed("", reason))?;
        // The small files that nearly every commit has, so that it does not wait for them.
        self.run.open(&[name, CARD, REJECTS])?;
        let file = self.run.begin(name).map_err(|reason| self.run.failed(name, reason))?;
        Ok(Box::new(file))
    }

    fn stage(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let mut small = self.small.lock().unwrap_or_else(PoisonError::into_inner);
        small.insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn refuse_overwriting(&self, staged: &[String], old: &[String]) -> Result<(), Error> {
        let is_new = |file: &&String| !old.contains(file) && !self.pending.contains(file) && !file.starts_with(PRIVATE);
        for file in staged.iter().filter(is_new) {
            // Shards were looked for when the place was claimed.
            if !file.contains('/') && self.files.exists(file)? {
                return Err(Error::ForeignFile(self.files.path(file)));
            }
        }
        Ok(())
    }

    fn settle(&self) -> Result<(), Error> {
        let small = self.small.lock().unwrap_or_else(PoisonError::into_inner);
        let small: Vec<(&String, &Vec<u8>)> = small.iter().filter(|(name, _)| *name != MANIFEST).collect();
        self.run.open(&small.iter().map(|(name, _)| &***name).collect::<Vec<_>>())?;
        let send = |(name, bytes): (&String, &Vec<u8>)| {
            let sent = self.run.begin(name).map_err(io::Error::other).and_then(|mut file| {
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    rest = &rest[file.write(rest)?..];
                }
                file.finish()
            });
            sent.map_err(|error| {
                Error::from(FormatError::Io { action: "write", path: self.files.path(name), source: error })
            })
        };
        thread::scope(|scope| {
            let send = &send;
            let threads: Vec<_> = small.into_iter().map(|file| scope.spawn(move || send(file))).collect();
            threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(Error::Interrupted)))
        })
    }

    fn staged(&self, name: &str) -> String {
        if name == MANIFEST {
            let small = self.small.lock().unwrap_or_else(PoisonError::into_inner);
            let text = small.get(MANIFEST).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default();
            return to_json(&StagedManifest { text, replaces: self.there.checksum });
        }
        self.run.upload(name).map_or_else(String::new, |upload| to_json(&upload))
    }

    fn begin_commit(&mut self, journal: &Journal) -> Result<(), Error> {
        self.run.record().journal = Some(journal.clone());
        let written = self.run.write_record();
        // Whoever takes over after this finds the journal. Where it may have been written, the next run decides.
        written.and_then(|()| self.lease.check().map_err(|reason| self.run.failed("", reason)))
    }

    fn steps(&self) -> &dyn Steps {
        self
    }

    fn end_commit(&mut self) -> Result<(), Error> {
        // The journal stays in its place until the record is written again: its manifest has been put.
        self.run.record().journal = None;
        let small = std::mem::take(&mut *self.small.lock().unwrap_or_else(PoisonError::into_inner));
        let expected = self.run.put.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let (Some(text), Some(expected)) = (small.get(MANIFEST), expected) {
            self.there = There { expected: self.conditions.expect(expected), checksum: Some(Checksum::of(text)) };
        }
        if !std::mem::take(&mut self.pending).is_empty() {
            // This commit has taken the place of the one that could not be completed.
            self.run.recover(Leftovers::Dropped, self.conditions)?;
        }
        Ok(())
    }
}

impl Drop for BucketStore {
    fn drop(&mut self) {
        self.run.drop_uploads();
    }
}

/// The steps of a commit of this process.
impl Steps for BucketStore {
    fn publish(&self, files: &[(String, String)], _merged: &BTreeMap<String, Vec<String>>) -> Result<(), Error> {
        self.run.publish(files)
    }

    fn publish_manifest(&self, file: &(String, String)) -> Result<(), Error> {
        self.run.publish_manifest(file, self.conditions, Some(&self.there.expected))
    }

    fn remove(&self, files: &[String]) -> Result<(), Error> {
        // Whoever has taken over removes them, and may have put others in their place since.
        match files.is_empty() || self.lease.check() == Err(StoreError::TakenOver) {
            true => Ok(()),
            false => self.run.remove(files),
        }
    }
}

/// The manifest of the dataset below a URL; none if there is none.
///
/// # Errors
/// If something else is there, or the store can't be read.
pub(super) fn check(url: &Path, options: &StorageOptions) -> Result<Option<Manifest>, Error> {
    let bucket = Bucket::at(url, options)?;
    let files = BucketFiles::new(url, bucket.clone());
    let manifest = Manifest::read_from(&files)?;
    if manifest.is_none() && !files.entries(PRIVATE)?.iter().any(|(name, _)| is_record(name)) {
        refuse_foreign(&bucket, url, &[])?;
    }
    Ok(manifest)
}

/// Refuses a place without a dataset that is not empty, except for these files.
fn refuse_foreign(bucket: &Bucket, url: &Path, own: &[String]) -> Result<(), Error> {
    let is_foreign = |key: &str| {
        let is_private = key.split('/').next().is_none_or(|top| top == PRIVATE || is_system(top.as_ref()));
        !is_private && !own.iter().any(|file| file == key)
    };
    let found = bucket.any(is_foreign).map_err(|reason| Error::Store { place: url.to_owned(), reason })?;
    if found { Err(Error::OutputNotEmpty(url.to_owned())) } else { Ok(()) }
}

/// Refuses objects of somebody else where shards are: readers take everything there for one.
fn refuse_foreign_shards(files: &BucketFiles, manifest: &Manifest) -> Result<(), Error> {
    let own = dataset_files(manifest);
    for split in Split::ALL {
        for (name, _) in files.entries(split.as_str())? {
            let file = format!("{split}/{name}");
            if !is_system(name.as_ref()) && !own.contains(&file) {
                return Err(Error::ForeignFile(files.path(&file)));
            }
        }
    }
    Ok(())
}
