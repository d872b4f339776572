//! The file that something is shown in.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::error::{Error, FormatError};

/// Writes a file, whole or not at all. What is there is replaced if `is_own` says so of its bytes.
///
/// # Errors
/// If there is something else, or the file can't be written.
pub(super) fn written(file: &Path, bytes: &[u8], is_own: impl Fn(&[u8]) -> bool) -> Result<(), Error> {
    match fs::read(file) {
        Ok(there) if !is_own(&there) => return Err(Error::OtherFile(file.to_owned())),
        _ => {}
    }
    Ok(replace(file, bytes).map_err(FormatError::io("write", file))?)
}

fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // What other new files have, less what the umask takes away.
    let permissions = Permissions::from_mode(0o666);
    let mut staged = tempfile::Builder::new().prefix(".inlaid-").permissions(permissions).tempfile_in(folder)?;
    staged.write_all(bytes)?;
    staged.persist(file).map_err(|error| error.error)?;
    Ok(())
}
