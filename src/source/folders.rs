//! Folders of images: walks them, decides what their top-level folders mean, and lists every image file as a record or
//! a reject. Nothing is dropped silently: other files are counted ([`Ignored`](super::Ignored)) or reported in a
//! [`Notice`].

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::files::Files;
use super::listing::Listing;
use super::notice::{Notice, UNKNOWN_TO_PILLOW};
use super::record::Record;
use super::tree::{Tree, empty_folders};
use super::{ImageRef, Source, reject};
use crate::dataset::names::system_file;
use crate::error::{Error, RecordError};
use crate::spec::{Folders, Limits, Spec, SpecError, Split};

/// File name extensions of images, in lower case. Files of the formats in the second group are
/// inputs too, so that they are listed as rejected instead of being ignored.
const EXTENSIONS: &[&str] = &[
    "jpg", "jpeg", "jpe", "jfif", "png", "apng", "webp", "gif", "bmp", "dib", "tif", "tiff", "pnm", "pbm", "pgm",
    "ppm", "pam", "qoi", "tga", "ico", "hdr", "exr", "ff", // decodable
    "avif", "heic", "heif", "jxl", "jp2", // not decodable without C code
];

/// Files that describe the images beside them to Hugging Face `datasets`.
const METADATA: &[&str] = &["metadata.csv", "metadata.jsonl", "metadata.parquet"];

/// Depth of the class folders in split folders, the deepest ones that mean something.
const DEEPEST: usize = 2;

/// One or more folders of images.
#[derive(Clone, Debug)]
pub struct FolderSource {
    roots: Vec<PathBuf>,
}

impl FolderSource {
    /// A source of these folders. If two have a file with the same key, the earlier folder takes precedence.
    ///
    /// # Errors
    /// If `folders` is empty.
    pub fn new<P: AsRef<Path>>(folders: &[P]) -> Result<FolderSource, Error> {
        let roots: Vec<PathBuf> = folders.iter().map(|folder| folder.as_ref().to_owned()).collect();
        if roots.is_empty() { Err(Error::NoSource) } else { Ok(FolderSource { roots }) }
    }
}

impl Source for FolderSource {
    /// Lists the inputs in an order that does not depend on the file system. Opens no file.
    fn list(&self, spec: &Spec) -> Result<Listing, Error> {
        let asked =
            spec.tensors.iter().map(|column| &column.name).chain(spec.columns.iter().map(|column| &column.name));
        if let Some(name) = asked.into_iter().next() {
            return Err(SpecError::NotInFolders(name.clone()).into());
        }
        let mut walk = Walk { roots: &self.roots, listing: Listing::default(), metadata: Vec::new() };
        for (root, place) in self.roots.iter().zip(0..) {
            walk.walk(root, place, spec)?;
        }
        Ok(walk.finish(spec))
    }

    fn read(&self, images: &[ImageRef<'_>], limits: &Limits, files: &mut Files) {
        for image in images {
            let path = self.path(image.record);
            if !files.add_file(&path, limits) {
                return;
            }
        }
    }

    fn length(&self, record: &Record) -> Option<u64> {
        fs::metadata(self.path(record)).ok().map(|file| file.len())
    }

    fn paths(&self) -> &[PathBuf] {
        &self.roots
    }
}

impl FolderSource {
    fn path(&self, record: &Record) -> PathBuf {
        self.roots[record.place as usize].join(&*record.key)
    }
}

/// A walk through the folders.
struct Walk<'a> {
    roots: &'a [PathBuf],
    listing: Listing,
    /// Paths of files with labels or captions, below their sources.
    metadata: Vec<String>,
}

impl Walk<'_> {
    fn finish(mut self, spec: &Spec) -> Listing {
        self.keep_first_of_each_key();
        self.assign_labels();
        self.listing.rejects.sort();
        match self.listing.folders {
            // If the user says that top folders are classes, nobody takes others for classes.
            Some(Folders::Classes) if spec.folders == Folders::Auto => self.tell_nested_folders(0),
            Some(Folders::Splits) => self.tell_nested_folders(1),
            _ => {}
        }
        self.tell_ignored();
        if spec.size.is_none() {
            self.tell_unknown_to_pillow();
        }
        self.listing
    }

    fn walk(&mut self, root: &Path, place: u32, spec: &Spec) -> Result<(), Error> {
        let meta = fs::metadata(root).map_err(Error::io("read source folder", root))?;
        if !meta.is_dir() {
            return Err(Error::SourceNotFolder(root.to_owned()));
        }
        let first = (self.listing.records.len(), self.listing.rejects.len());
        let mut folders = BTreeSet::new();
        let mut entries = WalkDir::new(root).min_depth(1).follow_links(spec.follow_links).into_iter();
        while let Some(entry) = entries.next() {
            match entry {
                Ok(entry) if self.ignores(entry.file_name()) => {
                    if entry.file_type().is_dir() {
                        entries.skip_current_dir();
                    }
                }
                Ok(entry) if entry.file_type().is_dir() => {
                    if entry.depth() <= DEEPEST {
                        let below = entry.path().strip_prefix(root).unwrap_or(entry.path());
                        folders.insert(below.to_string_lossy().into_owned());
                    }
                }
                Ok(entry) => self.look_at(&entry, root, place, spec),
                Err(error) if error.depth() == 0 => {
                    return Err(Error::io("read source folder", root)(error.into()));
                }
                Err(error) => self.reject_unwalkable(error, root, spec),
            }
        }
        self.read_folders(root, first, &folders, spec)
    }

    /// Whether a file or folder of this name is no input, because it is hidden or a system's. Counts it.
    fn ignores(&mut self, name: &OsStr) -> bool {
        if let Some(system) = system_file(name) {
            *self.listing.ignored.system.entry(system).or_default() += 1;
        } else if is_hidden(name) {
            self.listing.ignored.hidden += 1;
        } else {
            return false;
        }
        true
    }

    /// Makes a file a record or a reject, or counts it as ignored.
    fn look_at(&mut self, entry: &DirEntry, root: &Path, place: u32, spec: &Spec) {
        let path = entry.path();
        if METADATA.iter().any(|name| entry.file_name() == *name) {
            let below = path.strip_prefix(root).unwrap_or(path);
            self.metadata.push(below.to_string_lossy().into_owned());
        }
        let extension = extension_of(path);
        let named_as_image = is_named_as_image(&extension, spec);
        let kind = match entry.file_type() {
            kind if kind.is_symlink() => match fs::metadata(path) {
                Ok(meta) => meta.file_type(),
                Err(_) if named_as_image => return self.reject(path, root, RecordError::BrokenLink),
                Err(_) => return *self.listing.ignored.other.entry(extension).or_default() += 1,
            },
            kind => kind,
        };
        if kind.is_dir() {
            self.listing.ignored.linked_folders += 1;
        } else if !named_as_image {
            *self.listing.ignored.other.entry(extension).or_default() += 1;
        } else if !kind.is_file() {
            self.reject(path, root, RecordError::NotAFile);
        } else {
            match key_of(path, root) {
                Some(key) => self.listing.records.push(Record::new(key, place)),
                None => self.reject(path, root, RecordError::NameNotUtf8),
            }
        }
    }

    fn reject(&mut self, path: &Path, root: &Path, error: RecordError) {
        let key = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
        self.listing.rejects.push(reject(key, &error));
    }

    fn reject_unwalkable(&mut self, error: walkdir::Error, root: &Path, spec: &Spec) {
        let path = error.path().unwrap_or(root).to_owned();
        let is_link = fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_symlink());
        let reason = match error.loop_ancestor() {
            Some(_) => RecordError::LinkLoop,
            // A broken link, found while links are followed.
            None if is_link && self.ignores(path.file_name().unwrap_or_default()) => return,
            None if is_link => match extension_of(&path) {
                extension if is_named_as_image(&extension, spec) => RecordError::BrokenLink,
                extension => return *self.listing.ignored.other.entry(extension).or_default() += 1,
            },
            None => RecordError::Unreadable(error.into_io_error().unwrap_or_else(|| ErrorKind::Other.into())),
        };
        self.reject(&path, root, reason);
    }

    /// Decides what the top-level folders of one source mean and assigns its records their splits. A record
    /// next to these folders, rather than in one, is rejected.
    /// `first` are the numbers of records and rejects of earlier sources.
    fn read_folders(
        &mut self,
        root: &Path,
        (first, first_reject): (usize, usize),
        all: &BTreeSet<String>,
        spec: &Spec,
    ) -> Result<(), Error> {
        let used: BTreeSet<&str> =
            self.listing.records[first..].iter().filter_map(|r| r.key.split_once('/')).map(|(t, _)| t).collect();
        let not_a_split = used.iter().find(|name| Split::from_folder_name(name).is_none());
        let folders = match spec.folders {
            Folders::Auto if used.is_empty() => Folders::None,
            Folders::Auto if not_a_split.is_none() => Folders::Splits,
            Folders::Auto => Folders::Classes,
            asked => asked,
        };
        if folders == Folders::Classes && spec.folders == Folders::Auto {
            let above = Tree::of(self.listing.records[first..].iter().map(|record| &*record.key)).above_splits();
            if !above.is_empty() {
                return Err(Error::SplitFoldersBelow(above.into_iter().map(|folder| root.join(folder)).collect()));
            }
        }
        if let (Folders::Splits, Some(folder)) = (folders, not_a_split) {
            return Err(Error::NotASplitFolder { folder: (*folder).to_owned(), source_folder: root.to_owned() });
        }
        // A source without images says nothing about what folders mean.
        match self.listing.folders {
            _ if self.listing.records.len() == first && spec.folders == Folders::Auto => {}
            Some(earlier) if earlier != folders => {
                let first = self.roots[0].clone();
                return Err(Error::MixedSources {
                    first,
                    first_folders: earlier,
                    other: root.to_owned(),
                    other_folders: folders,
                });
            }
            _ => self.listing.folders = Some(folders),
        }
        let used = used.into_iter().map(str::to_owned).collect();
        self.tell_folders(root, folders, &used, spec);
        self.tell_empty_folders(root, folders, (first, first_reject), all);

        let labelled =
            folders == Folders::Splits && self.listing.records[first..].iter().any(|r| r.key.split('/').count() > 2);
        let tail = self.listing.records.split_off(first);
        for mut record in tail {
            let (top, rest) = match record.key.split_once('/') {
                Some((top, rest)) => (Some(top), rest),
                None => (None, &*record.key),
            };
            let beside = match folders {
                Folders::Classes if top.is_none() => Some(RecordError::NoClass),
                Folders::Splits if top.is_none() => Some(RecordError::NoSplit),
                Folders::Splits if labelled && !rest.contains('/') => Some(RecordError::NoClass),
                _ => None,
            };
            match beside {
                Some(error) => self.listing.rejects.push(reject(record.key, &error)),
                None => {
                    record.split = top.filter(|_| folders == Folders::Splits).and_then(Split::from_folder_name);
                    self.listing.records.push(record);
                }
            }
        }
        Ok(())
    }

    fn tell_folders(&mut self, root: &Path, folders: Folders, used: &BTreeSet<String>, spec: &Spec) {
        if folders == Folders::Splits && spec.folders == Folders::Auto {
            self.listing.notices.push(Notice::SplitFolders(root.to_owned()));
        }
        let words: Vec<&String> = used.iter().filter(|name| Split::from_folder_name(name).is_some()).collect();
        // If all names are split names, they are classes only because the user says so.
        if folders == Folders::Classes && words.len() < used.len() {
            self.listing.notices.extend(words.into_iter().map(|name| Notice::SplitWordIsClass(name.clone())));
        }
    }

    /// Names the class folders, or the split folders and the class folders in them, that have no images.
    fn tell_empty_folders(
        &mut self,
        root: &Path,
        of: Folders,
        (first, first_reject): (usize, usize),
        all: &BTreeSet<String>,
    ) {
        let deepest = match of {
            Folders::Classes => 1,
            Folders::Splits => DEEPEST,
            _ => return,
        };
        let Listing { records, rejects, .. } = &self.listing;
        let inputs = records[first..].iter().map(|record| &*record.key);
        // A folder that could not be listed is rejected itself, not empty.
        let inputs = inputs.chain(rejects[first_reject..].iter().map(|reject| &*reject.path));
        let empty = empty_folders(all, inputs, deepest).into_iter();
        let folders: Vec<_> = empty.map(|folder| root.join(folder)).collect();
        if !folders.is_empty() {
            self.listing.notices.push(Notice::EmptyFolders { folders, of });
        }
    }

    /// Names the folders in class folders: a user may take them for classes.
    fn tell_nested_folders(&mut self, depth: usize) {
        let tree = Tree::of(self.listing.records.iter().map(|record| &*record.key));
        let folders = tree.below(depth);
        if folders.is_empty() {
            return;
        }
        // One folder with everything in it is most likely the folder that should have been given.
        let source = match (self.roots, self.listing.classes.first()) {
            ([root], Some(class)) if depth == 0 && self.listing.classes.len() == 1 => {
                let beside = self.listing.records.iter().any(|record| record.key.split('/').count() == 2);
                (!beside && folders.get(class).is_some_and(|inside| inside.len() > 1)).then(|| root.join(class))
            }
            _ => None,
        };
        self.listing.notices.push(Notice::NestedFolders { folders, source });
    }

    /// Sorts by key. Of records with the same key, keeps the one from the earliest source and rejects the others.
    fn keep_first_of_each_key(&mut self) {
        self.listing.records.sort_unstable_by(|a, b| (&*a.key, a.place).cmp(&(&*b.key, b.place)));
        let (roots, rejects) = (self.roots, &mut self.listing.rejects);
        self.listing.records.dedup_by(|later, earlier| {
            let same = later.key == earlier.key;
            if same {
                let taken_by = roots[earlier.place as usize].clone();
                rejects.push(reject(later.key.clone(), &RecordError::DuplicateKey(taken_by)));
            }
            same
        });
    }

    fn assign_labels(&mut self) {
        let depth = match self.listing.folders {
            Some(Folders::Classes) => 0,
            Some(Folders::Splits) => 1,
            _ => return,
        };
        let names: BTreeSet<&str> =
            self.listing.records.iter().filter_map(|record| class_of(&record.key, depth)).collect();
        self.listing.classes = names.into_iter().map(str::to_owned).collect();
        let ids: HashMap<&str, u32> = self.listing.classes.iter().map(String::as_str).zip(0..).collect();
        for record in &mut self.listing.records {
            record.label = class_of(&record.key, depth).map(|name| ids[name]);
        }
    }

    fn tell_unknown_to_pillow(&mut self) {
        let extension = |record: &Record| Some(record.key.rsplit_once('.')?.1.to_ascii_lowercase());
        let extensions = self.listing.records.iter().filter_map(extension);
        match extensions.filter(|extension| UNKNOWN_TO_PILLOW.contains(&extension.as_str())).count() {
            0 => {}
            unknown => self.listing.notices.push(Notice::UnknownToPillow(unknown)),
        }
    }

    fn tell_ignored(&mut self) {
        if !self.metadata.is_empty() {
            self.metadata.sort();
            self.listing.notices.push(Notice::MetadataFiles(std::mem::take(&mut self.metadata)));
        }
        if !self.listing.ignored.system.is_empty() {
            self.listing.notices.push(Notice::SystemFiles(self.listing.ignored.system.clone()));
        }
        if self.listing.ignored.hidden > 0 {
            self.listing.notices.push(Notice::Hidden(self.listing.ignored.hidden));
        }
        if self.listing.ignored.linked_folders > 0 {
            self.listing.notices.push(Notice::LinkedFolders(self.listing.ignored.linked_folders));
        }
        if !self.listing.ignored.other.is_empty() {
            self.listing.notices.push(Notice::OtherFiles(self.listing.ignored.other.clone()));
        }
    }
}

/// The folder at this depth of a key; none if the file is not that deep.
fn class_of(key: &str, depth: usize) -> Option<&str> {
    let mut folders = key.split('/');
    let class = folders.nth(depth)?;
    folders.next().map(|_| class)
}

/// Whether a file with this extension, in lower case, is an input.
fn is_named_as_image(extension: &str, spec: &Spec) -> bool {
    spec.any_name || EXTENSIONS.contains(&extension)
}

fn is_hidden(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(b".") || name.starts_with(b"__")
}

/// The extension of a path, in lower case; empty if it has none.
fn extension_of(path: &Path) -> String {
    path.extension().map(|ext| ext.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}

fn key_of(path: &Path, root: &Path) -> Option<String> {
    let parts = path.strip_prefix(root).ok()?.iter().map(|part| part.to_str());
    Some(parts.collect::<Option<Vec<_>>>()?.join("/"))
}
