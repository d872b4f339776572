//! The objects below a URL as the store of a dataset. A file is an open upload to its final key, which nobody sees before
//! it is completed; the manifest is put only if the one before it is still there. Uploads and journal of a run are written
//! down in an object of its own, so that the next run completes the commit of one that has died, and drops its uploads.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::commit::journal::{Journal, Purpose};
use crate::commit::lease::{Conditions, Lease};
use crate::commit::ownership::dataset_files;
use crate::commit::pending::Pending;
use crate::commit::store::{Claimed, Steps, Store};
use crate::dataset::manifest::Manifest;
use crate::dataset::names::{CARD, MANIFEST, PRIVATE, REJECTS, is_system};
use crate::error::{Error, FormatError, StoreError};
use crate::format::files::Files;
use crate::format::new_file::NewFile;
use crate::format::ranges::Stored;
use crate::format::shard::Checksum;
use crate::remote::{Bucket, BucketFiles, Expected, NewObject, Put, Sent, Upload, Version};
use crate::run::{RunOptions, StorageOptions};
use crate::spec::Split;

/// What names of the records of runs begin with, below the private folder.
const RECORD: &str = "run-";

/// The objects below a URL, which only this process writes to.
#[derive(Debug)]
pub(super) struct BucketStore {
    files: Arc<dyn Files>,
    run: Arc<Run>,
    conditions: Conditions,
    /// The manifest that is there.
    there: There,
    /// Small files of the next commit, not sent yet.
    small: Mutex<BTreeMap<String, Vec<u8>>>,
    scratch: TempDir,
    _pending: Pending,
    lease: Lease,
}

/// What this process has opened and not completed.
#[derive(Debug)]
struct Run {
    bucket: Arc<Bucket>,
    url: PathBuf,
    /// Key of its record.
    key: String,
    record: Mutex<Record>,
    sent: Sent,
    /// The manifest that was put last.
    put: Mutex<Option<Expected>>,
}

/// The record of a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Record {
    /// Open uploads: name of the file, and what the store calls the upload.
    uploads: Vec<(String, String)>,
    /// The commit that is being made.
    journal: Option<Journal>,
}

/// The manifest that is in its place.
#[derive(Clone, Debug)]
struct There {
    expected: Expected,
    /// Checksum of its text; none if there is none.
    checksum: Option<Checksum>,
}

/// What a journal calls the manifest.
#[derive(Serialize, Deserialize)]
struct StagedManifest {
    text: String,
    /// Checksum of the text of the manifest that it replaces; none if there is none.
    replaces: Option<Checksum>,
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
            && let Err(error) = refuse_foreign(&bucket, url)
            // Another process may have made a dataset in the meantime.
            && Manifest::read_from(&files)?.is_none()
        {
            return Err(error);
        }
        let lease = Lease::take(&bucket, url, conditions)?;
        let run = Run::new(bucket, url, lease.owner());
        let completed = run.recover(Leftovers::Dropped, conditions)?;
        let (bytes, there) = There::read(&run.bucket, conditions).map_err(|reason| run.failed(MANIFEST, reason))?;
        let manifest = bytes.map(|bytes| Manifest::parse(&files.path(MANIFEST), &bytes)).transpose()?;
        match &manifest {
            Some(manifest) => refuse_foreign_shards(&files, manifest)?,
            None => refuse_foreign(&run.bucket, url)?,
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
        let store = BucketStore { files, run, conditions, there, small, scratch, _pending, lease };
        Ok(Claimed { store: Box::new(store), manifest, completed })
    }

    /// Completes the commit that a crash interrupted below a URL, for whoever only reads. Returns whether there was one.
    ///
    /// # Errors
    /// If the store can't be read, or the commit can't be completed.
    pub(super) fn complete_commit(url: &Path, options: &StorageOptions) -> Result<bool, Error> {
        let run = Run::new(Bucket::at(url, options)?, url, "none");
        Ok(run.recover(Leftovers::Kept, Conditions::Kept)?.is_some())
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
        for file in staged.iter().filter(|file| !old.contains(file) && !file.starts_with(PRIVATE)) {
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

/// The steps of a commit of a run that has died.
struct OfDeadRun<'a> {
    run: &'a Run,
    conditions: Conditions,
    leftovers: Leftovers,
}

impl Steps for OfDeadRun<'_> {
    fn publish(&self, files: &[(String, String)], _merged: &BTreeMap<String, Vec<String>>) -> Result<(), Error> {
        self.run.publish(files)
    }

    fn publish_manifest(&self, file: &(String, String)) -> Result<(), Error> {
        self.run.publish_manifest(file, self.conditions, None)
    }

    fn remove(&self, files: &[String]) -> Result<(), Error> {
        self.run.remove_of(files, self.leftovers)
    }
}

/// What becomes of the uploads and the record of a run that is not this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leftovers {
    /// The run has died, or its lease was taken over.
    Dropped,
    /// The run may be alive.
    Kept,
}

impl Run {
    fn new(bucket: Arc<Bucket>, url: &Path, owner: &str) -> Run {
        let key = format!("{PRIVATE}/{RECORD}{owner}.json");
        Run { bucket, url: url.to_owned(), key, record: Mutex::default(), sent: Sent::default(), put: Mutex::default() }
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The error of a step on a file; the empty name is the dataset.
    fn failed(&self, name: &str, reason: StoreError) -> Error {
        let place = if name.is_empty() { self.url.clone() } else { self.url.join(name) };
        Error::Store { place, reason }
    }

    fn write_record(&self) -> Result<(), Error> {
        let text = to_json(&*self.record());
        let put = self.bucket.put(&self.key, text.into(), &Expected::Anything);
        put.map(drop).map_err(|reason| self.failed(&self.key, reason))
    }

    /// Opens uploads for files that have none, and writes them down.
    fn open(&self, names: &[&str]) -> Result<(), Error> {
        let is_open = |name: &&str| self.record().uploads.iter().any(|(open, _)| open == name);
        let missing: Vec<&str> = names.iter().copied().filter(|name| !is_open(name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let opened = self.bucket.open_uploads(&missing).map_err(|reason| self.failed(missing[0], reason))?;
        let opened = missing.into_iter().map(str::to_owned).zip(opened);
        self.record().uploads.extend(opened);
        self.write_record()
    }

    /// Begins a file whose upload is open.
    fn begin(&self, name: &str) -> Result<NewObject, StoreError> {
        let id = self.record().uploads.iter().find(|(open, _)| open == name).map(|(_, id)| id.clone());
        let id = id.ok_or_else(|| StoreError::UploadGone(name.to_owned()))?;
        NewObject::new(&self.bucket, name, id, self.sent.clone())
    }

    /// The upload of a file whose parts have all been sent.
    fn upload(&self, name: &str) -> Option<Upload> {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.iter().rev().find(|(file, _)| file == name).map(|(_, upload)| upload.clone())
    }

    /// Completes the uploads of files, at once.
    fn publish(&self, files: &[(String, String)]) -> Result<(), Error> {
        let read = |(token, name): &(String, String)| {
            let upload: Upload = serde_json::from_str(token).map_err(|_| self.damaged_record())?;
            Ok((name.clone(), upload))
        };
        let uploads: Vec<(String, Upload)> = files.iter().map(read).collect::<Result<_, Error>>()?;
        let named: Vec<(&str, &Upload)> = uploads.iter().map(|(name, upload)| (&**name, upload)).collect();
        let completed = self.bucket.complete(&named).map_err(|reason| self.failed("", reason))?;
        for ((name, upload), was_open) in named.iter().zip(completed) {
            let is_there = || self.bucket.is_of_upload(name, upload).map_err(|reason| self.failed(name, reason));
            if !was_open && !is_there()? {
                return Err(self.failed("", StoreError::UploadGone((*name).to_owned())));
            }
        }
        self.record().uploads.retain(|(name, _)| !named.iter().any(|(done, _)| done == name));
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(())
    }

    /// Puts a manifest in the place of the one that it replaces: `expected`, or the one that is there if it is that.
    fn publish_manifest(
        &self,
        (token, name): &(String, String),
        conditions: Conditions,
        expected: Option<&Expected>,
    ) -> Result<(), Error> {
        let StagedManifest { text, replaces } = serde_json::from_str(token).map_err(|_| self.damaged_record())?;
        let failed = |reason| self.failed(name, reason);
        let expected = match expected {
            Some(expected) => expected.clone(),
            None => {
                let (bytes, there) = There::read(&self.bucket, conditions).map_err(failed)?;
                if bytes.is_some_and(|bytes| bytes == text.as_bytes()) {
                    return Ok(());
                }
                if there.checksum != replaces {
                    return Err(failed(StoreError::Raced));
                }
                there.expected
            }
        };
        match self.bucket.put(name, text.clone().into(), &expected).map_err(failed)? {
            Put::Done(version) => self.note(version),
            // The answer to the first attempt was lost, or somebody else has completed this commit.
            Put::Refused => match self.bucket.read_whole(name).map_err(failed)? {
                Some((bytes, version)) if bytes == text => self.note(version),
                _ => return Err(failed(StoreError::Raced)),
            },
        }
        Ok(())
    }

    fn note(&self, version: Version) {
        *self.put.lock().unwrap_or_else(PoisonError::into_inner) = Some(Expected::Version(version));
    }

    fn remove(&self, files: &[String]) -> Result<(), Error> {
        files.iter().try_for_each(|name| self.bucket.remove(name).map_err(|reason| self.failed(name, reason)))
    }

    /// Removes files of a run that is not this one. Of one that may be alive, nothing: it may have put others in their
    /// place since.
    fn remove_of(&self, files: &[String], leftovers: Leftovers) -> Result<(), Error> {
        match leftovers {
            Leftovers::Dropped => self.remove(files),
            Leftovers::Kept => Ok(()),
        }
    }

    /// Completes the commits that other runs have begun, as far as the manifest that they replace is there.
    fn recover(&self, leftovers: Leftovers, conditions: Conditions) -> Result<Option<Purpose>, Error> {
        let entries = self.bucket.entries(PRIVATE).map_err(|reason| self.failed(PRIVATE, reason))?;
        let mut completed = None;
        for (name, _) in entries.iter().filter(|(name, _)| is_record(name)) {
            let key = format!("{PRIVATE}/{name}");
            let read = self.bucket.read_whole(&key).map_err(|reason| self.failed(&key, reason))?;
            let Some((bytes, _)) = read.filter(|_| key != self.key) else { continue };
            let damaged = |error: serde_json::Error| Error::damaged(&self.url.join(&key), error.to_string());
            let record: Record = serde_json::from_slice(&bytes).map_err(damaged)?;
            if let Some(journal) = &record.journal
                && self.complete(journal, &key, conditions, leftovers)?
            {
                completed = Some(journal.purpose);
            }
            if leftovers == Leftovers::Dropped {
                self.bucket.abort(&record.uploads);
                self.bucket.remove(&key).map_err(|reason| self.failed(&key, reason))?;
            }
        }
        Ok(completed)
    }

    /// Completes a commit, unless other commits followed it or it was carried out. Returns whether it did.
    fn complete(
        &self,
        journal: &Journal,
        key: &str,
        conditions: Conditions,
        leftovers: Leftovers,
    ) -> Result<bool, Error> {
        if let Some(file) = journal.foreign_file() {
            let reason = format!("it names `{file}`, which is not below this URL");
            return Err(Error::damaged(&self.url.join(key), reason));
        }
        let is_due = || {
            let (token, _) = journal.renames.last()?;
            let staged: StagedManifest = serde_json::from_str(token).ok()?;
            let read = There::read(&self.bucket, Conditions::Kept);
            Some(read.map(|(bytes, there)| {
                let is_put = bytes.is_some_and(|bytes| bytes == staged.text.as_bytes());
                (is_put, there.checksum == staged.replaces)
            }))
        };
        let state = is_due().transpose().map_err(|reason| self.failed(MANIFEST, reason))?;
        match state.ok_or_else(|| self.damaged_record())? {
            (true, _) => self.remove_of(&journal.removals, leftovers).map(|()| false),
            (false, false) => Ok(false),
            (false, true) => match journal.complete(&OfDeadRun { run: self, conditions, leftovers }) {
                Ok(()) => Ok(true),
                // Its own process, or another one, has gone on meanwhile.
                Err(Error::Store { reason: StoreError::UploadGone(_) | StoreError::Raced, .. })
                    if is_due()
                        .transpose()
                        .is_ok_and(|state| state.is_some_and(|(is_put, is_due)| is_put || !is_due)) =>
                {
                    Ok(false)
                }
                // The store has dropped its uploads since: there will be no such commit.
                Err(Error::Store { reason: StoreError::UploadGone(_), .. }) if leftovers == Leftovers::Dropped => {
                    self.undo(journal).map(|()| false)
                }
                Err(error) => Err(error),
            },
        }
    }

    /// Undoes what was carried out of a commit that can't be completed: new shards are removed, and others cut to the
    /// length that the manifest tells. The card and the list of rejects are written again by the next commit.
    fn undo(&self, journal: &Journal) -> Result<(), Error> {
        let files = BucketFiles::new(&self.url, self.bucket.clone());
        let manifest = Manifest::read_from(&files)?;
        let (_, others) = journal.renames.split_last().ok_or_else(|| self.damaged_record())?;
        for (_, name) in others.iter().filter(|(_, name)| name.contains('/') && !name.starts_with(PRIVATE)) {
            let shard =
                manifest.iter().flat_map(|manifest| manifest.snapshot.shards()).find(|shard| shard.file == *name);
            let failed = |reason| self.failed(name, reason);
            match shard {
                None => self.bucket.remove(name).map_err(failed)?,
                Some(shard) => {
                    let there = files.open(name)?;
                    if there.len() > shard.bytes {
                        self.cut(name, &there, shard.bytes).map_err(|error| FormatError::Io {
                            action: "write",
                            path: self.url.join(name),
                            source: error,
                        })?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Makes a file what its first bytes are.
    fn cut(&self, name: &str, there: &Stored, bytes: u64) -> io::Result<()> {
        const PIECE: u64 = 8 << 20;
        let opened = self.bucket.open_uploads(&[name]).map_err(io::Error::other)?;
        let id = opened.into_iter().next().unwrap_or_default();
        let mut file = NewObject::new(&self.bucket, name, id, self.sent.clone()).map_err(io::Error::other)?;
        for start in (0..bytes).step_by(PIECE as usize) {
            let mut piece = vec![0; PIECE.min(bytes - start) as usize];
            there.read_at(start, &mut piece)?;
            let mut rest = &piece[..];
            while !rest.is_empty() {
                rest = &rest[file.write(rest)?..];
            }
            file.let_go(start);
        }
        file.finish()?;
        let upload = self.upload(name).ok_or_else(|| io::Error::other(StoreError::UploadGone(name.to_owned())))?;
        self.bucket.complete(&[(name, &upload)]).map(drop).map_err(io::Error::other)
    }

    fn damaged_record(&self) -> Error {
        Error::damaged(&self.url.join(&self.key), "it is no journal")
    }

    /// Drops the uploads that were not completed, unless a journal names them, and the record.
    fn drop_uploads(&self) {
        let record = std::mem::take(&mut *self.record());
        if record.journal.is_some() {
            return;
        }
        self.bucket.abort(&record.uploads);
        // What can't be removed now is removed by the next run.
        let _ = self.bucket.remove(&self.key);
    }
}

impl There {
    fn read(bucket: &Bucket, conditions: Conditions) -> Result<(Option<Vec<u8>>, There), StoreError> {
        Ok(match bucket.read_whole(MANIFEST)? {
            Some((bytes, version)) => {
                let expected = conditions.expect(Expected::Version(version));
                let there = There { expected, checksum: Some(Checksum::of(&bytes)) };
                (Some(bytes.into()), there)
            }
            None => (None, There { expected: conditions.expect(Expected::Absent), checksum: None }),
        })
    }
}

fn is_record(name: &str) -> bool {
    name.starts_with(RECORD)
}

/// Refuses a place without a dataset that is not empty.
fn refuse_foreign(bucket: &Bucket, url: &Path) -> Result<(), Error> {
    let is_foreign = |key: &str| key.split('/').next().is_some_and(|top| top != PRIVATE && !is_system(top.as_ref()));
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

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("it is made of texts")
}
