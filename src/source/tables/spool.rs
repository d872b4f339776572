//! Copies of images that can't be read at random where they are: one after another, in a file without a name.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use twox_hash::XxHash3_128;

use crate::error::Error;
use crate::format::ranges::Stored;

/// Length up to which the images of a thread are collected before they are written.
const BUFFER: u64 = 1 << 20;

/// A file of copies that several threads write.
#[derive(Debug)]
pub(super) struct Spool {
    file: Arc<File>,
    folder: PathBuf,
    /// Length of the file, with what is still to be written.
    length: AtomicU64,
    /// Bytes that were written.
    written: AtomicU64,
    /// Where those are that a table holds once for several rows.
    shared: Mutex<HashMap<(u128, usize), u64>>,
}

/// What a thread adds to a file of copies.
pub(super) struct Copies<'a> {
    spool: &'a Spool,
    /// Offset of the buffer in the file.
    at: u64,
    /// Bytes of the file from there on that are this thread's.
    room: u64,
    buffer: Vec<u8>,
}

impl Spool {
    /// An empty one in this folder.
    pub(super) fn new(folder: &Path) -> Result<Spool, Error> {
        let file = tempfile::tempfile_in(folder).map_err(Error::io("create a file in", folder))?;
        Ok(Spool {
            file: Arc::new(file),
            folder: folder.to_owned(),
            length: AtomicU64::default(),
            written: AtomicU64::default(),
            shared: Mutex::default(),
        })
    }

    /// What a thread adds.
    pub(super) fn copies(&self) -> Copies<'_> {
        Copies { spool: self, at: 0, room: 0, buffer: Vec::new() }
    }

    /// Length of all copies in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// The file.
    pub(super) fn file(&self) -> Stored {
        Stored::File(self.file.clone(), self.length.load(Ordering::Relaxed))
    }

    fn write(&self, bytes: &[u8], offset: u64) -> Result<(), Error> {
        let failed = |error: io::Error| Error::io("write a file in", &self.folder)(error).or_disk_full(0);
        self.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.file.write_all_at(bytes, offset).map_err(failed)
    }
}

impl Copies<'_> {
    /// Adds an image, and returns its offset.
    pub(super) fn add(&mut self, bytes: &[u8], is_shared: bool) -> Result<u64, Error> {
        // A small table can repeat a large image in all of its rows.
        let known = is_shared.then(|| (XxHash3_128::oneshot(bytes), bytes.len()));
        let shared = || self.spool.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(offset) = known.and_then(|known| shared().get(&known).copied()) {
            return Ok(offset);
        }
        let length = bytes.len() as u64;
        if length >= BUFFER {
            let offset = self.spool.length.fetch_add(length, Ordering::Relaxed);
            self.spool.write(bytes, offset)?;
            return Ok(offset);
        }
        if self.room < length {
            self.finish()?;
            self.room = BUFFER;
            self.at = self.spool.length.fetch_add(BUFFER, Ordering::Relaxed);
        }
        let offset = self.at + self.buffer.len() as u64;
        self.buffer.extend_from_slice(bytes);
        self.room -= length;
        if let Some(known) = known {
            self.spool.shared.lock().unwrap_or_else(PoisonError::into_inner).insert(known, offset);
        }
        Ok(offset)
    }

    /// Writes what was collected.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        self.spool.write(&self.buffer, self.at)?;
        self.buffer.clear();
        self.room = 0;
        Ok(())
    }
}
