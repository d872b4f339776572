//! Files mapped into memory. The only unsafe code of the crate: a map is the difference between
//! reading at the speed of memory and copying every pixel once more (see `benches/reading.py`).

#![allow(unsafe_code)]

use std::fs::File;
use std::path::Path;

use bytes::Bytes;
use memmap2::Mmap;

use crate::error::Error;

/// Maps a file, to be sliced without a copy. It stays mapped as long as a slice of it lives.
///
/// Nobody may change a mapped file in place: whoever shortens it ends the process that reads it (SIGBUS),
/// and texts and offsets are checked once, when they are read first. inlaid never does: it only gives the
/// names of its files to others.
pub(super) fn map(path: &Path) -> Result<Bytes, Error> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    if file.metadata().map_err(Error::io("read", path))?.len() == 0 {
        return Err(Error::damaged(path, "the file is empty"));
    }
    // SAFETY: the map is only read, and the caller's contract is that nobody changes the file in place.
    // Pixels that are changed all the same are other pixels.
    let map = unsafe { Mmap::map(&file) }.map_err(Error::io("map", path))?;
    Ok(Bytes::from_owner(map))
}
