//! The file that something is shown in.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, FormatError};

/// Bytes at the start of a file that tell whether it is one of ours.
const BEGINNING: u64 = 4096;

/// Checks that a file can be written, or replaced because `is_own` says so of the bytes at its start.
///
/// # Errors
/// If there is something else, or what is there can't be read.
pub(super) fn check(file: &Path, is_own: impl Fn(&[u8]) -> bool) -> Result<(), Error> {
    let kind = match fs::metadata(file) {
        Err(error) if error.kind() == ErrorKind::NotFound && fs::symlink_metadata(file).is_err() => return Ok(()),
        // A link to nothing.
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(Error::OtherFile(file.to_owned())),
        kind => kind.map_err(FormatError::io("read", file))?,
    };
    let mut beginning = Vec::new();
    if kind.is_file() {
        let read = File::open(file).and_then(|there| there.take(BEGINNING).read_to_end(&mut beginning));
        read.map_err(FormatError::io("read", file))?;
    }
    if kind.is_file() && is_own(&beginning) { Ok(()) } else { Err(Error::OtherFile(file.to_owned())) }
}

/// Writes a file, whole or not at all, if [`check`] allows it. Of a link, what it leads to is written.
///
/// # Errors
/// As [`check`], and if the file can't be written.
pub(super) fn written(file: &Path, bytes: &[u8], is_own: impl Fn(&[u8]) -> bool) -> Result<(), Error> {
    check(file, is_own)?;
    let target = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    Ok(replace(&target, bytes).map_err(FormatError::io("write", file))?)
}

fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder =
        file.parent().filter(|folder| !folder.as_os_str().is_empty()).map_or(PathBuf::from("."), Path::to_owned);
    // Says what is wrong without the name of a file that nobody asked for.
    fs::metadata(&folder)?;
    // What other new files have, less what the umask takes away.
    let permissions = Permissions::from_mode(0o666);
    let mut staged = tempfile::Builder::new().prefix(".inlaid-").permissions(permissions).tempfile_in(folder)?;
    staged.write_all(bytes)?;
    staged.persist(file).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_ours_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let is_own = |there: &[u8]| there.starts_with(b"own");
        let refused = |file: &Path| matches!(written(file, b"own 2", is_own), Err(Error::OtherFile(_)));
        written(&path("new"), b"own 1", is_own).unwrap();
        written(&path("new"), b"own 2", is_own).unwrap();
        assert_eq!(fs::read(path("new")).unwrap(), b"own 2");
        fs::write(path("other"), b"other").unwrap();
        std::os::unix::fs::symlink("nowhere", path("broken")).unwrap();
        std::os::unix::fs::symlink("new", path("link")).unwrap();
        assert!(refused(&path("other")) && refused(&path("broken")) && refused(folder.path()));
        assert!(refused(Path::new("/dev/full")) && refused(Path::new("/dev/zero")));
        written(&path("link"), b"own 3", is_own).unwrap();
        assert!(fs::symlink_metadata(path("link")).unwrap().is_symlink());
        assert_eq!(fs::read(path("new")).unwrap(), b"own 3");
    }
}
