//! Finds arrays of images in files and folders.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::array::Array;
use super::element::Kind;
use super::name::{Name, Role};
use super::set::{Set, Shelf};
use super::stored::{Place, Stored};
use super::{cifar, idx, images::Images, npy, npz};
use crate::dataset::names::system_file;
use crate::dataset::reject::Reject;
use crate::error::{Error, RecordError, SourceError};
use crate::remote::{Stores, is_url};
use crate::run::StorageOptions;
use crate::source::reject;

/// Bytes that a file is recognized from.
const HEAD: usize = 8;

/// Deepest folder that is looked into.
const DEEPEST: usize = 16;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) sets: Vec<Set>,
    /// Arrays that belong to no images, by name.
    pub(super) left_out: Vec<String>,
    /// Numbers of files that are no arrays, by extension in lower case.
    pub(super) other: BTreeMap<String, usize>,
    /// Number of hidden files and folders.
    pub(super) hidden: usize,
    pub(super) rejects: Vec<Reject>,
    /// Every array with its shape.
    all: Vec<String>,
    /// First file with pickled objects, and the name of the array if it is one.
    pickled: Option<(PathBuf, Option<String>)>,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Npy,
    Npz,
    Idx,
    IdxGzip,
    Cifar,
    Pickled,
}

impl Format {
    /// What a file is, from its first bytes and its name.
    fn of(head: &[u8], path: &Path, stores: &Stores) -> Option<Format> {
        let name = path.file_name()?.to_string_lossy();
        let lower = name.to_ascii_lowercase();
        match head {
            _ if head.starts_with(npy::MAGIC) => Some(Format::Npy),
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] if lower.ends_with(".npz") => Some(Format::Npz),
            [0x1F, 0x8B, ..] if lower.contains("ubyte") || lower.contains(".idx") => Some(Format::IdxGzip),
            _ if cifar::is_pickled(&name, head) => Some(Format::Pickled),
            _ if is_cifar(&name, path, stores) => Some(Format::Cifar),
            _ if idx::is_idx(head) => Some(Format::Idx),
            _ => None,
        }
    }
}

/// Whether a file has the name and the length of one of CIFAR. Only the names of CIFAR-10 say enough by themselves.
fn is_cifar(name: &str, path: &Path, stores: &Stores) -> bool {
    let has_whole_records = |cifar: cifar::Cifar| {
        stores.open(path).is_ok_and(|file| !file.is_empty() && file.len().is_multiple_of(cifar.record()))
    };
    match cifar::of_name(name) {
        Some((cifar::Cifar::Ten, _)) => true,
        Some((cifar, _)) => has_whole_records(cifar) || stores.is_file(&path.with_file_name("fine_label_names.txt")),
        None => false,
    }
}

/// Whether a file that begins so holds arrays, or belongs to a dataset of arrays that can't be read.
pub(super) fn is_array(head: &[u8], path: &Path, stores: &Stores) -> bool {
    Format::of(head, path, stores).is_some()
}

/// Whether a file of so many bytes is one of arrays by its name.
pub(super) fn is_array_name(path: &Path, bytes: u64) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let lower = name.to_ascii_lowercase();
    let is_cifar =
        |(cifar, _): (cifar::Cifar, _)| cifar == cifar::Cifar::Ten || bytes > 0 && bytes.is_multiple_of(cifar.record());
    let of_arrays = lower.ends_with(".npy") || lower.ends_with(".npz");
    of_arrays || lower.contains("ubyte") || lower.contains(".idx") || cifar::of_name(&name).is_some_and(is_cifar)
}

/// The first bytes of a regular file; none if it is something else.
fn head(path: &Path, stores: &Stores) -> Option<Vec<u8>> {
    let mut head = [0; HEAD];
    let read = stores.open(path).and_then(|file| file.read_up_to(0, &mut head)).ok()?;
    Some(head[..read].to_vec())
}

/// Whether a folder, or one right below it, holds arrays.
pub(super) fn has_arrays(folder: &Path) -> bool {
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let disks = Stores::new(&StorageOptions::default());
    let is_array = |path: &Path| head(path, &disks).is_some_and(|head| is_array(&head, path, &disks));
    let is_array_file = |path: &Path| path.is_file() && is_array(path);
    entries(folder).any(|path| is_array_file(&path) || path.is_dir() && entries(&path).any(|path| is_array_file(&path)))
}

impl Found {
    /// The arrays in files and folders. If `images` is the name of an array, no other one is taken for images.
    ///
    /// # Errors
    /// If a file can't be read or is damaged, or if there are no images.
    pub(super) fn new(paths: &[PathBuf], images: Option<&str>, stores: &Stores) -> Result<Found, Error> {
        let mut found = Found::default();
        // Files of one folder belong together, whether they are given or found.
        let mut given = BTreeMap::<PathBuf, Vec<PathBuf>>::new();
        for path in paths {
            if is_url(path) {
                if stores.is_file(path) {
                    given.entry(path.parent().unwrap_or(path).to_owned()).or_default().push(path.clone());
                } else {
                    let mut folders = files_by_folder(path, stores)?.into_values();
                    folders.try_for_each(|files| found.add_files(path, files, images, false, stores))?;
                }
                continue;
            }
            let meta = fs::metadata(path).map_err(Error::io("read", path))?;
            if meta.is_dir() {
                found.add_folder(path, path, images, 0, stores)?;
            } else {
                given.entry(path.parent().unwrap_or(Path::new("")).to_owned()).or_default().push(path.clone());
            }
        }
        for (folder, files) in given {
            found.add_files(&folder, files, images, true, stores)?;
        }
        if !found.sets.is_empty() {
            return Ok(found);
        }
        let first = paths.first().cloned().unwrap_or_default();
        match (found.pickled.take(), found.all.is_empty()) {
            (Some((path, name)), _) => Err(Error::source(&path)(SourceError::Pickled { name })),
            (None, true) => Err(Error::source(&first)(SourceError::UnknownFormat)),
            (None, false) => Err(Error::source(&first)(SourceError::NoImageArray { arrays: found.all })),
        }
    }

    fn add_folder(
        &mut self,
        root: &Path,
        folder: &Path,
        images: Option<&str>,
        depth: usize,
        stores: &Stores,
    ) -> Result<(), Error> {
        let entries = fs::read_dir(folder).map_err(Error::io("read source folder", folder))?;
        let entries = entries.collect::<Result<Vec<_>, _>>().map_err(Error::io("read source folder", folder))?;
        let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
        paths.sort();
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        for path in paths {
            let name = path.file_name().unwrap_or_default();
            let is_hidden = name.as_encoded_bytes().starts_with(b".") || name.as_encoded_bytes().starts_with(b"__");
            let is_link = fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_symlink());
            if is_hidden || system_file(name).is_some() {
                self.hidden += 1;
            } else if !path.is_dir() {
                files.push(path);
            } else if !is_link && depth < DEEPEST {
                folders.push(path);
            }
        }
        self.add_files(root, files, images, false, stores)?;
        folders.iter().try_for_each(|folder| self.add_folder(root, folder, images, depth + 1, stores))
    }

    /// Adds the files of one folder. `are_given` if they were named, so that labels may lie beside them.
    fn add_files(
        &mut self,
        root: &Path,
        files: Vec<PathBuf>,
        images: Option<&str>,
        are_given: bool,
        stores: &Stores,
    ) -> Result<(), Error> {
        let mut shelf = Shelf { images: images.map(str::to_owned), ..Shelf::default() };
        for path in &files {
            let Some(format) = head(path, stores).and_then(|head| Format::of(&head, path, stores)) else {
                self.add_other(path, are_given)?;
                continue;
            };
            let Some(key) = path.strip_prefix(root).ok().and_then(key_of) else {
                self.rejects.push(reject(path.to_string_lossy(), &RecordError::NameNotUtf8));
                continue;
            };
            match format {
                Format::Npy | Format::Idx | Format::IdxGzip => {
                    // Many have a file both compressed and not.
                    let unpacked = path.with_extension("");
                    if format != Format::IdxGzip || !files.contains(&unpacked) {
                        shelf.arrays.push((array(path, format, stores)?, key));
                    }
                }
                Format::Npz => {
                    let arrays = npz::arrays(path, stores)?;
                    let arrays = arrays.into_iter().map(|array| (format!("{key}/{}", array.name), array));
                    let arrays = arrays.map(|(key, array)| (array, key)).collect();
                    let images = shelf.images.clone();
                    self.add_shelf(Shelf { arrays, is_file: true, images })?;
                }
                Format::Cifar => self.add_cifar(path, key, stores)?,
                Format::Pickled => self.pickled = self.pickled.take().or_else(|| Some((path.clone(), None))),
            }
        }
        if are_given {
            add_beside(&mut shelf, &files, stores)?;
        }
        self.add_shelf(shelf)
    }

    fn add_other(&mut self, path: &Path, is_given: bool) -> Result<(), Error> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if is_given {
            return Err(Error::source(path)(SourceError::UnknownFormat));
        }
        if !cifar::is_description(&name) {
            let extension = path.extension().map(|ext| ext.to_string_lossy().to_ascii_lowercase());
            *self.other.entry(extension.unwrap_or_default()).or_default() += 1;
        }
        Ok(())
    }

    fn add_shelf(&mut self, shelf: Shelf) -> Result<(), Error> {
        self.all.extend(shelf.arrays.iter().map(|(array, _)| format!("{} {}", array.name, array.shape_text())));
        let is_pickled = |array: &&Array| array.element.kind == Kind::Object;
        if let Some(array) = shelf.arrays.iter().map(|(array, _)| array).find(is_pickled) {
            let found = || Some((array.stored.path().to_owned(), Some(array.name.clone())));
            self.pickled = self.pickled.take().or_else(found);
        }
        let (sets, left_out) = shelf.sets()?;
        self.sets.extend(sets);
        self.left_out.extend(left_out);
        Ok(())
    }

    fn add_cifar(&mut self, path: &Path, key: String, stores: &Stores) -> Result<(), Error> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some((cifar, split)) = cifar::of_name(&name) else { return Ok(()) };
        let groups = cifar.groups(path, stores)?.map(|groups| ("coarse_label".to_owned(), groups));
        self.sets.push(Set {
            images: Images::new(cifar.images(path, stores)?)?,
            key,
            split: Some(split),
            labels: Some(cifar.classes(path, stores)?),
            names: cifar.names(path, stores)?,
            columns: groups.into_iter().collect(),
        });
        Ok(())
    }
}

/// Adds the labels that lie beside given files: those whose names say that they belong to them.
fn add_beside(shelf: &mut Shelf, given: &[PathBuf], stores: &Stores) -> Result<(), Error> {
    let names: Vec<(Name, u64)> = shelf.arrays.iter().map(|(array, _)| (Name::of(&array.name), array.rows())).collect();
    let Some(folder) = given.first().and_then(|path| path.parent()) else { return Ok(()) };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut beside: Vec<PathBuf> = match is_url(folder) {
        // A server of the web lists nothing.
        true => stores.names(folder).unwrap_or_default().iter().map(|name| folder.join(name)).collect(),
        false => fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect(),
    };
    beside.sort();
    for path in beside {
        let is_given = given.iter().any(|given| given.file_name() == path.file_name());
        let name = Name::of(stem(&path.to_string_lossy()).rsplit('/').next().unwrap_or_default());
        let of = |(of, _): &&(Name, u64)| of.split == name.split && (of.rest == name.rest || name.rest.is_empty());
        let Some((of, rows)) = names.iter().find(of).filter(|_| !is_given && matches!(name.role, Role::Labels(_)))
        else {
            continue;
        };
        let format = head(&path, stores).and_then(|head| Format::of(&head, &path, stores));
        let Some(format @ (Format::Npy | Format::Idx | Format::IdxGzip)) = format else { continue };
        let unpacked = path.with_extension("");
        if format == Format::IdxGzip && stores.is_file(&unpacked) {
            continue;
        }
        let array = array(&path, format, stores)?;
        if of.rest == name.rest || array.rows() == *rows {
            shelf.arrays.push((array, String::new()));
        }
    }
    Ok(())
}

/// The files below a URL, by the folder that they are in; hidden ones are left out.
fn files_by_folder(url: &Path, stores: &Stores) -> Result<BTreeMap<PathBuf, Vec<PathBuf>>, Error> {
    let mut folders = BTreeMap::<PathBuf, Vec<PathBuf>>::new();
    let is_hidden = |key: &str| key.split('/').any(|name| name.starts_with('.') || name.starts_with("__"));
    let below = stores.below(url)?;
    for (key, _) in below.iter().filter(|(key, _)| !is_hidden(key)) {
        let folder = Path::new(key).parent().unwrap_or(Path::new(""));
        folders.entry(folder.to_owned()).or_default().push(url.join(key));
    }
    Ok(folders)
}

/// The array of a file.
fn array(path: &Path, format: Format, stores: &Stores) -> Result<Array, Error> {
    let name = stem(&path.file_name().unwrap_or_default().to_string_lossy()).to_owned();
    match format {
        Format::Npy => Array::of_npy(Stored::whole(path, stores)?, name),
        Format::IdxGzip => {
            let file = stores.open(path).map_err(Error::io("open", path))?;
            Array::of_idx(Stored::new(path.to_owned(), &file, Place::Gzip), name)
        }
        _ => Array::of_idx(Stored::whole(path, stores)?, name),
    }
}

/// A path without the extensions that say in which format an array is.
fn stem(path: &str) -> &str {
    let path = path.strip_suffix(".gz").unwrap_or(path);
    match path.rsplit_once('.') {
        Some((stem, "npy" | "npz" | "bin" | "NPY" | "NPZ")) => stem,
        _ => path,
    }
}

/// The beginning of the keys of the rows of a file.
fn key_of(below: &Path) -> Option<String> {
    let parts = below.iter().map(|part| part.to_str());
    Some(stem(&parts.collect::<Option<Vec<_>>>()?.join("/")).to_owned())
}
