//! Whose files an output folder holds: inlaid writes to a folder that is empty or a dataset, and only
//! replaces or removes files of that dataset.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

use crate::dataset::manifest::Manifest;
use crate::dataset::names::{
    CARD, CARD_PICTURES, CROISSANT, MANIFEST, PRIVATE, REJECTS, REJECTS_BEFORE, is_committing, is_system,
};
use crate::error::Error;
use crate::spec::Split;

/// Files of a dataset, relative to its folder.
pub(crate) fn dataset_files(manifest: &Manifest) -> Vec<String> {
    let shards = manifest.snapshot.shards().map(|shard| shard.file.clone());
    shards.chain(small_files(manifest).map(str::to_owned)).chain([MANIFEST.to_owned()]).collect()
}

/// Files of a dataset that are not shards, nor the manifest.
pub(crate) fn small_files(manifest: &Manifest) -> impl Iterator<Item = &'static str> {
    let rejects = (manifest.snapshot.rejects > 0).then_some(REJECTS);
    let before = manifest.previous.is_some().then_some(REJECTS_BEFORE);
    let asked_for = CARD_PICTURES.into_iter().chain([CROISSANT]).filter(|file| manifest.files.contains_key(*file));
    rejects.into_iter().chain(before).chain([CARD]).chain(asked_for)
}

/// Checks that the folder may be written to. Returns the manifest of the dataset in it; none if the
/// folder is missing or empty, or its first commit was interrupted.
///
/// # Errors
/// If it holds anything but a dataset, or a file of somebody else where shards are, or can't be read.
pub(crate) fn check(folder: &Path) -> Result<Option<Manifest>, Error> {
    loop {
        let manifest = refuse_non_dataset(folder)?;
        let Some(current) = &manifest else { return Ok(None) };
        // During a commit, or after one that crashed, there are shards that the manifest does not name yet.
        if is_committing(folder) {
            return Ok(manifest);
        }
        match refuse_foreign_files(folder, current) {
            // They belong to a commit that another process has made in the meantime.
            Err(Error::ForeignFile(_)) if is_committing(folder) || Manifest::read(folder)? != manifest => {}
            checked => return checked.map(|()| manifest),
        }
    }
}

/// The names in an output folder; none if it is missing.
///
/// # Errors
/// If it is no folder and can't become one, or can't be read.
pub(super) fn names_in(folder: &Path) -> Result<Vec<OsString>, Error> {
    let names = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let link = folder.ancestors().find_map(|above| Some((above, fs::read_link(above).ok()?)));
            return match link.filter(|(link, _)| !link.exists()) {
                Some((link, target)) => Err(Error::OutputLinkBroken { path: link.to_owned(), target }),
                None => Ok(Vec::new()),
            };
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            let file = folder.ancestors().find(|above| above.exists()).unwrap_or(folder);
            return Err(Error::OutputNotFolder(file.to_owned()));
        }
        entries => entries.and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect()),
    };
    names.map_err(Error::io("read output folder", folder))
}

fn refuse_non_dataset(folder: &Path) -> Result<Option<Manifest>, Error> {
    let names = names_in(folder)?;
    if names.iter().all(|name| name == PRIVATE || is_system(name)) {
        return Ok(None);
    }
    let is_interrupted = is_committing(folder);
    match Manifest::read(folder)? {
        // A crash during the first commit leaves shards without a manifest.
        None if !is_interrupted => Err(Error::OutputNotEmpty(folder.to_owned())),
        manifest => Ok(manifest),
    }
}

/// Readers take every file in a split's folder for a shard, so no other file may be there, except those that a system
/// would put back.
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
            let name = entry.file_name();
            if !is_system(&name) && !own.iter().any(|file| *file == format!("{split}/{}", name.to_string_lossy())) {
                return Err(Error::ForeignFile(entry.path()));
            }
        }
    }
    Ok(())
}
