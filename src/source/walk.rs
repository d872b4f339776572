//! Walks through a folder: every image file below it is a record or a reject.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use walkdir::{DirEntry, WalkDir};

use super::found::{Found, FoundTable, Part, is_named_as_image};
use super::metadata;
use super::record::Record;
use crate::error::{Error, RecordError};
use crate::spec::Spec;

/// Depth of the class folders in split folders, the deepest ones that mean something.
pub(super) const DEEPEST: usize = 2;

/// A walk through a folder.
struct Walk<'a> {
    root: &'a Path,
    place: u32,
    spec: &'a Spec,
    found: &'a mut Found,
    part: Part,
}

/// Adds what is below the folder `root`. Opens no file. Records get this `place`.
///
/// # Errors
/// If `root` is not a folder, or can't be listed.
pub(super) fn walk(found: &mut Found, root: &Path, place: u32, spec: &Spec) -> Result<(), Error> {
    let meta = fs::metadata(root).map_err(Error::io("read source folder", root))?;
    if !meta.is_dir() {
        return Err(Error::SourceNotFolder(root.to_owned()));
    }
    let mut walk = Walk { root, place, spec, found, part: Part::of(root, place..place + 1) };
    let mut entries = WalkDir::new(root).min_depth(1).follow_links(spec.follow_links).into_iter();
    while let Some(entry) = entries.next() {
        match entry {
            Ok(entry) if walk.found.ignores(entry.file_name()) => {
                if entry.file_type().is_dir() {
                    entries.skip_current_dir();
                }
            }
            Ok(entry) if entry.file_type().is_dir() => {
                if entry.depth() <= DEEPEST {
                    walk.part.folders.insert(walk.below(entry.path()));
                }
            }
            Ok(entry) => walk.look_at(&entry),
            Err(error) if error.depth() == 0 => return Err(Error::io("read source folder", root)(error.into())),
            Err(error) => walk.reject_unwalkable(error),
        }
    }
    let part = walk.part;
    found.parts.push(part);
    Ok(())
}

impl Walk<'_> {
    fn below(&self, path: &Path) -> String {
        path.strip_prefix(self.root).unwrap_or(path).to_string_lossy().into_owned()
    }

    /// Makes a file a record or a reject, or counts it as ignored.
    fn look_at(&mut self, entry: &DirEntry) {
        let path = entry.path();
        let extension = extension_of(path);
        let named_as_image = is_named_as_image(&extension, self.spec);
        let kind = match entry.file_type() {
            kind if kind.is_symlink() => match fs::metadata(path) {
                Ok(meta) => meta.file_type(),
                Err(_) if named_as_image => return self.reject(path, &RecordError::BrokenLink),
                Err(_) => return self.found.ignore_other(extension),
            },
            kind => kind,
        };
        if kind.is_dir() {
            self.found.listing.ignored.linked_folders += 1;
        } else if metadata::is_table(path) && kind.is_file() {
            let below = self.below(path);
            self.part.tables.push(FoundTable { below, bytes: None });
        } else if !named_as_image {
            if !self.found.is_given(path) {
                self.found.ignore_other(extension);
            }
        } else if !kind.is_file() {
            self.reject(path, &RecordError::NotAFile);
        } else {
            match key_of(path, self.root) {
                Some(key) => self.part.records.push(Record::new(key, self.place)),
                None => self.reject(path, &RecordError::NameNotUtf8),
            }
        }
    }

    fn reject(&mut self, path: &Path, error: &RecordError) {
        let key = self.below(path);
        self.part.reject(key, error);
    }

    fn reject_unwalkable(&mut self, error: walkdir::Error) {
        let path = error.path().unwrap_or(self.root).to_owned();
        let is_link = fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_symlink());
        let reason = match error.loop_ancestor() {
            Some(_) => RecordError::LinkLoop,
            // A broken link, found while links are followed.
            None if is_link && self.found.ignores(path.file_name().unwrap_or_default()) => return,
            None if is_link => match extension_of(&path) {
                extension if is_named_as_image(&extension, self.spec) => RecordError::BrokenLink,
                extension => return self.found.ignore_other(extension),
            },
            None => RecordError::Unreadable(error.into_io_error().unwrap_or_else(|| ErrorKind::Other.into())),
        };
        self.reject(&path, &reason);
    }
}

/// The extension of a path, in lower case; empty if it has none.
pub(super) fn extension_of(path: &Path) -> String {
    path.extension().map(|ext| ext.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}

fn key_of(path: &Path, root: &Path) -> Option<String> {
    let parts = path.strip_prefix(root).ok()?.iter().map(|part| part.to_str());
    Some(parts.collect::<Option<Vec<_>>>()?.join("/"))
}
