//! Maps files into memory. The only unsafe code in the crate: without maps, reading would copy every
//! pixel once more (see `benches/reading.py`).

#![allow(unsafe_code)]

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use memmap2::Mmap;

use crate::error::Error;
use crate::format::open;

/// A mapped file. It stays mapped as long as any slice is alive.
///
/// A mapped file must not be changed in place: truncating it kills the process that reads it (SIGBUS), and text
/// and offsets are validated only once, when they are first read. inlaid itself never changes files in place: it
/// replaces them by renaming.
#[derive(Clone)]
pub(super) struct Map {
    bytes: Bytes,
    map: Arc<Mmap>,
    /// The end of what has been read ahead.
    ahead: Arc<AtomicUsize>,
}

impl Map {
    /// Maps a file, whose bytes can then be sliced without a copy.
    pub(super) fn open(path: &Path) -> Result<Map, Error> {
        let file = open::regular(path).map_err(Error::io("open", path))?;
        if file.metadata().map_err(Error::io("read", path))?.len() == 0 {
            return Err(Error::damaged(path, "the file is empty"));
        }
        // SAFETY: the map is only read, and the documented contract is that nobody changes the file in place.
        // If pixels are changed all the same, only their values differ.
        let map = Arc::new(unsafe { Mmap::map(&file) }.map_err(Error::io("map", path))?);
        Ok(Map { bytes: Bytes::from_owner(Shared(map.clone())), map, ahead: Arc::default() })
    }

    /// All bytes, up to where the map was limited.
    pub(super) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Limits the map to its first `length` bytes.
    pub(super) fn truncate(&mut self, length: usize) {
        self.bytes.truncate(length);
    }

    /// Makes a long range ready that is about to be read for the first time, in one system call: else each 64 KiB of it
    /// are a page fault. Goes by the order of the file; rows in another order are short.
    pub(super) fn prepare(&self, range: Range<usize>) {
        const LONG: usize = 256 << 10;
        if range.len() < LONG || self.ahead.load(Ordering::Relaxed) > range.start {
            return;
        }
        self.ahead.fetch_max(range.end, Ordering::Relaxed);
        // A system that can't do it reads page by page; one that finds the file truncated says so when it is read.
        #[cfg(target_os = "linux")]
        let _ = self.map.advise_range(memmap2::Advice::PopulateRead, range.start, range.len());
        #[cfg(not(target_os = "linux"))]
        let _ = (&self.map, range);
    }
}

/// The map as the owner of slices.
struct Shared(Arc<Mmap>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
