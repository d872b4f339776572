//! A list of image files, from a program that has found them.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use super::found::{Found, Part};
use super::listing::Listing;
use super::record::Record;
use crate::error::{Error, RecordError, SourceError};

/// Files that a list names, one in each line, or separated by NUL. A tab separates the path from a label.
#[derive(Debug)]
pub(super) struct FileList {
    /// The list itself.
    path: PathBuf,
    /// Folder that keys are relative to.
    folder: PathBuf,
    /// Keys and labels, in the order of the list.
    entries: Vec<Entry>,
    /// Class names, sorted.
    classes: Vec<String>,
}

#[derive(Debug)]
struct Entry {
    key: Result<Box<str>, RecordError>,
    /// The path as it is in the list, if it is no key.
    named: String,
    place: u32,
    label: Option<u32>,
}

/// Place of files below the folder of a list.
const BELOW: u32 = 0;

/// Place of files elsewhere, whose keys are their absolute paths.
const ELSEWHERE: u32 = 1;

impl FileList {
    pub(super) const PLACES: u32 = 2;

    /// Reads a list, `-` from standard input. The keys of files below `folder` are their paths below it.
    ///
    /// # Errors
    /// If the list can't be read, or is not UTF-8.
    pub(super) fn read(path: &Path, folder: &Path) -> Result<FileList, Error> {
        let bytes = match path == Path::new("-") {
            true => {
                let mut bytes = Vec::new();
                io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
            }
            // Also from a pipe, which is there to be read.
            false => fs::read(path),
        };
        let bytes = bytes.map_err(Error::io("read the list", path))?;
        let text = String::from_utf8(bytes).map_err(|_| SourceError::Damaged("it is not UTF-8".to_owned()));
        let text = text.map_err(Error::source(path))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let separator = if text.contains('\0') { '\0' } else { '\n' };
        // Some programs end a list with a line.
        let text = if separator == '\0' { text.trim_end_matches('\n') } else { text };
        let lines = text.split(separator).map(|line| line.strip_suffix('\r').unwrap_or(line));
        let lines: Vec<(&str, Option<&str>)> = lines
            .filter(|line| !line.is_empty())
            .map(|line| match line.split_once('\t') {
                Some((file, label)) => (file, Some(label).filter(|label| !label.is_empty())),
                None => (line, None),
            })
            .collect();
        if lines.is_empty() {
            return Err(Error::source(path)(SourceError::EmptyList));
        }
        let classes: BTreeSet<&str> = lines.iter().filter_map(|(_, label)| *label).collect();
        let classes: Vec<String> = classes.into_iter().map(str::to_owned).collect();
        // Most lists are of absolute paths that are as short as they can be, and long.
        let absolute = |path: &Path| match path.is_absolute() && is_normal(path) {
            true => Ok(path.to_owned()),
            false => std::path::absolute(path).map(|path| normal(&path)),
        };
        let above = absolute(folder).map_err(Error::io("read source folder", folder))?;
        let entry = |(file, label): &(&str, Option<&str>)| {
            let file_path = absolute(Path::new(file)).unwrap_or_default();
            let (key, place) = match file_path.strip_prefix(&above) {
                Ok(below) => (below, BELOW),
                Err(_) => (file_path.strip_prefix("/").unwrap_or(&file_path), ELSEWHERE),
            };
            let key = key.to_str().filter(|key| !key.is_empty()).map(Box::from);
            let label = label.and_then(|label| classes.binary_search_by(|class| (**class).cmp(label)).ok());
            Entry {
                key: key.ok_or(RecordError::NotAFile),
                named: (*file).to_owned(),
                place,
                label: label.map(|label| label as u32),
            }
        };
        let entries = lines.iter().map(entry).collect();
        Ok(FileList { path: path.to_owned(), folder: folder.to_owned(), entries, classes })
    }

    /// Whether the list has labels.
    pub(super) fn has_labels(&self) -> bool {
        !self.classes.is_empty()
    }

    /// The list itself.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Folder that keys are relative to.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of a file.
    pub(super) fn file(&self, place: u32, key: &str) -> PathBuf {
        match place {
            BELOW => self.folder.join(key),
            _ => Path::new("/").join(key),
        }
    }

    /// Adds the files, with places from `place` on.
    pub(super) fn list(&self, found: &mut Found, place: u32) {
        let mut part = Part::of(&self.path, place..place + FileList::PLACES);
        for entry in &self.entries {
            match &entry.key {
                Ok(key) => {
                    let label = entry.label;
                    part.records.push(Record { label, ..Record::new(key.clone(), place + entry.place) });
                }
                Err(_) => part.reject(entry.named.clone(), &RecordError::NotAFile),
            }
        }
        found.parts.push(part);
    }

    /// Names the classes of the labels.
    pub(super) fn label(&self, listing: &mut Listing) {
        if self.has_labels() {
            listing.classes.clone_from(&self.classes);
        }
    }
}

/// Whether a path has no `.`, `..` and empty parts.
fn is_normal(path: &Path) -> bool {
    let parts = path.as_os_str().as_encoded_bytes().split(|byte| *byte == b'/').skip(1);
    !parts.into_iter().any(|part| matches!(part, b"" | b"." | b".."))
}

/// A path without `.` and `..`, as it is written: links are not followed.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}
