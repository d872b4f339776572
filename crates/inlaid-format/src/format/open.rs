//! Opens files for reading: regular files, and without waiting. A pipe, a socket or a device in the place of a file
//! would otherwise block the process, or never end.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// Opens whatever is at `path` for reading, without waiting for a writer if it is a pipe.
///
/// # Errors
/// If the operating system refuses.
pub fn without_waiting(path: &Path) -> io::Result<File> {
    File::options().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)
}

/// Opens a regular file for reading.
///
/// # Errors
/// If it is not a regular file, or the operating system refuses.
pub fn regular(path: &Path) -> io::Result<File> {
    let file = without_waiting(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is not a regular file")),
    }
}

/// The bytes of a regular file.
///
/// # Errors
/// As [`regular`], or if it can't be read.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = regular(path)?;
    let mut bytes = Vec::with_capacity(file.metadata()?.len().min(1 << 24) as usize);
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}
