//! The lock on an output folder.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::path::Path;

use crate::dataset::names::LOCK;
use crate::error::Error;
use crate::format::disk;

/// Makes inlaid's own folder if it is missing, and takes the lock in it.
pub(super) fn lock(folder: &Path, private: &Path) -> Result<File, Error> {
    let path = private.join(LOCK);
    loop {
        disk::create_folder(private)?;
        let file = match File::options().read(true).write(true).create(true).truncate(false).open(&path) {
            // A process that made the folder and failed has removed it again.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => continue,
            file => file.map_err(Error::io("open", &path))?,
        };
        let file = try_lock(file, folder, &path)?;
        // The same process may have removed the lock file that was opened here: it locks nothing.
        if !is_removed(&file) {
            return Ok(file);
        }
    }
}

/// Whether the file was removed after it was opened.
fn is_removed(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
}

/// Locks the file and writes into it who has locked it.
fn try_lock(mut file: File, folder: &Path, path: &Path) -> Result<File, Error> {
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let named = file.read_to_string(&mut holder).is_ok() && !holder.trim().is_empty();
            let holder = if named { holder.trim().to_owned() } else { "another process".to_owned() };
            return Err(Error::Locked { path: folder.to_owned(), holder });
        }
        Err(TryLockError::Error(error)) => return Err(Error::io("lock", path)(error)),
    }
    let holder = format!("process {} on host {}\n", std::process::id(), host_name());
    file.set_len(0).and_then(|()| file.write_all(holder.as_bytes())).map_err(Error::io("write", path))?;
    Ok(file)
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
