//! The lock that makes this process the only writer of an output, with the folders that were created
//! for it. The operating system releases it when the process ends, however it ends.

use std::fs::{File, Metadata, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use crate::commit::created_folder::CreatedFolder;
use crate::error::{Error, FormatError};
use crate::format::disk;

/// A lock that this process holds. Dropped, it first removes the folders that were created for it,
/// unless they are kept: nobody else can hold the lock at that moment.
#[derive(Debug)]
pub(super) struct Lock {
    created: Option<CreatedFolder>,
    locked: File,
}

impl Lock {
    /// Locks the file at `path` and writes the holder's name into it. The file and the folders above it
    /// are created if they are missing.
    ///
    /// # Errors
    /// If another process is writing to `output`, or the operating system refuses.
    pub(super) fn on_file(path: &Path, output: &Path) -> Result<Lock, Error> {
        let folder = path.parent().expect("a lock file is in a folder");
        let created = CreatedFolder::ensure_parent(folder)?;
        let locked = acquire(path, folder, OFlags::RDWR | OFlags::CREATE, output)?;
        let mut lock = Lock { created, locked };
        if let Some(created) = &mut lock.created {
            created.lock_file = Some(path.to_owned());
        }
        lock.write_holder().map_err(Error::io("write", path))?;
        Ok(lock)
    }

    /// Locks the folder itself. It and the folders above it are created if they are missing.
    ///
    /// # Errors
    /// If another process is writing to `output`, or the operating system refuses.
    pub(super) fn on_folder(folder: &Path, output: &Path) -> Result<Lock, Error> {
        let created = folder.parent().map_or(Ok(None), CreatedFolder::ensure)?;
        let locked = acquire(folder, folder, OFlags::RDONLY | OFlags::DIRECTORY, output)?;
        Ok(Lock { created, locked })
    }

    /// Leaves the folders that were created for it where they are.
    pub(super) fn keep_created(&mut self) {
        if let Some(created) = &mut self.created {
            created.keep = true;
        }
    }

    /// Not into a file that has another name as well: it may be somebody else's.
    fn write_holder(&mut self) -> io::Result<()> {
        if self.locked.metadata()?.nlink() > 1 {
            return Ok(());
        }
        self.locked.set_len(0)?;
        self.locked.write_all(format!("{}\n", holder()).as_bytes())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // In this order: nobody else can hold the lock while the folders are removed.
        drop(self.created.take());
        // Closing the file would not do: a child that another thread of this process is just starting has it open too.
        let _ = self.locked.unlock();
    }
}

/// Opens and locks what is at `path`: a file in `folder`, or `folder` itself, which is created if it is missing.
/// Neither may be a link.
fn acquire(path: &Path, folder: &Path, flags: OFlags, output: &Path) -> Result<File, Error> {
    loop {
        if let Some(link) = [folder, path].into_iter().find(|path| path.is_symlink()) {
            return Err(FormatError::Link(link.to_owned()).into());
        }
        disk::create_folder(folder)?;
        let file = match open(path, folder, flags) {
            // A process that created the folder has failed and removed it again.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            file => file.map_err(Error::io("open", path))?,
        };
        match file.try_lock() {
            Ok(()) if is_at(&file, path) => return Ok(file),
            // Its holder removed it after it was opened here: locking it keeps nobody out.
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Locked { path: output.to_owned(), holder: read_holder(file) });
            }
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", path)(error)),
        }
    }
}

/// Opens a file in `folder`, or `folder` itself, if they are no links.
fn open(path: &Path, folder: &Path, flags: OFlags) -> io::Result<File> {
    let none = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::open(folder, OFlags::RDONLY | OFlags::DIRECTORY | none, Mode::empty())?;
    Ok(File::from(match path.file_name().filter(|_| path != folder) {
        Some(name) => rustix::fs::openat(opened, name, flags | OFlags::NONBLOCK | none, Mode::from_raw_mode(0o666))?,
        None => opened,
    }))
}

/// Whether `path` still names the open file or folder.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    let identity = |metadata: Metadata| (metadata.dev(), metadata.ino());
    let open = file.metadata().map(identity);
    open.is_ok_and(|open| path.symlink_metadata().is_ok_and(|named| identity(named) == open))
}

/// This process in words, as a lock names its holder.
pub(super) fn holder() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("process {} on host {host}", std::process::id())
}

/// Name of the process that holds the lock. A folder has none, nor has a file that was locked just now.
fn read_holder(mut file: File) -> String {
    let mut holder = String::new();
    let is_named = file.read_to_string(&mut holder).is_ok() && !holder.trim().is_empty();
    if is_named { holder.trim().to_owned() } else { "another process".to_owned() }
}
