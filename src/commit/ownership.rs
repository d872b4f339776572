//! Which files of an output folder are inlaid's.

use std::fs;
use std::io;
use std::path::Path;

use crate::dataset::manifest::Manifest;
use crate::dataset::names::{CARD, MANIFEST, PRIVATE, REJECTS, REJECTS_BEFORE, is_committing};
use crate::error::Error;
use crate::spec::Split;

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
