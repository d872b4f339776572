//! Maps files into memory. The only unsafe code in the crate: without maps, reading would copy every
//! pixel once more (see `benches/reading.py`).

#![allow(unsafe_code)]

use std::fs::File;
use std::path::Path;

use bytes::Bytes;
use memmap2::Mmap;

use crate::error::Error;
use crate::format::open;

/// Maps a file, whose bytes can then be sliced without a copy. It stays mapped as long as any slice is alive.
///
/// A mapped file must not be changed in place: truncating it kills the process that reads it (SIGBUS), and text
/// and offsets are validated only once, when they are first read. inlaid itself never changes files in place: it
/// replaces them by renaming.
pub(super) fn map(path: &Path) -> Result<Bytes, Error> {
    map_file(&open::regular(path).map_err(Error::io("open", path))?, path)
}

/// Maps an open file; see [`map`].
pub(super) fn map_file(file: &File, path: &Path) -> Result<Bytes, Error> {
    if file.metadata().map_err(Error::io("read", path))?.len() == 0 {
        return Err(Error::damaged(path, "the file is empty"));
    }
    // SAFETY: the map is only read, and the documented contract is that nobody changes the file in place.
    // If pixels are changed all the same, only their values differ.
    let map = unsafe { Mmap::map(file) }.map_err(Error::io("map", path))?;
    Ok(Bytes::from_owner(map))
}
