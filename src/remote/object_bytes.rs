//! The bytes of an object, read by requests for ranges.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::task::JoinHandle;

use super::bucket::{Bucket, Object, get_range};
use crate::error::StoreError;
use crate::format::ranges::Ranges;

/// Requests at once for ranges of one object, and bytes that they may ask for together.
const REQUESTS: usize = 32;
const ROOM: u64 = 64 << 20;

/// Bytes at the end that are read together: the footers of most files, which are read in several steps.
const END: u64 = 64 << 10;

/// The bytes of an object. What was read is not kept, except ranges that were announced and not taken yet.
#[derive(Debug)]
pub(crate) struct ObjectBytes {
    bucket: Arc<Bucket>,
    object: Object,
    /// The last bytes, once one of them was needed.
    end: Mutex<Option<Bytes>>,
    /// Ranges that were asked for ahead, by their first byte, with their end.
    ahead: Mutex<Begun>,
}

/// Ranges that are being read, by their first byte, with their end.
type Begun = BTreeMap<u64, (u64, JoinHandle<Result<Bytes, StoreError>>)>;

impl ObjectBytes {
    pub(crate) fn new(bucket: Arc<Bucket>, object: Object) -> ObjectBytes {
        ObjectBytes { bucket, object, end: Mutex::default(), ahead: Mutex::default() }
    }

    /// A range of the last bytes, which are read at once; none if it is not one.
    fn of_end(&self, range: &Range<u64>) -> Option<Result<Bytes, StoreError>> {
        let start = self.object.bytes.saturating_sub(END);
        if range.start < start {
            return None;
        }
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        if end.is_none() {
            match self.bucket.wait(self.ask(start..self.object.bytes)).flatten() {
                Ok(bytes) => *end = Some(bytes),
                Err(error) => return Some(Err(error)),
            }
        }
        let within = (range.start - start) as usize..(range.end - start) as usize;
        end.as_ref().map(|bytes| Ok(bytes.slice(within)))
    }

    fn begun(&self) -> MutexGuard<'_, Begun> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, range: Range<u64>) -> JoinHandle<Result<Bytes, StoreError>> {
        let (store, object) = (self.bucket.store().clone(), self.object.clone());
        self.bucket.runtime().spawn(async move { get_range(&*store, &object, range).await })
    }
}

impl Ranges for ObjectBytes {
    fn len(&self) -> u64 {
        self.object.bytes
    }

    fn version(&self) -> Option<String> {
        self.object.version.as_deref().map(str::to_owned)
    }

    fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        if let Some(bytes) = self.of_end(&range) {
            return bytes.map_err(failed);
        }
        let asked = {
            let mut begun = self.begun();
            let is_asked = begun.get(&range.start).is_some_and(|(end, _)| *end == range.end);
            if is_asked { begun.remove(&range.start) } else { None }
        };
        let task = asked.map_or_else(|| self.ask(range), |(_, task)| task);
        self.bucket.wait(task).flatten().map_err(failed)
    }

    fn will_need(&self, ranges: &[Range<u64>]) {
        let mut begun = self.begun();
        let mut bytes: u64 = begun.iter().map(|(start, (end, _))| end - start).sum();
        for range in
            ranges.iter().filter(|range| !range.is_empty() && range.start < self.object.bytes.saturating_sub(END))
        {
            bytes = bytes.saturating_add(range.end - range.start);
            if begun.len() >= REQUESTS || bytes > ROOM {
                break;
            }
            begun.entry(range.start).or_insert_with(|| (range.end, self.ask(range.clone())));
        }
    }
}

/// An error of a store, of a kind that tells objects apart that are gone or another one.
fn failed(error: StoreError) -> io::Error {
    let kind = match error {
        StoreError::Changed => io::ErrorKind::StaleNetworkFileHandle,
        StoreError::NotFound | StoreError::NoBucket => io::ErrorKind::NotFound,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

impl Drop for ObjectBytes {
    fn drop(&mut self) {
        // Nobody else holds it, except in a fork.
        if let Ok(begun) = self.ahead.try_lock() {
            begun.values().for_each(|(_, task)| task.abort());
        }
    }
}
