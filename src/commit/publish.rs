//! A folder that appears whole or not at all: it is filled beside its place, in a hidden folder, and
//! renamed. A mark in the hidden folder says that whatever else is in it may be removed.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::commit::created_folder::CreatedFolder;
use crate::error::Error;
use crate::format::disk;

/// The mark.
const MARK: &str = "staging-of-inlaid";

/// What is filled.
const NEW: &str = "new";

/// A folder that is being filled. Dropped without a commit, it leaves nothing behind.
pub(crate) struct NewFolder {
    place: PathBuf,
    staging: PathBuf,
    new: PathBuf,
    /// The folders above, where they were missing.
    above: Option<CreatedFolder>,
    /// The staging folder, locked: the operating system releases it when the process ends.
    _lock: File,
}

impl NewFolder {
    /// Takes the place of a folder that is missing or empty, and removes what a crash has left beside it.
    ///
    /// # Errors
    /// If there is something, another process fills it, or it can't be written to.
    pub(crate) fn claim(place: &Path) -> Result<NewFolder, Error> {
        refuse_taken(place)?;
        refuse_mount_point(place)?;
        let resolved = match place.exists() {
            true => place.canonicalize(),
            false => std::path::absolute(place),
        };
        let resolved = resolved.map_err(Error::io("find output folder", place))?;
        let (Some(parent), Some(name)) = (resolved.parent(), resolved.file_name()) else {
            return Err(Error::OutputTaken(place.to_owned()));
        };
        let above = CreatedFolder::ensure(parent)?;
        let staging = parent.join(format!(".{}.inlaid", name.to_string_lossy()));
        let lock = lock(&staging, place)?;
        clear(&staging)?;
        let new = staging.join(NEW);
        let folder = NewFolder { place: resolved, staging, new, above, _lock: lock };
        disk::create_folder(&folder.new)?;
        if let Ok(there) = folder.place.metadata() {
            // The folder that is replaced was made for somebody.
            fs::set_permissions(&folder.new, there.permissions()).map_err(Error::io("create", &folder.new))?;
        }
        Ok(folder)
    }

    /// Where the folder is filled.
    pub(crate) fn path(&self) -> &Path {
        &self.new
    }

    /// Makes a folder for the file of this name below it.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub(crate) fn make_room(&self, name: &str) -> Result<(), Error> {
        match self.new.join(name).parent() {
            Some(folder) if !folder.exists() => Ok(disk::create_folder(folder)?),
            _ => Ok(()),
        }
    }

    /// Puts the folder in its place, with everything in it on disk.
    ///
    /// # Errors
    /// If something has come into its place, or the operating system refuses.
    pub(crate) fn commit(mut self) -> Result<(), Error> {
        sync_all_in(&self.new)?;
        refuse_taken(&self.place)?;
        // A folder that is empty is replaced.
        disk::rename(&self.new, &self.place).map_err(Error::io("create", &self.place))?;
        if let Some(above) = &mut self.above {
            above.keep = true;
        }
        Ok(self.place.parent().map_or(Ok(()), disk::sync_folder)?)
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        // What can't be removed now is removed by the next run.
        let _ = fs::remove_dir_all(&self.staging);
    }
}

fn refuse_taken(place: &Path) -> Result<(), Error> {
    match fs::read_dir(place) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(Error::OutputTaken(place.to_owned())),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("read output folder", place)(error)),
    }
}

/// A folder that another file system is mounted on can't be replaced by renaming.
fn refuse_mount_point(place: &Path) -> Result<(), Error> {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| path.metadata().map(|metadata| metadata.dev()).ok();
    match place.exists() && device(place) != device(&place.join("..")) {
        true => Err(Error::MountPoint(place.to_owned())),
        false => Ok(()),
    }
}

/// Makes the staging folder if it is missing, and locks it.
fn lock(staging: &Path, place: &Path) -> Result<File, Error> {
    loop {
        disk::create_folder(staging)?;
        let lock = match File::open(staging) {
            // A process that has failed has removed it again.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            lock => lock.map_err(Error::io("open", staging))?,
        };
        match lock.try_lock() {
            Ok(()) if is_at(&lock, staging) => return Ok(lock),
            // It has been removed by the process that had locked it.
            Ok(()) => refuse_taken(place)?,
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Locked { path: place.to_owned(), holder: "another process".to_owned() });
            }
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", staging)(error)),
        }
    }
}

/// Whether the open folder is the one that has this name.
fn is_at(folder: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    folder.metadata().ok().map(identity).is_some_and(|open| path.metadata().ok().map(identity) == Some(open))
}

fn entries(folder: &Path) -> Result<Vec<fs::DirEntry>, Error> {
    fs::read_dir(folder).and_then(|entries| entries.collect()).map_err(Error::io("read", folder))
}

/// Marks a staging folder, and removes what a crash has left in it.
fn clear(staging: &Path) -> Result<(), Error> {
    let mark = staging.join(MARK);
    if !mark.exists() {
        if !entries(staging)?.is_empty() {
            return Err(Error::ForeignFile(staging.to_owned()));
        }
        let marked = disk::write_file(&mark, b"").inspect_err(|_| {
            // Nothing else is in it.
            let _ = fs::remove_file(&mark);
            let _ = fs::remove_dir(staging);
        });
        return Ok(marked?);
    }
    match fs::remove_dir_all(staging.join(NEW)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", staging)(error)),
        _ => Ok(()),
    }
}

/// Brings the names of all files in a folder to disk, and of those in the folders below.
fn sync_all_in(folder: &Path) -> Result<(), Error> {
    for entry in entries(folder)? {
        if entry.path().is_dir() {
            sync_all_in(&entry.path())?;
        }
    }
    Ok(disk::sync_folder(folder)?)
}
