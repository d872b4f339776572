//! The output folder of a run: claimed by one process, filled by way of a staging folder inside it, and
//! committed, which replaces one snapshot of the dataset by the next.
//!
//! A commit first writes a journal, then carries it out. The next writer carries out a journal that a
//! crash left behind, and drops staged files that no journal names.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::commit::abandoned::remove_abandoned;
use crate::commit::journal::{Journal, Purpose};
use crate::commit::lock::Lock;
use crate::commit::ownership::{check, dataset_files};
use crate::commit::pending;
use crate::commit::staging::Staging;
use crate::dataset::manifest::Manifest;
use crate::dataset::names::{LOCK, MANIFEST, PRIVATE, is_committing};
use crate::error::{Error, FormatError};
use crate::format::disk;
use crate::format::shard::shares_blocks;
use crate::spec::Split;

/// A folder that only this process writes to. Dropped without a commit, it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Output {
    folder: PathBuf,
    /// Manifest of the dataset as it was last committed.
    current: Option<Manifest>,
    /// What the interrupted commit was for that was completed first; none if there was none.
    completed: Option<Purpose>,
    /// Dropped before the lock, so that it is removed under the lock.
    staging: Staging,
    lock: Lock,
}

impl Output {
    /// Claims the folder for this process, and completes or undoes what a crash left in it.
    ///
    /// # Errors
    /// If it holds anything but a dataset, another process is writing to it, or it can't be written to.
    pub(crate) fn claim(folder: &Path) -> Result<Output, Error> {
        check(folder)?;
        let private = folder.join(PRIVATE);
        let mut lock = Lock::on_file(&private.join(LOCK), folder)?;
        let completed = Journal::recover(folder)?;
        let staging = Staging::in_private_folder(&private)?;
        folder.canonicalize().iter().for_each(|output| remove_abandoned(output));
        // The folder may have changed before this process held the lock.
        let current = check(folder)?;
        if current.is_some() {
            lock.keep_created();
        }
        let output = Output { folder: folder.to_owned(), current, completed, staging, lock };
        for folder in Split::ALL.iter().map(|split| split.as_str()).chain([PRIVATE]) {
            disk::create_folder(&output.staging().join(folder))?;
        }
        Ok(output)
    }

    /// Claims the folder of a dataset, which must exist and be whole.
    ///
    /// # Errors
    /// As [`Output::claim`]; if there is no dataset, or a shard is missing or does not have its length.
    pub(crate) fn open(folder: &Path) -> Result<(Output, Manifest), Error> {
        // In this order: a commit removes its journal after the manifest is in place.
        if !is_committing(folder) && !folder.join(MANIFEST).exists() {
            return Err(FormatError::NoDataset(folder.to_owned()).into());
        }
        let output = Output::claim(folder)?;
        let manifest = output.current.clone().ok_or_else(|| FormatError::NoDataset(folder.to_owned()))?;
        output.check_shards()?;
        Ok((output, manifest))
    }

    /// Checks that every shard exists and has its length.
    ///
    /// # Errors
    /// If one is missing or has another length.
    pub(crate) fn check_shards(&self) -> Result<(), Error> {
        for shard in self.current.iter().flat_map(|manifest| manifest.snapshot.shards()) {
            let path = self.folder.join(&shard.file);
            let bytes = fs::metadata(&path).map_err(Error::io("read", &path))?.len();
            if bytes != shard.bytes {
                return Err(Error::damaged(&path, format!("it has {bytes} bytes instead of {}", shard.bytes)));
            }
        }
        Ok(())
    }

    /// Folder of the dataset.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Folder in which files are written before they become part of the dataset. It has the layout of
    /// the dataset's folder.
    pub(crate) fn staging(&self) -> &Path {
        self.staging.path()
    }

    /// Whether the file system lets files share blocks, so that copying them costs nothing.
    pub(crate) fn shares_blocks(&self) -> bool {
        let file = || tempfile::tempfile_in(self.staging());
        let files = file().and_then(|from| Ok((from, file()?)));
        files.is_ok_and(|(from, to)| shares_blocks(&from, &to))
    }

    /// Manifest of the dataset as it was last committed. None if there is no dataset yet.
    pub(crate) fn current(&self) -> Option<&Manifest> {
        self.current.as_ref()
    }

    /// What the interrupted commit was for that was completed when the folder was claimed. None if there was none.
    pub(crate) fn completed(&self) -> Option<Purpose> {
        self.completed
    }

    /// Writes a small file to the staging folder and brings it to disk.
    ///
    /// # Errors
    /// If it can't be written.
    pub(crate) fn stage(&self, name: &str, text: &str) -> Result<(), Error> {
        self.staging.write(name, text.as_bytes())
    }

    /// Makes the `staged` files part of the dataset, then the manifest `next`, and removes the files that
    /// the manifest does not name.
    ///
    /// # Errors
    /// If a file of somebody else is in the way (then nothing is changed), or the operating system
    /// refuses a step (then the next writer completes the commit).
    pub(crate) fn commit(&mut self, staged: &[String], next: Manifest) -> Result<(), Error> {
        self.commit_for(Purpose::Change, staged, next)
    }

    /// As [`Output::commit`], for this purpose.
    ///
    /// # Errors
    /// As [`Output::commit`].
    pub(crate) fn commit_for(&mut self, purpose: Purpose, staged: &[String], next: Manifest) -> Result<(), Error> {
        let old: Vec<String> = self.current.iter().flat_map(dataset_files).collect();
        self.refuse_overwriting(staged, &old)?;
        self.stage(MANIFEST, &next.to_json())?;
        let journal = self.journal(purpose, staged, old, &next);
        self.staging.sync()?;
        // The name of the private folder.
        disk::sync_folder(&self.folder)?;
        let _commit = pending::commit();
        journal.write(&self.staging, &self.folder)?;
        // From here on the commit is made, whatever happens.
        self.lock.keep_created();
        self.staging.keep = true;
        disk::sync_folder(&self.folder.join(PRIVATE))?;
        journal.complete(&self.folder)?;
        self.staging.keep = false;
        self.current = Some(next);
        Ok(())
    }

    /// Refuses staged files that would replace a file that is not one of the `old` files of the dataset.
    fn refuse_overwriting(&self, staged: &[String], old: &[String]) -> Result<(), Error> {
        for file in staged.iter().filter(|file| !file.starts_with(PRIVATE)) {
            let target = self.folder.join(file);
            if !old.contains(file) && target.symlink_metadata().is_ok() {
                return Err(Error::ForeignFile(target));
            }
        }
        Ok(())
    }

    fn journal(&self, purpose: Purpose, staged: &[String], old: Vec<String>, next: &Manifest) -> Journal {
        let name = self.staging().file_name().and_then(|name| name.to_str()).expect("its name is ours, in ASCII");
        let kept: BTreeSet<String> = dataset_files(next).into_iter().collect();
        let files = staged.iter().map(String::as_str).chain([MANIFEST]);
        Journal {
            renames: files.map(|file| (format!("{PRIVATE}/{name}/{file}"), file.to_owned())).collect(),
            removals: old.into_iter().filter(|file| !kept.contains(file)).collect(),
            purpose,
        }
    }
}
