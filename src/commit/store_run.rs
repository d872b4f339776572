//! A run that writes below a URL: the uploads that it has opened, written down in an object of its own together with the
//! commit that it is making, so that the next run completes that commit, or undoes it, and drops the uploads.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::commit::journal::{Journal, Purpose};
use crate::commit::lease::Conditions;
use crate::commit::ownership::small_files;
use crate::commit::store::Steps;
use crate::dataset::manifest::Manifest;
use crate::dataset::names::{MANIFEST, PRIVATE};
use crate::error::{Error, FormatError, StoreError};
use crate::format::files::Files;
use crate::format::new_file::NewFile;
use crate::format::ranges::Stored;
use crate::format::shard::Checksum;
use crate::remote::{Bucket, BucketFiles, Expected, NewObject, Put, Sent, Upload, Version, at_once};

/// What names of the records of runs begin with, below the private folder.
const RECORD: &str = "run-";

/// What this process has opened and not completed.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) bucket: Arc<Bucket>,
    url: PathBuf,
    /// Key of its record.
    key: String,
    record: Mutex<Record>,
    sent: Sent,
    /// The manifest that was put last.
    pub(super) put: Mutex<Option<Expected>>,
}

/// The record of a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Record {
    /// Open uploads: name of the file, and what the store calls the upload.
    uploads: Vec<(String, String)>,
    /// The commit that is being made.
    pub(super) journal: Option<Journal>,
}

/// The manifest that is in its place.
#[derive(Clone, Debug)]
pub(super) struct There {
    pub(super) expected: Expected,
    /// Checksum of its text; none if there is none.
    pub(super) checksum: Option<Checksum>,
}

/// What a journal calls the manifest.
#[derive(Serialize, Deserialize)]
pub(super) struct StagedManifest {
    pub(super) text: String,
    /// Checksum of the text of the manifest that it replaces; none if there is none.
    pub(super) replaces: Option<Checksum>,
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

/// What became of the commits of other runs.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    /// What the last one that was completed was for.
    pub(super) completed: Option<Purpose>,
    /// Files of one that can't be completed yet, as far as they are in their places.
    pub(super) pending: Vec<String>,
}

/// What becomes of a commit that another run has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Completed,
    /// There is nothing to complete, any more.
    Void,
    /// It can't be completed yet.
    Pending,
}

/// What becomes of the uploads and the record of a run that is not this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leftovers {
    /// The run has died, or its lease was taken over.
    Dropped,
    /// The run may be alive.
    Kept,
}

impl Run {
    pub(super) fn new(bucket: Arc<Bucket>, url: &Path, owner: &str) -> Run {
        let key = format!("{PRIVATE}/{RECORD}{owner}.json");
        Run { bucket, url: url.to_owned(), key, record: Mutex::default(), sent: Sent::default(), put: Mutex::default() }
    }

    pub(super) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The error of a step on a file; the empty name is the dataset.
    pub(super) fn failed(&self, name: &str, reason: StoreError) -> Error {
        let place = if name.is_empty() { self.url.clone() } else { self.url.join(name) };
        Error::Store { place, reason }
    }

    pub(super) fn write_record(&self) -> Result<(), Error> {
        let text = to_json(&*self.record());
        let put = self.bucket.put(&self.key, text.into(), &Expected::Anything);
        put.map(drop).map_err(|reason| self.failed(&self.key, reason))
    }

    /// Opens uploads for files that have none, and writes them down.
    pub(super) fn open(&self, names: &[&str]) -> Result<(), Error> {
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
    pub(super) fn begin(&self, name: &str) -> Result<NewObject, StoreError> {
        let id = self.record().uploads.iter().find(|(open, _)| open == name).map(|(_, id)| id.clone());
        let id = id.ok_or_else(|| StoreError::UploadGone(name.to_owned()))?;
        NewObject::new(&self.bucket, name, id, self.sent.clone())
    }

    /// The upload of a file whose parts have all been sent.
    pub(super) fn upload(&self, name: &str) -> Option<Upload> {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.iter().rev().find(|(file, _)| file == name).map(|(_, upload)| upload.clone())
    }

    /// Completes the uploads of files, at once.
    pub(super) fn publish(&self, files: &[(String, String)]) -> Result<(), Error> {
        let read = |(token, name): &(String, String)| {
            let upload: Upload = serde_json::from_str(token).map_err(|_| self.damaged_record())?;
            Ok((name.clone(), upload))
        };
        let uploads: Vec<(String, Upload)> = files.iter().map(read).collect::<Result<_, Error>>()?;
        let named: Vec<(&str, &Upload)> = uploads.iter().map(|(name, upload)| (&**name, upload)).collect();
        let completed = self.bucket.complete(&named).map_err(|reason| self.failed("", reason))?;
        // Those that are open are completed, also if others are gone.
        let closed: Vec<(&str, &Upload)> =
            named.iter().zip(completed).filter(|(_, was_open)| !was_open).map(|(named, _)| *named).collect();
        at_once(&closed, |(name, upload)| {
            let is_there = self.bucket.is_of_upload(name, upload).map_err(|reason| self.failed(name, reason))?;
            if is_there { Ok(()) } else { Err(self.failed("", StoreError::UploadGone((*name).to_owned()))) }
        })?;
        self.record().uploads.retain(|(name, _)| !named.iter().any(|(done, _)| done == name));
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(())
    }

    /// Puts a manifest in the place of the one that it replaces: `expected`, or the one that is there if it is that.
    pub(super) fn publish_manifest(
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

    pub(super) fn remove(&self, files: &[String]) -> Result<(), Error> {
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
    pub(super) fn recover(&self, leftovers: Leftovers, conditions: Conditions) -> Result<Recovered, Error> {
        let entries = self.bucket.entries(PRIVATE).map_err(|reason| self.failed(PRIVATE, reason))?;
        let mut recovered = Recovered::default();
        for (name, _) in entries.iter().filter(|(name, _)| is_record(name)) {
            let key = format!("{PRIVATE}/{name}");
            let read = self.bucket.read_whole(&key).map_err(|reason| self.failed(&key, reason))?;
            let Some((bytes, _)) = read.filter(|_| key != self.key) else { continue };
            let damaged = |error: serde_json::Error| Error::damaged(&self.url.join(&key), error.to_string());
            let record: Record = serde_json::from_slice(&bytes).map_err(damaged)?;
            if let Some(journal) = &record.journal {
                match self.complete(journal, &key, conditions, leftovers)? {
                    Fate::Completed => recovered.completed = Some(journal.purpose),
                    Fate::Void => {}
                    Fate::Pending => {
                        recovered.pending.extend(journal.renames.iter().map(|(_, name)| name.clone()));
                        continue;
                    }
                }
            }
            if leftovers == Leftovers::Dropped {
                self.bucket.abort(&record.uploads);
                self.bucket.remove(&key).map_err(|reason| self.failed(&key, reason))?;
            }
        }
        Ok(recovered)
    }

    /// Completes a commit, unless other commits followed it or it was carried out.
    fn complete(
        &self,
        journal: &Journal,
        key: &str,
        conditions: Conditions,
        leftovers: Leftovers,
    ) -> Result<Fate, Error> {
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
            (true, _) => self.remove_of(&journal.removals, leftovers).map(|()| Fate::Void),
            // Another commit has taken the place of that of a plan, whose shards may be in theirs.
            (false, false) if journal.purpose == Purpose::Plan && leftovers == Leftovers::Dropped => {
                self.undo(journal).map(|()| Fate::Void)
            }
            (false, false) => Ok(Fate::Void),
            (false, true) => match journal.complete(&OfDeadRun { run: self, conditions, leftovers }) {
                Ok(()) => Ok(Fate::Completed),
                // Its own process, or another one, has gone on meanwhile.
                Err(Error::Store { reason: StoreError::UploadGone(_) | StoreError::Raced, .. })
                    if is_due()
                        .transpose()
                        .is_ok_and(|state| state.is_some_and(|(is_put, is_due)| is_put || !is_due)) =>
                {
                    Ok(Fate::Void)
                }
                // The store has dropped a shard since. It is made again, the others are in their places.
                Err(Error::Store { reason: StoreError::UploadGone(_), .. }) if journal.purpose == Purpose::Plan => {
                    Ok(Fate::Pending)
                }
                // The store has dropped its uploads since: there will be no such commit.
                Err(Error::Store { reason: StoreError::UploadGone(_), .. }) if leftovers == Leftovers::Dropped => {
                    self.undo(journal).map(|()| Fate::Void)
                }
                Err(error) => Err(error),
            },
        }
    }

    /// Undoes what was carried out of a commit that can't be completed: new shards are removed, and others cut to the
    /// length that the manifest tells. Small files that it has are written again by the next commit.
    fn undo(&self, journal: &Journal) -> Result<(), Error> {
        let files = BucketFiles::new(&self.url, self.bucket.clone());
        let manifest = Manifest::read_from(&files)?;
        let (_, others) = journal.renames.split_last().ok_or_else(|| self.damaged_record())?;
        let has = |name: &str| manifest.iter().flat_map(small_files).any(|file| file == name);
        let is_undone = |name: &str| !name.starts_with(PRIVATE) && (name.contains('/') || !has(name));
        for (_, name) in others.iter().filter(|(_, name)| is_undone(name)) {
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
    pub(super) fn drop_uploads(&self) {
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
    pub(super) fn read(bucket: &Bucket, conditions: Conditions) -> Result<(Option<Vec<u8>>, There), StoreError> {
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

pub(super) fn is_record(name: &str) -> bool {
    name.starts_with(RECORD)
}

pub(super) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("it is made of texts")
}
