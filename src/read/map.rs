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
/// Whoever shortens a mapped file ends the process that reads it (SIGBUS). inlaid never does: it only
/// gives the names of its files to others.
pub(super) fn map(path: &Path) -> Result<Bytes, Error> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    if file.metadata().map_err(Error::io("read", path))?.len() == 0 {
        return Err(Error::damaged(path, "the file is empty"));
    }
    // SAFETY: the map is only read. Bytes that another process changes under it are read as pixels or
    // fail the checks of whoever parses them; no reference to anything but bytes is made from them.
    let map = unsafe { Mmap::map(&file) }.map_err(Error::io("map", path))?;
    Ok(Bytes::from_owner(map))
}
