//! Images that are files: in folders, or named in a list.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::file_list::FileList;
use super::files::Files;
use super::found::Found;
use super::listing::Listing;
use super::metadata::{self, Others};
use super::record::Record;
use super::walk::walk;
use super::{ImageRef, Source};
use crate::error::Error;
use crate::run::SourceOptions;
use crate::spec::{Folders, Limits, Spec};

/// Images that are files: in one or more folders, or named in a list.
#[derive(Debug)]
pub struct FileSource {
    roots: Vec<Root>,
    paths: Vec<PathBuf>,
    options: SourceOptions,
    /// Further images of the rows that were listed last.
    others: Mutex<Arc<Others>>,
}

/// What holds files.
#[derive(Debug)]
enum Root {
    Folder(PathBuf),
    List(FileList),
}

impl Root {
    /// Number of places that the files in it have.
    fn places(&self) -> u32 {
        match self {
            Root::Folder(_) => 1,
            Root::List(_) => FileList::PLACES,
        }
    }

    /// The path of the file with this key, at this place in the root.
    fn file(&self, place: u32, key: &str) -> PathBuf {
        match self {
            Root::Folder(folder) => folder.join(key),
            Root::List(list) => list.file(place, key),
        }
    }

    fn path(&self) -> PathBuf {
        match self {
            Root::Folder(folder) => folder.clone(),
            Root::List(list) => list.path().to_owned(),
        }
    }
}

impl FileSource {
    /// A source of the files in these folders. If two have a file with the same key, the earlier folder takes
    /// precedence.
    ///
    /// # Errors
    /// If `folders` is empty.
    pub fn new<P: AsRef<Path>>(folders: &[P]) -> Result<FileSource, Error> {
        let roots = folders.iter().map(|folder| Root::Folder(folder.as_ref().to_owned())).collect();
        FileSource::of(roots, &SourceOptions::default())
    }

    pub(super) fn of_folders(folders: &[PathBuf], options: &SourceOptions) -> Result<FileSource, Error> {
        FileSource::of(folders.iter().cloned().map(Root::Folder).collect(), options)
    }

    pub(super) fn of_list(list: FileList, options: &SourceOptions) -> Result<FileSource, Error> {
        FileSource::of(vec![Root::List(list)], options)
    }

    fn of(roots: Vec<Root>, options: &SourceOptions) -> Result<FileSource, Error> {
        if roots.is_empty() {
            return Err(Error::NoSource);
        }
        // Standard input has no path.
        let paths = roots.iter().map(Root::path).chain(options.metadata.clone());
        let paths = paths.filter(|path| path != Path::new("-")).collect();
        Ok(FileSource { roots, paths, options: options.clone(), others: Mutex::default() })
    }

    /// The root of a place, and the place in it.
    fn locate(&self, mut place: u32) -> (&Root, u32) {
        let (last, before) = self.roots.split_last().expect("a source has a root");
        for root in before {
            match place.checked_sub(root.places()) {
                Some(rest) => place = rest,
                None => return (root, place),
            }
        }
        (last, place)
    }

    fn file(&self, place: u32, key: &str) -> PathBuf {
        let (root, place) = self.locate(place);
        root.file(place, key)
    }
}

impl Source for FileSource {
    /// Lists the inputs in an order that does not depend on the file system. Opens no image.
    fn list(&self, spec: &Spec) -> Result<Listing, Error> {
        let given = self.options.metadata.as_ref().and_then(|table| table.canonicalize().ok());
        let (mut found, mut place, mut has_table) = (Found { given, ..Found::default() }, 0, false);
        for root in &self.roots {
            match root {
                Root::Folder(folder) => walk(&mut found, folder, place, spec)?,
                Root::List(list) => {
                    list.list(&mut found, place);
                    has_table |= list.has_labels();
                }
            }
            place += root.places();
        }
        let tables = metadata::read(&found, &self.options)?;
        has_table |= !tables.is_empty();
        found.decide(spec, has_table)?;
        let mut listing = found.into_listing(&|place| self.locate(place).0.path());
        if !has_table || listing.folders == Some(Folders::Classes) {
            listing.label_by_folders();
        }
        if has_table && !tables.has_labels() {
            listing.tell_folders_without_meaning();
        }
        for root in &self.roots {
            if let Root::List(list) = root {
                list.label(&mut listing);
            }
        }
        let others = tables.join(&mut listing, spec, &self.options)?;
        *self.others.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(others);
        listing.rejects.sort();
        if !has_table {
            listing
                .tell_nested_folders(spec, self.paths.first().filter(|_| self.roots.len() == 1).map(PathBuf::as_path));
        }
        listing.tell_ignored();
        if spec.size.is_none() {
            listing.tell_unknown_to_pillow();
        }
        Ok(listing)
    }

    fn read(&self, images: &[ImageRef<'_>], limits: &Limits, files: &mut Files) {
        for ImageRef { record, image } in images {
            let is_read = match image {
                0 => files.add_file(&self.file(record.place, &record.key), limits),
                number => {
                    let others = self.others.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    match others.image(record.row, number - 1) {
                        Ok((place, key)) => files.add_file(&self.file(place, key), limits),
                        Err(error) => files.add(|_| Err(error)),
                    }
                }
            };
            if !is_read {
                return;
            }
        }
    }

    fn length(&self, record: &Record) -> Option<u64> {
        fs::metadata(self.file(record.place, &record.key)).ok().map(|file| file.len())
    }

    fn paths(&self) -> &[PathBuf] {
        &self.paths
    }
}
