//! The output folder: who may write to it, the staging area inside it, and the commit that replaces
//! one version of a dataset by the next.
//!
//! A commit first writes a journal that names every rename and removal, then carries it out. A
//! journal is complete or absent (it is renamed into place). Whoever writes next carries out a
//! journal that a crash left behind; staged files without a journal are dropped.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::commit::created_folder::CreatedFolder;
use crate::dataset::manifest::Manifest;
use crate::dataset::names::{CARD, JOURNAL, LOCK, MANIFEST, PRIVATE, REJECTS, REJECTS_BEFORE, is_committing};
use crate::error::{Error, FormatError};
use crate::format::disk;
use crate::format::shard::shares_blocks;
use crate::spec::Split;

const STAGING: &str = "staging-";

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

/// What a commit does, in this order.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Journal {
    /// From the staging area to the dataset, both below its folder; the manifest last.
    renames: Vec<(String, String)>,
    /// Files of the version before that are not replaced.
    removals: Vec<String>,
}

impl Journal {
    /// A file that does not lie below the dataset's folder: nobody may be made to replace or remove it.
    fn foreign_file(&self) -> Option<&str> {
        let mut files = self.renames.iter().flat_map(|(from, to)| [from, to]).chain(&self.removals);
        let is_below = |file: &str| Path::new(file).components().all(|part| matches!(part, Component::Normal(_)));
        files.find(|file| !is_below(file)).map(|file| &**file)
    }
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

/// The files of a dataset, below its folder.
pub(crate) fn dataset_files(manifest: &Manifest) -> Vec<String> {
    let shards = manifest.snapshot.shards().map(|shard| shard.file.clone());
    let rejects = (manifest.snapshot.rejects > 0).then(|| REJECTS.to_owned());
    let before = manifest.previous.is_some().then(|| REJECTS_BEFORE.to_owned());
    shards.chain(rejects).chain(before).chain([CARD.to_owned(), MANIFEST.to_owned()]).collect()
}

/// Whether the folder may be written to: the dataset that is there, if any, and no other files.
pub(crate) fn check(folder: &Path) -> Result<Option<Manifest>, Error> {
    loop {
        let manifest = refuse_non_dataset(folder)?;
        let Some(there) = &manifest else { return Ok(None) };
        // In the middle of a commit, be it a crash's, there are shards that the manifest does not name yet.
        if is_committing(folder) {
            return Ok(manifest);
        }
        match refuse_foreign_files(folder, there) {
            // They are those of a commit of another process since then.
            Err(Error::ForeignFile(_)) if is_committing(folder) || Manifest::read(folder)? != manifest => {}
            outcome => return outcome.map(|()| manifest),
        }
    }
}

/// The output must not be found as a source, nor a source be written to; nor may it be part of another
/// dataset.
pub(crate) fn refuse_overlap(sources: &[PathBuf], out: &Path) -> Result<(), Error> {
    let absolute = |path: &Path| {
        // The part that exists is made canonical; the rest, to be created, is appended.
        let path = Path::new(".").join(path);
        let existing = path.ancestors().find_map(|part| Some((part, part.canonicalize().ok()?)));
        match existing {
            Some((part, full)) => Ok(full.join(path.strip_prefix(part).expect("an ancestor is a prefix"))),
            None => path.canonicalize(),
        }
    };
    let output = absolute(out).map_err(Error::io("find output folder", out))?;
    if let Some(dataset) = output.ancestors().skip(1).find(|above| above.join(MANIFEST).is_file()) {
        return Err(Error::OutputInDataset { output: out.to_owned(), dataset: dataset.to_owned() });
    }
    for source in sources {
        let folder = absolute(source).map_err(Error::io("read source folder", source))?;
        if output.starts_with(&folder) || folder.starts_with(&output) {
            return Err(Error::OutputInSource { output: out.to_owned(), source_folder: source.clone() });
        }
    }
    Ok(())
}

/// Whether the folder is empty or a dataset: the one that is there, if any.
fn refuse_non_dataset(folder: &Path) -> Result<Option<Manifest>, Error> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read output folder", folder)(error)),
    };
    let names = entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<Vec<_>>>();
    let names = names.map_err(Error::io("read output folder", folder))?;
    if names.iter().all(|name| name == PRIVATE) {
        return Ok(None);
    }
    let interrupted = is_committing(folder);
    match Manifest::read(folder)? {
        // A crash in the middle of the first commit leaves shards without a manifest.
        None if !interrupted => Err(Error::OutputNotEmpty(folder.to_owned())),
        manifest => Ok(manifest),
    }
}

/// Readers take every file in a split's folder for a shard, so there must be no others.
fn refuse_foreign_files(folder: &Path, manifest: &Manifest) -> Result<(), Error> {
    let own = dataset_files(manifest);
    for split in Split::ALL {
        let place = folder.join(split.as_str());
        let entries = match fs::read_dir(&place) {
            Ok(entries) => entries,
            Err(_) if place.symlink_metadata().is_ok_and(|found| !found.is_dir()) => {
                return Err(Error::ForeignFile(place));
            }
            Err(_) => continue,
        };
        for entry in entries {
            let entry = entry.map_err(Error::io("read output folder", folder))?;
            if !own.iter().any(|file| *file == format!("{split}/{}", entry.file_name().to_string_lossy())) {
                return Err(Error::ForeignFile(entry.path()));
            }
        }
    }
    Ok(())
}

/// Makes inlaid's own folder if it is missing, and takes the lock in it.
fn lock(folder: &Path, private: &Path) -> Result<File, Error> {
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

/// Completes a commit that a crash interrupted, and drops what was staged without one.
fn recover(folder: &Path, private: &Path) -> Result<(), Error> {
    let path = private.join(JOURNAL);
    match fs::read(&path) {
        Ok(text) => {
            let damaged = |error: serde_json::Error| FormatError::damaged(&path, error.to_string());
            let journal: Journal = serde_json::from_slice(&text).map_err(damaged)?;
            if let Some(file) = journal.foreign_file() {
                return Err(Error::damaged(&path, format!("it names `{file}`, which is not in this folder")));
            }
            carry_out(folder, &journal)?;
            disk::remove_file(&path)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(Error::io("read", path)(error)),
    }
    for entry in fs::read_dir(private).map_err(Error::io("read", private))? {
        let entry = entry.map_err(Error::io("read", private))?;
        if entry.file_name().to_string_lossy().starts_with(STAGING) {
            fs::remove_dir_all(entry.path()).map_err(Error::io("remove", entry.path()))?;
        }
    }
    Ok(())
}

/// Does what a journal says; what is done already is passed over.
fn carry_out(folder: &Path, journal: &Journal) -> Result<(), Error> {
    for (from, to) in &journal.renames {
        let (from, to) = (folder.join(from), folder.join(to));
        if let Some(parent) = to.parent().filter(|parent| !parent.exists()) {
            disk::create_folder(parent)?;
        }
        match disk::rename(&from, &to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && to.exists() => {}
            done => done.map_err(Error::io("create", &to))?,
        }
    }
    for file in &journal.removals {
        disk::remove_file(&folder.join(file))?;
    }
    for split in Split::ALL {
        let path = folder.join(split.as_str());
        if path.exists() {
            disk::sync_folder(&path)?;
            // Only an empty folder can be removed, and a split without rows has no folder.
            let _ = fs::remove_dir(&path);
        }
    }
    disk::sync_folder(&folder.join(PRIVATE))?;
    Ok(disk::sync_folder(folder)?)
}

fn sync_folders(staging: &Path) -> Result<(), Error> {
    let folders = Split::ALL.iter().map(|split| split.as_str()).chain([PRIVATE]);
    folders.into_iter().try_for_each(|folder| disk::sync_folder(&staging.join(folder)))?;
    Ok(disk::sync_folder(staging)?)
}
