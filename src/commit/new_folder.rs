//! A folder that appears whole or not at all: it is filled in a hidden folder beside its place, and
//! then renamed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::commit::abandoned::{hidden_name, remove_abandoned};
use crate::commit::lock::Lock;
use crate::commit::ownership::names_in;
use crate::commit::pending;
use crate::commit::staging::Staging;
use crate::dataset::names::is_system;
use crate::error::Error;
use crate::format::disk;

/// A folder that is being filled. Dropped without a commit, it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct NewFolder {
    place: PathBuf,
    /// Dropped before the lock, so that it is removed under the lock.
    staging: Staging,
    lock: Lock,
}

impl NewFolder {
    /// Claims the place of a folder that is missing or empty, and removes what a crash left beside it.
    ///
    /// # Errors
    /// If the folder is not empty, another process is filling it, or it can't be written to.
    pub(crate) fn claim(place: &Path) -> Result<NewFolder, Error> {
        if let Err(taken) = refuse_taken(place) {
            // What a run has left that was killed once its folder was in place.
            place.canonicalize().iter().for_each(|place| remove_abandoned(place));
            return Err(taken);
        }
        refuse_mount_point(place)?;
        let resolved = if place.exists() { place.canonicalize() } else { std::path::absolute(place) };
        let resolved = resolved.map_err(Error::io("find output folder", place))?;
        let (Some(parent), Some(name)) = (resolved.parent(), resolved.file_name()) else {
            return Err(Error::OutputTaken(place.to_owned()));
        };
        let hidden = parent.join(hidden_name(&name.to_string_lossy()));
        let lock = Lock::on_folder(&hidden, place)?;
        let folder = NewFolder { staging: Staging::in_hidden_folder(&hidden)?, place: resolved, lock };
        remove_abandoned(&folder.place);
        // Another process may have filled it before this one held the lock.
        refuse_taken(place)?;
        if let Ok(replaced) = folder.place.metadata() {
            // Somebody chose the permissions of the empty folder.
            fs::set_permissions(folder.path(), replaced.permissions()).map_err(Error::io("create", folder.path()))?;
        }
        Ok(folder)
    }

    /// Folder to be filled.
    pub(crate) fn path(&self) -> &Path {
        self.staging.path()
    }

    /// Creates the folder that the file of this name goes into.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub(crate) fn make_room(&self, name: &str) -> Result<(), Error> {
        match self.path().join(name).parent() {
            Some(folder) if !folder.exists() => Ok(disk::create_folder(folder)?),
            _ => Ok(()),
        }
    }

    /// Moves what a system left in the place into this folder, since only an empty folder can be replaced.
    fn take_over_system_files(&self) -> Result<(), Error> {
        for name in names_in(&self.place)? {
            let from = self.place.join(&name);
            fs::rename(&from, self.path().join(&name)).map_err(Error::io("move", &from))?;
        }
        Ok(())
    }

    /// Renames the folder into its place, once everything in it is on disk.
    ///
    /// # Errors
    /// If its place has been taken, or the operating system refuses.
    pub(crate) fn commit(mut self) -> Result<(), Error> {
        self.staging.sync()?;
        refuse_taken(&self.place)?;
        self.take_over_system_files()?;
        let _commit = pending::commit();
        // This replaces an empty folder.
        disk::rename(self.path(), &self.place).map_err(Error::io("create", &self.place))?;
        self.lock.keep_created();
        Ok(self.place.parent().map_or(Ok(()), disk::sync_folder)?)
    }
}

fn refuse_taken(place: &Path) -> Result<(), Error> {
    match names_in(place)?.iter().all(|name| is_system(name)) {
        true => Ok(()),
        false => Err(Error::OutputTaken(place.to_owned())),
    }
}

/// A folder that a file system is mounted on can't be replaced by renaming.
fn refuse_mount_point(place: &Path) -> Result<(), Error> {
    let device = |path: &Path| path.metadata().map(|metadata| metadata.dev()).ok();
    if place.exists() && device(place) != device(&place.join("..")) {
        return Err(Error::MountPoint(place.to_owned()));
    }
    Ok(())
}
