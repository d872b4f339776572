//! Objects that are being read before they are needed: many requests at once, bounded in number and in bytes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use super::bucket::{Bucket, Object, get};
use crate::error::StoreError;

/// Requests at once. An answer takes 20 to 100 ms, so these are more than a thousand a second.
const REQUESTS: usize = 128;

/// Bytes of objects that were asked for and not used yet, and the unit that they are counted in.
const ROOM: u64 = 256 << 20;
const UNIT: u64 = 1 << 10;

/// Objects that are being read before they are needed, by their number.
///
/// Nobody waits for room: an object that there is no room for is read when it is needed.
#[derive(Debug)]
pub(crate) struct Fetches {
    bucket: Bucket,
    room: Arc<Semaphore>,
    begun: Mutex<HashMap<u32, JoinHandle<Fetched>>>,
}

/// An object with its share of the room, or the reason that it could not be read.
type Fetched = Result<(Bytes, OwnedSemaphorePermit), StoreError>;

impl Fetches {
    /// Objects that may be begun before the first of them is needed.
    pub(crate) const AHEAD: usize = REQUESTS;

    pub(crate) fn new(bucket: Bucket) -> Fetches {
        Fetches { bucket, room: Arc::new(Semaphore::new((ROOM / UNIT) as usize)), begun: Mutex::default() }
    }

    pub(crate) fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// Begins to read an object, if there is room, and returns whether it is being read. It has to be taken, or
    /// given up, later.
    pub(crate) fn begin(&self, number: u32, object: &Object) -> bool {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if begun.contains_key(&number) {
            return true;
        }
        if begun.len() >= REQUESTS {
            return false;
        }
        let units = u32::try_from(object.bytes.div_ceil(UNIT).max(1)).unwrap_or(u32::MAX);
        let Ok(share) = self.room.clone().try_acquire_many_owned(units) else { return false };
        let (store, object) = (self.bucket.store().clone(), object.clone());
        let fetch = async move { Ok((get(&*store, &object).await?, share)) };
        begun.insert(number, self.bucket.runtime().spawn(fetch));
        true
    }

    /// Gives up an object that was begun, since it is not needed.
    pub(crate) fn give_up(&self, number: u32) {
        if let Some(task) = self.begun.lock().unwrap_or_else(PoisonError::into_inner).remove(&number) {
            task.abort();
        }
    }

    /// Waits for an object, and hands its bytes to `with`.
    ///
    /// # Errors
    /// If it can't be read, or has changed since it was listed.
    pub(crate) fn take<T>(&self, number: u32, object: &Object, with: impl FnOnce(&[u8]) -> T) -> Result<T, StoreError> {
        let task = self.begun.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
        match task {
            Some(task) => {
                let (bytes, _share) = self.bucket.wait(task)??;
                Ok(with(&bytes))
            }
            None => Ok(with(&self.bucket.read(object)?)),
        }
    }
}
