//! A folder on a disk as the store of a dataset: files are staged in a folder inside it and renamed into place.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::commit::abandoned::remove_abandoned;
use crate::commit::journal::{Journal, PLACE};
use crate::commit::lock::Lock;
use crate::commit::ownership::check;
use crate::commit::staging::Staging;
use crate::commit::store::{Claimed, Steps, Store};
use crate::dataset::names::{LOCK, PRIVATE};
use crate::error::Error;
use crate::format::beneath::Beneath;
use crate::format::disk;
use crate::format::files::{Files, Folder};
use crate::format::new_file::{DiskFile, NewFile};
use crate::format::shard::shares_blocks;
use crate::spec::Split;

/// A folder that only this process writes to.
#[derive(Debug)]
pub(super) struct FolderStore {
    folder: PathBuf,
    files: Arc<dyn Files>,
    /// The same folder: here no link is followed.
    beneath: Beneath,
    /// Dropped before the lock, so that it is removed under the lock.
    staging: Staging,
    lock: Lock,
}

impl FolderStore {
    /// Claims a folder; see [`claim`](super::store::claim).
    ///
    /// # Errors
    /// If it holds anything but a dataset, another process is writing to it, or it can't be written to.
    pub(super) fn claim(folder: &Path) -> Result<Claimed, Error> {
        check(folder)?;
        let private = folder.join(PRIVATE);
        let mut lock = Lock::on_file(&private.join(LOCK), folder)?;
        let beneath = Beneath::open(folder)?;
        for split in Split::ALL {
            beneath.check_folder(split.as_str())?;
        }
        let completed = Journal::recover(&beneath)?;
        let staging = Staging::in_private_folder(&private)?;
        folder.canonicalize().iter().for_each(|output| remove_abandoned(output));
        // The folder may have changed before this process held the lock.
        let manifest = check(folder)?;
        if manifest.is_some() {
            lock.keep_created();
        }
        for folder in Split::ALL.iter().map(|split| split.as_str()).chain([PRIVATE]) {
            disk::create_folder(&staging.path().join(folder))?;
        }
        // No journal may be on disk without the folder of what it names.
        beneath.sync_folder(PRIVATE)?;
        let files: Arc<dyn Files> = Arc::new(Folder(folder.to_owned()));
        let store = FolderStore { folder: folder.to_owned(), files, beneath, staging, lock };
        Ok(Claimed { store: Box::new(store), manifest, completed })
    }
}

impl Store for FolderStore {
    fn files(&self) -> &Arc<dyn Files> {
        &self.files
    }

    /// The staging folder, which has the layout of the dataset's folder.
    fn scratch(&self) -> &Path {
        self.staging.path()
    }

    fn shares_blocks(&self) -> bool {
        let file = || tempfile::tempfile_in(self.scratch());
        let files = file().and_then(|from| Ok((from, file()?)));
        files.is_ok_and(|(from, to)| shares_blocks(&from, &to))
    }

    fn create(&self, name: &str) -> Result<Box<dyn NewFile>, Error> {
        Ok(DiskFile::create(&self.staging.path().join(name))?)
    }

    fn stage(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.staging.write(name, bytes)
    }

    fn refuse_overwriting(&self, staged: &[String], old: &[String]) -> Result<(), Error> {
        for file in staged.iter().chain(old) {
            let target = self.folder.join(file);
            let Ok(found) = target.symlink_metadata() else { continue };
            // No file can be renamed into the place of a folder, and no step of a commit may fail for such a reason.
            if found.is_dir() || !old.contains(file) && !file.starts_with(PRIVATE) {
                return Err(Error::ForeignFile(target));
            }
        }
        Ok(())
    }

    fn settle(&self) -> Result<(), Error> {
        self.staging.sync()?;
        // The name of the private folder.
        Ok(self.beneath.sync_folder("")?)
    }

    fn staged(&self, name: &str) -> String {
        format!("{PRIVATE}/{}/{name}", self.staging.name())
    }

    fn begin_commit(&mut self, journal: &Journal) -> Result<(), Error> {
        journal.write(&self.staging, &self.beneath)?;
        self.lock.keep_created();
        self.staging.keep = true;
        Ok(self.beneath.sync_folder(PRIVATE)?)
    }

    fn steps(&self) -> &dyn Steps {
        &self.beneath
    }

    fn end_commit(&mut self) -> Result<(), Error> {
        self.staging.keep = false;
        // Or a power failure might bring the journal back, beside what the next commit stages in its place.
        Ok(self.beneath.sync_folder(PRIVATE)?)
    }
}

impl Steps for Beneath {
    fn publish(&self, files: &[(String, String)], merged: &BTreeMap<String, Vec<String>>) -> Result<(), Error> {
        for (from, to) in files {
            for merged in merged.get(to).into_iter().flatten() {
                self.remove_file(merged)?;
            }
            if let Some(parent) = Path::new(to).parent().and_then(Path::to_str).filter(|parent| !parent.is_empty()) {
                self.create_folder(parent)?;
            }
            if !self.rename(from, to)? && !self.exists(to) {
                return Err(Error::io("create", self.path().join(to))(io::ErrorKind::NotFound.into()));
            }
        }
        Ok(())
    }

    fn publish_manifest(&self, file: &(String, String)) -> Result<(), Error> {
        self.publish(std::slice::from_ref(file), &BTreeMap::new())
    }

    fn remove(&self, files: &[String]) -> Result<(), Error> {
        files.iter().try_for_each(|file| self.remove_file(file))?;
        // A split without rows has no folder; one that is not empty is not removed.
        Split::ALL.iter().for_each(|split| self.remove_empty_folder(split.as_str()));
        Ok(())
    }

    fn sync(&self) -> Result<(), Error> {
        let splits = Split::ALL.iter().map(|split| split.as_str());
        Ok(splits.chain([PRIVATE, ""]).try_for_each(|name| self.sync_folder(name))?)
    }

    fn drop_journal(&self) -> Result<(), Error> {
        Ok(self.remove_file(PLACE)?)
    }
}
