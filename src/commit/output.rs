//! The output folder: who may write to it, the staging area inside it, and the commit that replaces
//! one version of a dataset by the next.
//!
//! A commit first writes a journal that names every rename and removal, then carries it out. A
//! journal is complete or absent (it is renamed into place). Whoever writes next carries out a
//! journal that a crash left behind; staged files without a journal are dropped.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::commit::created_folder::CreatedFolder;
use crate::commit::journal::{Journal, carry_out, recover};
use crate::commit::lock::lock;
use crate::commit::ownership::{check, dataset_files};
use crate::dataset::manifest::Manifest;
use crate::dataset::names::{JOURNAL, MANIFEST, PRIVATE, is_committing};
use crate::error::{Error, FormatError};
use crate::format::disk;
use crate::format::shard::shares_blocks;
use crate::spec::Split;

pub(super) const STAGING: &str = "staging-";

/// A folder that this process alone writes to. Dropped without a commit, it leaves nothing behind.
#[derive(Debug)]
pub struct Output {
    folder: PathBuf,
    staging: tempfile::TempDir,
    /// The files of the version that is there.
    current: Option<Manifest>,
    created: Option<CreatedFolder>,
    /// Released by the operating system when the process ends, however it ends.
    _lock: File,
}

impl Output {
    /// Takes the folder for this process, after finishing or undoing what a crash has left there.
    ///
    /// # Errors
    /// If it holds anything but a dataset, another process is writing to it, or it can't be written to.
    pub fn claim(folder: &Path) -> Result<Output, Error> {
        check(folder)?;
        let private = folder.join(PRIVATE);
        let created = CreatedFolder::ensure(folder)?.or_else(|| CreatedFolder::private_of(folder));
        let lock = lock(folder, &private)?;
        // From here on it goes before the lock does: what it removes is still this process's.
        let mut created = created;
        if let Some(created) = &mut created {
            created.is_locked = true;
        }
        recover(folder, &private)?;
        // The folder may have changed until the lock was held.
        let current = check(folder)?;
        if let Some(created) = &mut created {
            created.keep = current.is_some();
        }
        let staging = tempfile::Builder::new().prefix(STAGING).tempdir_in(&private);
        let staging = staging.map_err(Error::io("create folder in", &private))?;
        for folder in Split::ALL.iter().map(|split| split.as_str()).chain([PRIVATE]) {
            disk::create_folder(&staging.path().join(folder))?;
        }
        Ok(Output { folder: folder.to_owned(), staging, current, created, _lock: lock })
    }

    /// Takes the folder of a dataset that must be there, whole.
    ///
    /// # Errors
    /// As [`Output::claim`]; if there is no dataset, or a shard is missing or has another length.
    pub fn of_dataset(folder: &Path) -> Result<(Output, Manifest), Error> {
        // In this order, since a commit in progress removes its journal when the manifest is there.
        if !is_committing(folder) && !folder.join(MANIFEST).exists() {
            return Err(FormatError::NoDataset(folder.to_owned()).into());
        }
        let output = Output::claim(folder)?;
        let manifest = output.current.clone().ok_or_else(|| FormatError::NoDataset(folder.to_owned()))?;
        output.check_shards()?;
        Ok((output, manifest))
    }

    /// Looks whether every shard is there, at its length.
    ///
    /// # Errors
    /// If one is not.
    pub fn check_shards(&self) -> Result<(), Error> {
        for shard in self.current.iter().flat_map(|manifest| manifest.snapshot.shards()) {
            let path = self.folder.join(&shard.file);
            let bytes = fs::metadata(&path).map_err(Error::io("read", &path))?.len();
            if bytes != shard.bytes {
                return Err(Error::damaged(&path, format!("it has {bytes} bytes instead of {}", shard.bytes)));
            }
        }
        Ok(())
    }

    /// The folder of the dataset.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where files are written before they are part of the dataset: it has the same layout.
    pub fn staging(&self) -> &Path {
        self.staging.path()
    }

    /// Whether the file system lets files share blocks, so that a copy costs nothing.
    pub fn shares_blocks(&self) -> bool {
        let file = || tempfile::tempfile_in(self.staging());
        let files = file().and_then(|from| Ok((from, file()?)));
        files.is_ok_and(|(from, to)| shares_blocks(&from, &to))
    }

    /// The version that is there.
    pub fn current(&self) -> Option<&Manifest> {
        self.current.as_ref()
    }

    /// Writes a small file to the staging area and brings it to disk.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn stage(&self, name: &str, text: &str) -> Result<(), Error> {
        let written = disk::write_file(&self.staging.path().join(name), text.as_bytes());
        Ok(written.map_err(|error| error.or_disk_full(text.len() as u64))?)
    }

    /// Makes the `staged` files part of the dataset, with the manifest of the `next` version as the
    /// last one, and removes the files that are not of that version.
    ///
    /// # Errors
    /// If a file of somebody else is in the way (then nothing is changed), or the operating system
    /// refuses a step (then the next writer completes the commit).
    pub fn commit(&mut self, staged: &[String], next: Manifest) -> Result<(), Error> {
        let name = self.staging.path().file_name().and_then(|name| name.to_str());
        let staging = format!("{PRIVATE}/{}", name.expect("its name is ours, in ASCII"));
        let old: Vec<String> = self.current.iter().flat_map(dataset_files).collect();
        for file in staged.iter().filter(|file| !file.starts_with(PRIVATE)) {
            let target = self.folder.join(file);
            if !old.contains(file) && target.symlink_metadata().is_ok() {
                return Err(Error::ForeignFile(target));
            }
        }
        self.stage(MANIFEST, &next.to_json())?;
        let kept: BTreeSet<String> = dataset_files(&next).into_iter().collect();
        let files = staged.iter().map(String::as_str).chain([MANIFEST]);
        let journal = Journal {
            renames: files.map(|file| (format!("{staging}/{file}"), file.to_owned())).collect(),
            removals: old.into_iter().filter(|file| !kept.contains(file)).collect(),
        };
        sync_folders(self.staging.path())?;
        // The name of the private folder.
        disk::sync_folder(&self.folder)?;

        let private = self.folder.join(PRIVATE);
        let text = serde_json::to_vec_pretty(&journal).expect("a journal is made of strings");
        let staged = self.staging.path().join(JOURNAL);
        disk::write_file(&staged, &text).map_err(|error| error.or_disk_full(text.len() as u64))?;
        let place = private.join(JOURNAL);
        disk::rename(&staged, &place).map_err(Error::io("create", &place))?;
        // From here on the commit is made, whatever happens.
        if let Some(created) = &mut self.created {
            created.keep = true;
        }
        self.staging.disable_cleanup(true);
        disk::sync_folder(&private)?;
        carry_out(&self.folder, &journal)?;
        disk::remove_file(&place)?;
        self.staging.disable_cleanup(false);
        self.current = Some(next);
        Ok(())
    }
}

fn sync_folders(staging: &Path) -> Result<(), Error> {
    let folders = Split::ALL.iter().map(|split| split.as_str()).chain([PRIVATE]);
    folders.into_iter().try_for_each(|folder| disk::sync_folder(&staging.join(folder)))?;
    Ok(disk::sync_folder(staging)?)
}
