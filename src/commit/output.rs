//! The output of a run: claimed by one process, filled with files that nobody sees, and committed, which replaces one
//! snapshot of the dataset by the next.
//!
//! A commit first writes a journal, then carries it out. The next writer carries out a journal that a
//! crash left behind, and drops staged files that no journal names.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::commit::journal::{Journal, Purpose};
use crate::commit::ownership::{dataset_files, small_files};
use crate::commit::pending;
use crate::commit::store::{self, Claimed, Store, claim};
use crate::dataset::file_info::FileInfo;
use crate::dataset::manifest::{FORMAT_VERSION, Manifest};
use crate::dataset::names::{CARD, MANIFEST, is_committing};
use crate::error::{Error, FormatError};
use crate::format::files::Files;
use crate::format::new_file::NewFile;
use crate::format::shard::ShardInfo;
use crate::remote::is_url;
use crate::run::{RunOptions, StorageOptions};

/// A place that only this process writes to. Dropped without a commit, it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Output {
    store: Box<dyn Store>,
    /// Manifest of the dataset as it was last committed.
    current: Option<Manifest>,
    /// Staged files that the next commit adds or replaces.
    staged: Vec<String>,
    /// What the journal calls the staged files that were made elsewhere, by their names.
    adopted: BTreeMap<String, String>,
    /// Shards whose rows are in one of the staged files, by the name of that file.
    merged: BTreeMap<String, Vec<String>>,
    /// Entries of those that are not shards.
    files: BTreeMap<String, FileInfo>,
    /// What the interrupted commit was for that was completed first; none if there was none.
    completed: Option<Purpose>,
    /// Whether `croissant.json` is asked for.
    pub(super) croissant: bool,
}

impl Output {
    /// Claims a folder, or what is below a URL, for this process, and completes or undoes what a crash left in it.
    ///
    /// # Errors
    /// If it holds anything but a dataset, another process is writing to it, or it can't be written to.
    pub(crate) fn claim(place: &Path, options: &RunOptions) -> Result<Output, Error> {
        let Claimed { store, manifest, completed } = claim(place, options)?;
        let (staged, adopted, merged, files) = Default::default();
        let croissant = options.croissant;
        Ok(Output { store, current: manifest, staged, adopted, merged, files, completed, croissant })
    }

    /// The manifest of the dataset at a place, for whoever writes to it later; none if there is none.
    ///
    /// # Errors
    /// If something else is there, or it can't be read.
    pub(crate) fn check(place: &Path, options: &StorageOptions) -> Result<Option<Manifest>, Error> {
        store::check(place, options)
    }

    /// Claims the place of a dataset, which must exist and be whole.
    ///
    /// # Errors
    /// As [`Output::claim`]; if there is no dataset, or a shard is missing or does not have its length.
    pub(crate) fn open(place: &Path, options: &RunOptions) -> Result<(Output, Manifest), Error> {
        let none = || FormatError::NoDataset(place.to_owned());
        // In this order: a commit removes its journal after the manifest is in place.
        if !is_url(place) && !is_committing(place) && !place.join(MANIFEST).exists() {
            return Err(none().into());
        }
        let output = Output::claim(place, options)?;
        let manifest = output.current.clone().ok_or_else(none)?;
        output.check_shards()?;
        Ok((output, manifest))
    }

    /// Checks that every shard exists and has its length.
    ///
    /// # Errors
    /// If one is missing or has another length.
    pub(crate) fn check_shards(&self) -> Result<(), Error> {
        let files = self.files();
        for (split, info) in self.current.iter().flat_map(|manifest| &manifest.snapshot.splits) {
            let lengths: HashMap<String, u64> = files.entries(split.as_str())?.into_iter().collect();
            for shard in &info.shards {
                let (path, name) = (files.path(&shard.file), shard.file.rsplit('/').next().unwrap_or_default());
                let bytes = match (lengths.get(name), files.folder()) {
                    (Some(bytes), _) => *bytes,
                    (None, Some(_)) => fs::metadata(&path).map_err(Error::io("read", &path))?.len(),
                    (None, None) => files.open(&shard.file)?.len(),
                };
                if bytes != shard.bytes {
                    return Err(Error::damaged(&path, format!("it has {bytes} bytes instead of {}", shard.bytes)));
                }
            }
        }
        Ok(())
    }

    /// The files of the dataset, as they were last committed.
    pub(crate) fn files(&self) -> &Arc<dyn Files> {
        self.store.files()
    }

    /// A folder on a disk for what is needed during the run. Of a dataset in a folder it is that in which files are
    /// staged, with the layout of the dataset's folder.
    pub(crate) fn scratch(&self) -> &Path {
        self.store.scratch()
    }

    /// Begins a file of the next commit, to be added to it when it is complete.
    ///
    /// # Errors
    /// If it can't be created.
    pub(crate) fn create(&self, name: &str) -> Result<Box<dyn NewFile>, Error> {
        self.store.create(name)
    }

    /// Whether files share blocks, so that copying them costs nothing.
    pub(crate) fn shares_blocks(&self) -> bool {
        self.store.shares_blocks()
    }

    /// Manifest of the dataset as it was last committed. None if there is no dataset yet.
    pub(crate) fn current(&self) -> Option<&Manifest> {
        self.current.as_ref()
    }

    /// What the interrupted commit was for that was completed when the folder was claimed. None if there was none.
    pub(crate) fn completed(&self) -> Option<Purpose> {
        self.completed
    }

    /// Writes a small file to the staging folder and brings it to disk. It is part of the next commit.
    ///
    /// # Errors
    /// If it can't be written.
    pub(crate) fn stage(&mut self, name: &str, text: &str) -> Result<(), Error> {
        self.stage_file(name, text.as_bytes(), FileInfo::of(text.as_bytes()))
    }

    /// As [`Output::stage`], with this entry in the manifest.
    ///
    /// # Errors
    /// If it can't be written.
    pub(super) fn stage_file(&mut self, name: &str, bytes: &[u8], info: FileInfo) -> Result<(), Error> {
        self.store.stage(name, bytes)?;
        if self.files.insert(name.to_owned(), info).is_none() {
            self.staged.push(name.to_owned());
        }
        Ok(())
    }

    /// The entry of a small file that is staged; none if it is not.
    pub(super) fn staged_info(&self, name: &str) -> Option<&FileInfo> {
        self.files.get(name)
    }

    /// Takes back what is known of a small file.
    pub(super) fn unstage(&mut self, name: &str) {
        self.files.remove(name);
    }

    /// Adds a complete shard that was created here to the next commit.
    pub(crate) fn add_shard(&mut self, file: String) {
        self.staged.push(file);
    }

    /// Says what the journal calls a shard that was made elsewhere, where it survives this process.
    pub(crate) fn adopt(&mut self, file: String, staged: String) {
        self.adopted.insert(file, staged);
    }

    /// Adds a complete shard to the next commit that has the rows of these shards.
    pub(crate) fn add_merged_shard(&mut self, file: String, of: &[ShardInfo]) {
        let others = of.iter().map(|shard| shard.file.clone()).filter(|other| *other != file);
        self.merged.insert(file.clone(), others.collect());
        self.add_shard(file);
    }

    /// Makes the staged files part of the dataset, then the manifest `next`, and removes the files that
    /// the manifest does not name. Returns the manifest with the checksums of its files.
    ///
    /// # Errors
    /// If a file of somebody else is in the way (then nothing is changed), or the operating system
    /// refuses a step (then the next writer completes the commit).
    pub(crate) fn commit(&mut self, next: Manifest) -> Result<Manifest, Error> {
        self.commit_for(Purpose::Change, next)
    }

    /// As [`Output::commit`], for this purpose.
    ///
    /// # Errors
    /// As [`Output::commit`].
    pub(crate) fn commit_for(&mut self, purpose: Purpose, mut next: Manifest) -> Result<Manifest, Error> {
        let staged = std::mem::take(&mut self.staged);
        let old: Vec<String> = self.current.iter().flat_map(dataset_files).collect();
        self.store.refuse_overwriting(&staged, &old)?;
        next.format_version = FORMAT_VERSION;
        next.files = self.files_of(&next)?;
        self.store.stage(MANIFEST, next.to_json().as_bytes())?;
        self.store.settle()?;
        let journal = self.journal(purpose, &staged, old, &next);
        let _commit = pending::commit();
        // From here on the commit is made, whatever happens.
        self.store.begin_commit(&journal)?;
        journal.complete(self.store.steps())?;
        self.store.end_commit()?;
        self.files.clear();
        self.current = Some(next.clone());
        Ok(next)
    }

    /// The entries of the files of `next` that are not shards: of those that are staged, of those that stay as they
    /// were, and, of a dataset that has no checksums yet, of those that are there.
    fn files_of(&self, next: &Manifest) -> Result<BTreeMap<String, FileInfo>, Error> {
        let known = |file: &str| {
            let current = self.current.as_ref().and_then(|current| current.files.get(file));
            self.files.get(file).or(current).cloned()
        };
        let mut files = BTreeMap::new();
        for file in small_files(next) {
            // A card that was left as it is may have been edited.
            let info = match known(file).filter(|_| file != CARD || self.files.contains_key(file)) {
                Some(info) => info,
                None => match self.files().read(file) {
                    Ok(Some(bytes)) => FileInfo::of(&bytes),
                    // A link to nothing, or a folder.
                    Ok(None) | Err(_) if file == CARD => continue,
                    Ok(None) => return Err(Error::io("read", self.files().path(file))(io::ErrorKind::NotFound.into())),
                    Err(error) => return Err(error.into()),
                },
            };
            files.insert(file.to_owned(), info);
        }
        Ok(files)
    }

    /// What the journal calls a staged file.
    fn staged(&self, file: &str) -> String {
        self.adopted.get(file).cloned().unwrap_or_else(|| self.store.staged(file))
    }

    fn journal(&mut self, purpose: Purpose, staged: &[String], old: Vec<String>, next: &Manifest) -> Journal {
        let kept: BTreeSet<String> = dataset_files(next).into_iter().collect();
        let files = staged.iter().map(String::as_str).chain([MANIFEST]);
        Journal {
            renames: files.map(|file| (self.staged(file), file.to_owned())).collect(),
            removals: old.into_iter().filter(|file| !kept.contains(file)).collect(),
            merged: std::mem::take(&mut self.merged),
            purpose,
        }
    }
}
