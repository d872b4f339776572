//! The bytes of an object that a source reads: parts of it are asked for ahead, within the room of all objects of a run.

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::bucket::{Bucket, Object};
use super::fetches::Fetches;
use super::health::Health;
use crate::error::StoreError;
use crate::format::ranges::Ranges;

/// Bytes at the end that are read together: the footers of most files, which are read in several steps.
const END: u64 = 64 << 10;

/// The bytes of an object that a source reads.
#[derive(Debug)]
pub(super) struct ObjectParts {
    pub(super) url: PathBuf,
    pub(super) bucket: Bucket,
    pub(super) object: Object,
    pub(super) fetches: Arc<Fetches>,
    pub(super) health: Arc<Health>,
    /// Its number among those that are read.
    owner: u64,
    /// The last bytes, once one of them was needed.
    end: Mutex<Option<Bytes>>,
}

impl ObjectParts {
    pub(super) fn new(
        url: PathBuf,
        bucket: Bucket,
        object: Object,
        fetches: Arc<Fetches>,
        health: Arc<Health>,
    ) -> ObjectParts {
        let owner = fetches.owner();
        ObjectParts { url, bucket, object, fetches, health, owner, end: Mutex::default() }
    }

    fn take(&self, range: &Range<u64>) -> Result<Bytes, StoreError> {
        // The run is about to end.
        if let Some((_, error)) = self.health.failure() {
            return Err(error.clone());
        }
        let key = (self.owner, range.start);
        let taken = self.fetches.take(key, &self.bucket, &self.object, Some(range), |bytes| bytes);
        self.health.note(&self.url, &self.bucket, &taken);
        taken
    }

    /// A range of the last bytes, which are read at once; none if it is not one.
    fn of_end(&self, range: &Range<u64>) -> Option<Result<Bytes, StoreError>> {
        let start = self.object.bytes.saturating_sub(END);
        // A small object that is read as a whole has been asked for.
        if range.start < start || *range == (0..self.object.bytes) {
            return None;
        }
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        if end.is_none() {
            match self.take(&(start..self.object.bytes)) {
                Ok(bytes) => *end = Some(bytes),
                Err(error) => return Some(Err(error)),
            }
        }
        let within = (range.start - start) as usize..(range.end - start) as usize;
        end.as_ref().map(|bytes| Ok(bytes.slice(within)))
    }
}

impl Ranges for ObjectParts {
    fn len(&self) -> u64 {
        self.object.bytes
    }

    fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        self.of_end(&range).unwrap_or_else(|| self.take(&range)).map_err(io::Error::other)
    }

    fn begin(&self, range: &Range<u64>) -> bool {
        let is_whole = *range == (0..self.object.bytes);
        let is_of_end = !is_whole && range.start >= self.object.bytes.saturating_sub(END);
        is_of_end || self.fetches.begin((self.owner, range.start), &self.bucket, &self.object, Some(range))
    }

    fn version(&self) -> Option<String> {
        self.object.tag().map(str::to_owned)
    }

    fn give_up(&self, range: &Range<u64>) {
        self.fetches.give_up((self.owner, range.start));
    }
}
