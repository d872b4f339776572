//! Images in object stores: every object below a prefix that is named as an image is a record.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::files::Files;
use super::found::{Found, FoundTable, Part, is_named_as_image};
use super::location::{Extent, Location, Version};
use super::metadata;
use super::reading::Reading;
use super::record::Record;
use super::walk::extension_of;
use crate::error::{Error, RecordError, SourceError, StoreError};
use crate::remote::{Below, Object, Stores};
use crate::spec::{Limits, Spec};

/// The objects below a URL.
#[derive(Debug)]
pub(super) struct RemoteFolder {
    url: PathBuf,
    stores: Arc<Stores>,
    /// None before they are listed.
    below: OnceLock<Listed>,
}

/// The objects, in the order of their keys.
#[derive(Debug)]
struct Listed {
    below: Arc<Below>,
    /// Number of the folder among those that read.
    owner: u64,
}

impl RemoteFolder {
    /// The objects below a URL. Sends no request.
    pub(super) fn new(url: PathBuf, stores: Arc<Stores>) -> RemoteFolder {
        RemoteFolder { url, stores, below: OnceLock::new() }
    }

    pub(super) fn url(&self) -> &Path {
        &self.url
    }

    /// Lists the objects, once.
    ///
    /// # Errors
    /// If the store can't be listed.
    pub(super) fn prepare(&self) -> Result<(), Error> {
        if self.below.get().is_none() {
            let _reading = Reading::begin(&self.url);
            let below = self.stores.below(&self.url)?;
            let owner = below.fetches.owner();
            let _ = self.below.set(Listed { below, owner });
        }
        Ok(())
    }

    fn below(&self) -> Option<&Below> {
        self.below.get().map(|listed| &*listed.below)
    }

    fn objects(&self) -> &[Object] {
        self.below().map_or(&[], |below| &below.objects)
    }

    /// What an object is begun and taken by.
    fn key(&self, number: u32) -> (u64, u64) {
        (self.below.get().map_or(0, |listed| listed.owner), number.into())
    }

    /// Number of objects; 0 before they are listed.
    pub(super) fn len(&self) -> u32 {
        self.objects().len() as u32
    }

    /// Length of an object in bytes.
    pub(super) fn length(&self, number: u32) -> Option<u64> {
        Some(self.objects().get(number as usize)?.bytes)
    }

    /// Where an object is.
    pub(super) fn locate(&self, number: u32, key: &str) -> Option<Location> {
        let object = self.objects().get(number as usize)?;
        let (of, bytes) = (version_of(object), object.bytes);
        Location::part(&self.url.join(key), Extent { of, offset: 0, bytes, packed: None })
    }

    /// What the objects were when they were listed.
    pub(super) fn versions(&self) -> impl Iterator<Item = Version> {
        self.objects().iter().map(version_of)
    }

    /// Adds the objects that are named as images, and tables. Object `n` gets the place `place + n`.
    ///
    /// # Errors
    /// If a table can't be read.
    pub(super) fn list(&self, found: &mut Found, place: u32, spec: &Spec) -> Result<(), Error> {
        let mut part = Part::of(&self.url, place..place + self.len());
        let Some(below) = self.below() else { return Ok(()) };
        for (number, object) in (0..).zip(&below.objects) {
            let key = below.bucket.key(object);
            let extension = extension_of(key.as_ref());
            // The mark of a folder, which some tools leave.
            let is_mark = object.bytes == 0 && extension.is_empty() && !spec.any_name;
            if is_mark
                || found.is_given(&self.url.join(key))
                || key.split('/').any(|name| found.ignores(OsStr::new(name)))
            {
                continue;
            }
            if metadata::is_table(key.as_ref()) {
                let bytes = found.reads_tables.then(|| table(below, object, spec)).transpose();
                let bytes = bytes.map_err(|error| failed(&self.url.join(key), error))?;
                part.tables.push(FoundTable { below: key.to_owned(), bytes });
            } else if is_named_as_image(&extension, spec) {
                part.records.push(Record::new(key, place + number));
            } else if !found.is_given(&self.url.join(key)) {
                found.ignore_other(extension);
            }
        }
        found.parts.push(part);
        Ok(())
    }

    /// Begins to read an object, unless too many are being read. Returns whether it did.
    pub(super) fn begin(&self, number: u32, limits: &Limits) -> bool {
        let object = self.objects().get(number as usize).filter(|object| fits(object, limits));
        let Some((object, below)) = object.zip(self.below()) else { return true };
        below.fetches.begin(self.key(number), &below.bucket, object, None)
    }

    /// Adds an object to `files`. Returns whether there is room for another.
    pub(super) fn read(&self, number: u32, key: &str, limits: &Limits, files: &mut Files) -> bool {
        let Some((object, below)) = self.objects().get(number as usize).zip(self.below()) else {
            return files.add(|_| Err(RecordError::NoFile));
        };
        // The run is about to end.
        if let Some((_, error)) = below.health.failure() {
            return files.add(|_| Err(unreadable(error.clone())));
        }
        if !fits(object, limits) {
            let (bytes, limit) = (object.bytes, limits.file_bytes.0);
            return files.add(|_| Err(RecordError::FileTooLarge { bytes, limit }));
        }
        let (before, mut is_taken) = (files.len(), false);
        let has_room = files.add_range(&self.url.join(key), object.bytes, |buffer| {
            is_taken = true;
            let append = |bytes: Bytes| buffer.extend_from_slice(&bytes);
            let taken = below.fetches.take(self.key(number), &below.bucket, object, None, append);
            below.health.note(&self.url, &below.bucket, &taken);
            taken.map_err(unreadable)
        });
        // It needs more memory than there may be.
        if !is_taken && files.len() > before {
            below.fetches.give_up(self.key(number));
        }
        has_room
    }
}

/// The bytes of a table, which are held in memory, within the limit of files.
fn table(below: &Below, object: &Object, spec: &Spec) -> Result<Vec<u8>, StoreError> {
    let limit = spec.limits.file_bytes.0;
    match object.bytes > limit {
        true => Err(StoreError::TableTooLarge { bytes: object.bytes, limit }),
        false => Ok(below.bucket.read(object)?.into()),
    }
}

fn version_of(object: &Object) -> Version {
    Version { bytes: object.bytes, modified: None, tag: object.tag().map(str::to_owned) }
}

fn unreadable(error: StoreError) -> RecordError {
    RecordError::unread(std::io::Error::other(error))
}

fn fits(object: &Object, limits: &Limits) -> bool {
    object.bytes <= limits.file_bytes.0
}

fn failed(url: &Path, error: StoreError) -> Error {
    Error::source(url)(SourceError::Store(error))
}
