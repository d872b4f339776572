//! An object that is being written: sent in parts, several at once, while the bytes after them are made.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use object_store::PutPayload;
use object_store::path::Path;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::bucket::Bucket;
use super::told::told;
use super::writes::{Upload, step};
use crate::error::StoreError;
use crate::format::new_file::NewFile;
use crate::format::ranges::{Ranges, Stored};
use crate::format::shard::Checksum;

/// Length of every part but the last: more than the 5 MiB that stores ask for, and the same for all of them, as R2 asks.
const PART: usize = 8 << 20;

/// Parts that an upload may have.
const PARTS: usize = 10_000;

/// Parts of one upload that are sent at once.
const AT_ONCE: usize = 6;

/// Bytes at the end of which the checksum is kept.
const END: u64 = 64 << 10;

/// Uploads whose parts have all been sent, by the name of the file.
pub(crate) type Sent = Arc<Mutex<Vec<(String, Upload)>>>;

/// An object that is being written.
pub(crate) struct NewObject {
    bucket: Arc<Bucket>,
    path: Path,
    name: String,
    id: String,
    /// The part that is being filled.
    part: Vec<u8>,
    /// Bytes before it.
    before: u64,
    /// Full parts that may be read back, with their offsets.
    kept: VecDeque<(u64, Bytes)>,
    sending: Vec<JoinHandle<Result<String, StoreError>>>,
    slots: Arc<Semaphore>,
    sent: Sent,
}

impl NewObject {
    /// A file whose upload is open. Finished, it is in `sent`.
    ///
    /// # Errors
    /// If its name is no key.
    pub(crate) fn new(bucket: &Arc<Bucket>, name: &str, id: String, sent: Sent) -> Result<NewObject, StoreError> {
        Ok(NewObject {
            path: bucket.path_of(name)?,
            bucket: bucket.clone(),
            name: name.to_owned(),
            id,
            part: Vec::new(),
            before: 0,
            kept: VecDeque::new(),
            sending: Vec::new(),
            slots: Arc::new(Semaphore::new(AT_ONCE)),
            sent,
        })
    }

    /// Sends the part that is being filled. Waits while too many are under way.
    fn send(&mut self) -> io::Result<()> {
        if self.sending.len() == PARTS {
            return Err(io::Error::other(StoreError::TooManyParts));
        }
        step().map_err(io::Error::other)?;
        let bytes = Bytes::from(std::mem::take(&mut self.part));
        let slot = self.bucket.block_on(self.slots.clone().acquire_owned()).map_err(io::Error::other)?;
        let (store, path, id) = (self.bucket.writes().clone(), self.path.clone(), self.id.clone());
        let name = self.name.clone();
        let (number, payload) = (self.sending.len(), PutPayload::from(bytes.clone()));
        self.sending.push(self.bucket.runtime().spawn(async move {
            let sent = store.put_part(&path, &id, number, payload).await;
            drop(slot);
            sent.map(|part| part.content_id).map_err(|error| match told(&error) {
                StoreError::NotFound => StoreError::UploadGone(name),
                error => error,
            })
        }));
        self.kept.push_back((self.before, bytes));
        self.before += self.kept.back().map_or(0, |(_, bytes)| bytes.len() as u64);
        Ok(())
    }
}

impl NewFile for NewObject {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.part.capacity() == 0 {
            self.part.reserve_exact(PART);
        }
        let written = bytes.len().min(PART - self.part.len());
        self.part.extend_from_slice(&bytes[..written]);
        if self.part.len() == PART {
            self.send()?;
        }
        Ok(written)
    }

    fn let_go(&mut self, before: u64) {
        while self.kept.front().is_some_and(|(start, bytes)| start + bytes.len() as u64 <= before) {
            self.kept.pop_front();
        }
    }

    fn written(&self) -> io::Result<Stored> {
        let mut parts: Vec<(u64, Bytes)> = self.kept.iter().cloned().collect();
        parts.push((self.before, Bytes::copy_from_slice(&self.part)));
        Ok(Stored::Elsewhere(Arc::new(Kept { parts })))
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        // Read back afterwards.
        let last = self.part.clone();
        if !last.is_empty() || self.sending.is_empty() {
            self.send()?;
            self.before -= last.len() as u64;
            self.kept.pop_back();
            self.part = last;
        }
        let stored = self.written()?;
        let first = self.kept.front().map_or(self.before, |(start, _)| *start);
        let mut end = vec![0; (stored.len() - first).min(END) as usize];
        stored.read_at(stored.len() - end.len() as u64, &mut end)?;
        let tasks = std::mem::take(&mut self.sending).into_iter();
        let parts = tasks.map(|task| self.bucket.wait(task).flatten()).collect::<Result<_, _>>();
        let (id, parts) = (self.id.clone(), parts.map_err(io::Error::other)?);
        let (bytes, checksum) = (stored.len(), Checksum::of(&end));
        let upload = Upload { id, parts, bytes, end: end.len() as u64, checksum };
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push((self.name.clone(), upload));
        Ok(())
    }

    fn file(&self) -> Option<&File> {
        None
    }
}

impl fmt::Debug for NewObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewObject").field("name", &self.name).field("before", &self.before).finish_non_exhaustive()
    }
}

impl Drop for NewObject {
    fn drop(&mut self) {
        self.sending.iter().for_each(JoinHandle::abort);
    }
}

/// The last bytes of an object that is being written.
#[derive(Debug)]
struct Kept {
    /// With their offsets, without gaps.
    parts: Vec<(u64, Bytes)>,
}

impl Ranges for Kept {
    fn len(&self) -> u64 {
        self.parts.last().map_or(0, |(start, bytes)| start + bytes.len() as u64)
    }

    fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        let is_kept = self.parts.first().is_some_and(|(start, _)| *start <= range.start) && range.end <= self.len();
        if !is_kept {
            return Err(io::Error::other("bytes that were sent are not read back"));
        }
        let mut bytes = Vec::with_capacity((range.end - range.start) as usize);
        for (start, part) in &self.parts {
            let end = start + part.len() as u64;
            let within = range.start.clamp(*start, end) - start..range.end.clamp(*start, end) - start;
            bytes.extend_from_slice(&part[within.start as usize..within.end as usize]);
        }
        Ok(bytes.into())
    }
}
