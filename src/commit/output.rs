//! The output folder of a run: claimed by one process, filled by way of a staging folder inside it, and
//! committed, which replaces one snapshot of the dataset by the next.
//!
//! A commit first writes a journal, then carries it out. The next writer carries out a journal that a
//! crash left behind, and drops staged files that no journal names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::commit::abandoned::remove_abandoned;
use crate::commit::journal::{Journal, Purpose};
use crate::commit::lock::Lock;
use crate::commit::ownership::{check, dataset_files, small_files};
use crate::commit::pending;
use crate::commit::staging::Staging;
use crate::dataset::card::{Card, CardNote, MergedCard, own_checksum};
use crate::dataset::file_info::FileInfo;
use crate::dataset::manifest::{FORMAT_VERSION, Manifest};
use crate::dataset::names::{CARD, LOCK, MANIFEST, PRIVATE, is_committing};
use crate::error::{Error, FormatError};
use crate::format::beneath::Beneath;
use crate::format::row_layout::RowLayout;
use crate::format::shard::{ShardInfo, shares_blocks};
use crate::format::{disk, open};
use crate::spec::Split;

/// A folder that only this process writes to. Dropped without a commit, it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Output {
    folder: PathBuf,
    /// The same folder: here no link is followed.
    beneath: Beneath,
    /// Manifest of the dataset as it was last committed.
    current: Option<Manifest>,
    /// Files in the staging folder that the next commit adds or replaces.
    staged: Vec<String>,
    /// Shards whose rows are in one of the staged files, by the name of that file.
    merged: BTreeMap<String, Vec<String>>,
    /// Entries of those that are not shards.
    files: BTreeMap<String, FileInfo>,
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
        let beneath = Beneath::open(folder)?;
        for split in Split::ALL {
            beneath.check_folder(split.as_str())?;
        }
        let completed = Journal::recover(&beneath)?;
        let staging = Staging::in_private_folder(&private)?;
        folder.canonicalize().iter().for_each(|output| remove_abandoned(output));
        // The folder may have changed before this process held the lock.
        let current = check(folder)?;
        if current.is_some() {
            lock.keep_created();
        }
        let output = Output {
            folder: folder.to_owned(),
            beneath,
            current,
            staged: Vec::new(),
            merged: BTreeMap::new(),
            files: BTreeMap::new(),
            completed,
            staging,
            lock,
        };
        for folder in Split::ALL.iter().map(|split| split.as_str()).chain([PRIVATE]) {
            disk::create_folder(&output.staging().join(folder))?;
        }
        // No journal may be on disk without the folder of what it names.
        output.beneath.sync_folder(PRIVATE)?;
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

    /// Writes a small file to the staging folder and brings it to disk. It is part of the next commit.
    ///
    /// # Errors
    /// If it can't be written.
    pub(crate) fn stage(&mut self, name: &str, text: &str) -> Result<(), Error> {
        self.staging.write(name, text.as_bytes())?;
        self.staged.push(name.to_owned());
        self.files.insert(name.to_owned(), FileInfo::of(text.as_bytes()));
        Ok(())
    }

    /// Stages the card of `next`: the one that is there, with what is inlaid's rewritten. Returns what people should
    /// know about it.
    ///
    /// # Errors
    /// If it can't be written.
    pub(crate) fn stage_card(&mut self, next: &Manifest, layout: &RowLayout) -> Result<Option<CardNote>, Error> {
        let card = Card::new(next, layout);
        let merged = match self.card_there()? {
            None => Ok(MergedCard { text: card.text(), note: None }),
            Some(Err(reason)) => Err(reason),
            Some(Ok(there)) => {
                let current = self.current.as_ref();
                let earlier = current.filter(|current| current.format_version == 1);
                let earlier = earlier.map(|current| Card::in_version(1, current, layout));
                let own = current.and_then(|current| current.files.get(CARD)?.own);
                card.merged_into(&there, earlier.as_ref(), own)
            }
        };
        match merged {
            Ok(MergedCard { text, note }) => {
                self.stage(CARD, &text)?;
                if let Some(info) = self.files.get_mut(CARD) {
                    info.own = own_checksum(&text);
                }
                Ok(note)
            }
            Err(reason) => {
                self.files.remove(CARD);
                Ok(Some(CardNote::Left(reason)))
            }
        }
    }

    /// The text of the card in the folder of the dataset, or why it has none; none if there is no card.
    fn card_there(&self) -> Result<Option<Result<String, String>>, Error> {
        let path = self.folder.join(CARD);
        let text = match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Ok(found) if found.is_symlink() => return Ok(Some(Err("it is a link".to_owned()))),
            Ok(found) if !found.is_file() => return Ok(Some(Err("it is not a regular file".to_owned()))),
            _ => open::read(&path).map_err(Error::io("read", &path))?,
        };
        Ok(Some(String::from_utf8(text).map_err(|_| "it is not UTF-8".to_owned())))
    }

    /// Adds a shard that is in the staging folder to the next commit.
    pub(crate) fn add_shard(&mut self, file: String) {
        self.staged.push(file);
    }

    /// Adds a shard that is in the staging folder to the next commit, and has the rows of these shards.
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
        self.refuse_overwriting(&staged, &old)?;
        next.format_version = FORMAT_VERSION;
        next.files = self.files_of(&next)?;
        self.staging.write(MANIFEST, next.to_json().as_bytes())?;
        let journal = self.journal(purpose, &staged, old, &next);
        self.staging.sync()?;
        // The name of the private folder.
        self.beneath.sync_folder("")?;
        let _commit = pending::commit();
        journal.write(&self.staging, &self.beneath)?;
        // From here on the commit is made, whatever happens.
        self.lock.keep_created();
        self.staging.keep = true;
        self.beneath.sync_folder(PRIVATE)?;
        journal.complete(&self.beneath)?;
        self.staging.keep = false;
        // Or a power failure might bring the journal back, beside what the next commit stages in its place.
        self.beneath.sync_folder(PRIVATE)?;
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
                None => {
                    let path = self.folder.join(file);
                    match open::read(&path) {
                        Ok(bytes) => FileInfo::of(&bytes),
                        // A link to nothing, or a folder.
                        Err(_) if file == CARD => continue,
                        Err(error) => return Err(Error::io("read", &path)(error)),
                    }
                }
            };
            files.insert(file.to_owned(), info);
        }
        Ok(files)
    }

    /// Refuses staged files that would replace a file that is not one of the `old` files of the dataset, and folders in
    /// the place of files.
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

    fn journal(&mut self, purpose: Purpose, staged: &[String], old: Vec<String>, next: &Manifest) -> Journal {
        let name = self.staging.name();
        let kept: BTreeSet<String> = dataset_files(next).into_iter().collect();
        let files = staged.iter().map(String::as_str).chain([MANIFEST]);
        Journal {
            renames: files.map(|file| (format!("{PRIVATE}/{name}/{file}"), file.to_owned())).collect(),
            removals: old.into_iter().filter(|file| !kept.contains(file)).collect(),
            merged: std::mem::take(&mut self.merged),
            purpose,
        }
    }
}
