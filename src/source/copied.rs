//! Copies of what is in a store: in files without a name, which go with their owner.

use std::io;
use std::path::Path;

use crate::error::Error;
use crate::format::ranges::Stored;

/// A copy of what messages call `path`: in the folder `scratch`, or in that for temporary files.
///
/// # Errors
/// If it can't be read, or there is no room for the copy.
pub(super) fn copied(stored: &Stored, path: &Path, scratch: Option<&Path>) -> Result<Stored, Error> {
    let temporary = std::env::temp_dir();
    let folder = scratch.unwrap_or(&temporary);
    let full = |error| Error::io("copy sources into", folder)(error).or_disk_full(stored.len());
    let mut copy = tempfile::tempfile_in(folder).map_err(full)?;
    let (mut reader, mut chunk) = (stored.front_to_back().from(0), vec![0; CHUNK]);
    loop {
        let read = io::Read::read(&mut reader, &mut chunk).map_err(Error::io("read", path))?;
        if read == 0 {
            break;
        }
        io::Write::write_all(&mut copy, &chunk[..read]).map_err(full)?;
    }
    Stored::of_file(copy).map_err(full)
}

/// Bytes that are copied at a time.
const CHUNK: usize = 1 << 20;
