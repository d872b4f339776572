//! Objects, and parts of them, that are being read before they are needed: many requests at once, bounded in number and
//! in bytes.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use super::bucket::{Bucket, Object, get, get_range};
use crate::error::StoreError;

/// Requests at once. An answer takes 20 to 100 ms, so these are more than a thousand a second.
const REQUESTS: usize = 128;

/// Bytes of objects that were asked for and not used yet, and the unit that they are counted in.
const ROOM: u64 = 256 << 20;
const UNIT: u64 = 1 << 10;

/// What is being read before it is needed, of all sources of a run.
///
/// Nobody waits for room: what there is no room for is read when it is needed.
#[derive(Debug)]
pub(crate) struct Fetches {
    room: Arc<Semaphore>,
    begun: Mutex<HashMap<Key, Begun>>,
    owners: AtomicU64,
}

/// Whoever reads, and the number of an object of theirs, or the first byte of a part.
pub(crate) type Key = (u64, u64);

/// A request that was sent.
#[derive(Debug)]
struct Begun {
    /// The end of a part; none if it is a whole object.
    end: Option<u64>,
    task: JoinHandle<Fetched>,
}

/// Bytes with their share of the room, or the reason that they could not be read.
type Fetched = Result<(Bytes, OwnedSemaphorePermit), StoreError>;

impl Fetches {
    /// Objects that may be begun before the first of them is needed.
    pub(crate) const AHEAD: usize = REQUESTS;

    pub(super) fn new() -> Fetches {
        let room = Arc::new(Semaphore::new((ROOM / UNIT) as usize));
        Fetches { room, begun: Mutex::default(), owners: AtomicU64::default() }
    }

    /// A number that nobody else has.
    pub(crate) fn owner(&self) -> u64 {
        self.owners.fetch_add(1, Ordering::Relaxed)
    }

    fn begun(&self) -> MutexGuard<'_, HashMap<Key, Begun>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to read an object or a part of it, if there is room, and returns whether it is being read. It has to be
    /// taken, or given up, later.
    pub(crate) fn begin(&self, key: Key, bucket: &Bucket, object: &Object, part: Option<&Range<u64>>) -> bool {
        let mut begun = self.begun();
        if let Some(same) = begun.get(&key) {
            return same.end == part.map(|part| part.end);
        }
        if begun.len() >= REQUESTS {
            return false;
        }
        let bytes = part.map_or(object.bytes, |part| part.end - part.start);
        let units = u32::try_from(bytes.div_ceil(UNIT).max(1)).unwrap_or(u32::MAX);
        let Ok(share) = self.room.clone().try_acquire_many_owned(units) else { return false };
        let (store, object, part) = (bucket.store().clone(), object.clone(), part.cloned());
        let end = part.as_ref().map(|part| part.end);
        let fetch = async move {
            let bytes = match part {
                Some(part) => get_range(&*store, &object, part).await?,
                None => get(&*store, &object).await?,
            };
            Ok((bytes, share))
        };
        begun.insert(key, Begun { end, task: bucket.runtime().spawn(fetch) });
        true
    }

    /// Gives up what was begun, since it is not needed.
    pub(crate) fn give_up(&self, key: Key) {
        if let Some(begun) = self.begun().remove(&key) {
            begun.task.abort();
        }
    }

    /// Waits for an object or a part of it, and hands its bytes to `with`.
    ///
    /// # Errors
    /// If it can't be read, or has changed since it was listed.
    pub(crate) fn take<T>(
        &self,
        key: Key,
        bucket: &Bucket,
        object: &Object,
        part: Option<&Range<u64>>,
        with: impl FnOnce(Bytes) -> T,
    ) -> Result<T, StoreError> {
        let begun = {
            let mut begun = self.begun();
            let is_same = begun.get(&key).is_some_and(|begun| begun.end == part.map(|part| part.end));
            if is_same { begun.remove(&key) } else { None }
        };
        match (begun, part) {
            (Some(begun), _) => {
                let (bytes, _share) = bucket.wait(begun.task)??;
                Ok(with(bytes))
            }
            (None, Some(part)) => Ok(with(bucket.read_range(object, part.clone())?)),
            (None, None) => Ok(with(bucket.read(object)?)),
        }
    }
}
