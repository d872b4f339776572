//! Images in object stores: every object below a prefix that is named as an image is a record.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::files::Files;
use super::found::{Found, FoundTable, Part, is_named_as_image};
use super::metadata;
use super::reading::Reading;
use super::record::Record;
use super::walk::extension_of;
use crate::error::{Error, RecordError, SourceError, StoreError};
use crate::remote::{Bucket, Fetches, Object};
use crate::run::StorageOptions;
use crate::spec::{Limits, Spec};

/// The objects below a URL.
#[derive(Debug)]
pub(super) struct RemoteFolder {
    url: PathBuf,
    fetches: Fetches,
    /// In the order of their keys; none before they are listed.
    objects: OnceLock<Vec<Object>>,
    /// When the store was last seen to answer.
    answered: Mutex<Instant>,
    failure: OnceLock<StoreError>,
}

/// How long a store may have been silent before it is asked whether it answers at all.
const SILENCE: Duration = Duration::from_secs(10);

impl RemoteFolder {
    /// Images asked for ahead of those in use.
    pub(super) const AHEAD: usize = Fetches::AHEAD;

    /// The objects below a URL. Sends no request.
    ///
    /// # Errors
    /// If it is no URL of a bucket, or a setting is wrong.
    pub(super) fn open(url: &Path, options: &StorageOptions) -> Result<RemoteFolder, Error> {
        let bucket = Bucket::open(&url.to_string_lossy(), options).map_err(|error| match error {
            // Not to be shown.
            StoreError::Secret => failed(Path::new("URL"), error),
            error => failed(url, error),
        })?;
        let fetches = Fetches::new(bucket);
        let (objects, answered, failure) = (OnceLock::new(), Mutex::new(Instant::now()), OnceLock::new());
        Ok(RemoteFolder { url: url.to_owned(), fetches, objects, answered, failure })
    }

    pub(super) fn url(&self) -> &Path {
        &self.url
    }

    /// Lists the objects, once.
    ///
    /// # Errors
    /// If the store can't be listed.
    pub(super) fn prepare(&self) -> Result<(), Error> {
        if self.objects.get().is_none() {
            let _reading = Reading::begin(&self.url);
            let objects = self.fetches.bucket().list().map_err(|error| failed(&self.url, error))?;
            let _ = self.objects.set(objects);
        }
        Ok(())
    }

    fn objects(&self) -> &[Object] {
        self.objects.get().map_or(&[], Vec::as_slice)
    }

    /// Number of objects; 0 before they are listed.
    pub(super) fn len(&self) -> u32 {
        self.objects().len() as u32
    }

    /// Length of an object in bytes.
    pub(super) fn length(&self, number: u32) -> Option<u64> {
        Some(self.objects().get(number as usize)?.bytes)
    }

    /// Adds the objects that are named as images, and tables. Object `n` gets the place `place + n`.
    ///
    /// # Errors
    /// If a table can't be read.
    pub(super) fn list(&self, found: &mut Found, place: u32, spec: &Spec) -> Result<(), Error> {
        let mut part = Part::of(&self.url, place..place + self.len());
        for (number, object) in (0..).zip(self.objects()) {
            let key = self.fetches.bucket().key(object);
            let extension = extension_of(key.as_ref());
            // The mark of a folder, which some tools leave.
            let is_mark = object.bytes == 0 && extension.is_empty() && !spec.any_name;
            if is_mark || key.split('/').any(|name| found.ignores(OsStr::new(name))) {
                continue;
            }
            if metadata::is_table(key.as_ref()) {
                let bytes = found.reads_tables.then(|| self.table(object, spec)).transpose();
                let bytes = bytes.map_err(|error| failed(&self.url.join(key), error))?;
                part.tables.push(FoundTable { below: key.to_owned(), bytes });
            } else if is_named_as_image(&extension, spec) {
                part.records.push(Record::new(key, place + number));
            } else {
                found.ignore_other(extension);
            }
        }
        found.parts.push(part);
        Ok(())
    }

    /// The bytes of a table, which are held in memory, within the limit of files.
    fn table(&self, object: &Object, spec: &Spec) -> Result<Vec<u8>, StoreError> {
        let limit = spec.limits.file_bytes.0;
        match object.bytes > limit {
            true => Err(StoreError::TableTooLarge { bytes: object.bytes, limit }),
            false => Ok(self.fetches.bucket().read(object)?.into()),
        }
    }

    /// Begins to read an object, unless too many are being read. Returns whether it did.
    pub(super) fn begin(&self, number: u32, limits: &Limits) -> bool {
        let object = self.objects().get(number as usize).filter(|object| fits(object, limits));
        object.is_none_or(|object| self.fetches.begin(number, object))
    }

    /// Adds an object to `files`. Returns whether there is room for another.
    pub(super) fn read(&self, number: u32, key: &str, limits: &Limits, files: &mut Files) -> bool {
        let Some(object) = self.objects().get(number as usize) else {
            return files.add(|_| Err(RecordError::NoFile));
        };
        // The run is about to end.
        if let Some(error) = self.failure.get() {
            return files.add(|_| Err(unreadable(error.clone())));
        }
        if !fits(object, limits) {
            let (bytes, limit) = (object.bytes, limits.file_bytes.0);
            return files.add(|_| Err(RecordError::FileTooLarge { bytes, limit }));
        }
        let (before, mut is_taken) = (files.len(), false);
        let has_room = files.add_range(&self.url.join(key), object.bytes, |buffer| {
            is_taken = true;
            let taken = self.fetches.take(number, object, |bytes| buffer.extend_from_slice(bytes));
            self.note(&taken);
            taken.map_err(unreadable)
        });
        // It needs more memory than there may be.
        if !is_taken && files.len() > before {
            self.fetches.give_up(number);
        }
        has_room
    }
}

impl RemoteFolder {
    /// Notes whether the store still answers: then it is the object that can't be read.
    fn note(&self, outcome: &Result<(), StoreError>) {
        let is_failure = match outcome {
            Err(error) if error.is_silence() => {
                // Held while the store is asked, so that one thread asks.
                let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
                let is_gone = || answered.elapsed() > SILENCE && !self.fetches.bucket().answers();
                if self.failure.get().is_some() || is_gone() {
                    true
                } else {
                    *answered = Instant::now();
                    false
                }
            }
            Err(error) => error.is_of_store(),
            Ok(()) => {
                *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
                false
            }
        };
        if let (true, Err(error)) = (is_failure, outcome) {
            let _ = self.failure.set(error.clone());
        }
    }

    /// Why the store can't be read any more.
    pub(super) fn failure(&self) -> Option<Error> {
        self.failure.get().map(|error| failed(&self.url, error.clone()))
    }
}

fn unreadable(error: StoreError) -> RecordError {
    match error {
        StoreError::Changed => RecordError::Changed,
        error => RecordError::Unreadable(std::io::Error::other(error)),
    }
}

fn fits(object: &Object, limits: &Limits) -> bool {
    object.bytes <= limits.file_bytes.0
}

fn failed(url: &Path, error: StoreError) -> Error {
    Error::source(url)(SourceError::Store(error))
}
