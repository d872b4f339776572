//! Finds the inputs of a run: walks the source folders, decides what their top folders mean, and
//! turns every file that is named as an image, or every file if any name will do, into a [`Record`]
//! or a [`Reject`]. Opens no file. Nothing is dropped in silence: what is not an input is counted in
//! [`Ignored`] or named by a [`Notice`].
//!
//! A record takes 32 bytes and the bytes of its key (see `record_is_small`).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use crate::error::{Error, RecordError};
use crate::reject::Reject;
use crate::spec::{Folders, Spec, Split};

/// File name extensions of images, in lower case. Files of the formats in the second group are
/// inputs too, so that they are named as rejects instead of being passed over.
const EXTENSIONS: &[&str] = &[
    "jpg", "jpeg", "jpe", "jfif", "png", "apng", "webp", "gif", "bmp", "dib", "tif", "tiff", "pnm", "pbm", "pgm",
    "ppm", "pam", "qoi", "tga", "ico", "hdr", "exr", "ff", // decodable
    "avif", "heic", "heif", "jxl", "jp2", // not decodable without C code
];

/// Of those, what Pillow has no decoder for.
const UNKNOWN_TO_PILLOW: &[&str] = &["pam", "hdr", "exr", "ff"];

/// One input file, before it is decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The path below the source folder, `/`-separated, unique in the dataset: the key of its row.
    pub key: Box<str>,
    /// An index into [`Discovery::roots`].
    pub source: u32,
    /// An index into [`Discovery::classes`].
    pub label: Option<u32>,
    /// The split: the source's own, until another is assigned.
    pub split: Option<Split>,
}

/// Everything that the sources hold.
#[derive(Debug, Default)]
pub struct Discovery {
    /// The source folders.
    pub roots: Vec<PathBuf>,
    /// The inputs, sorted by key.
    pub records: Vec<Record>,
    /// The names of the classes, sorted by UTF-8 bytes; none if rows have no label.
    pub classes: Vec<String>,
    /// What the top folders mean.
    pub folders: Option<Folders>,
    /// Inputs that can't become rows.
    pub rejects: Vec<Reject>,
    /// Files that are no inputs.
    pub ignored: Ignored,
    /// What a user may want to know about how the sources were read.
    pub notices: Vec<Notice>,
}

/// Files that are no inputs, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Ignored {
    /// Files and folders whose names begin with `.` or `__`.
    pub hidden: usize,
    /// Files that are not named as images, by extension in lower case (empty: none).
    pub other: BTreeMap<String, usize>,
    /// Symbolic links to folders, not followed.
    pub linked_folders: usize,
}

/// Something about the sources that is no error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The top folders were taken for splits.
    SplitFolders(PathBuf),
    /// A folder named like a split was taken for a class.
    SplitWordIsClass(String),
    /// A class has no image.
    EmptyFolder(PathBuf),
    /// Links to folders were not followed.
    LinkedFolders(usize),
    /// Files were passed over because of their names: how many of each extension ([`Ignored::other`]).
    OtherFiles(BTreeMap<String, usize>),
    /// Hidden files or folders were passed over.
    Hidden(usize),
    /// Files are stored as they are that who reads them with Pillow can't decode.
    UnknownToPillow(usize),
    /// Classes are too small for exact shares.
    SmallClasses {
        /// Names of the first few.
        names: Vec<String>,
        /// How many there are.
        count: usize,
        /// The splits in the order in which they are filled.
        order: Vec<Split>,
    },
    /// All images together are too few for exact shares.
    FewImages {
        /// How many there are.
        count: usize,
        /// The splits in the order in which they are filled.
        order: Vec<Split>,
    },
    /// A run that was interrupted is not continued.
    GivenUp,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::SplitFolders(path) => write!(f, "the top folders of `{}` are taken as splits", path.display()),
            Notice::SplitWordIsClass(name) => {
                write!(f, "folder `{name}` is taken as a class, as not every folder beside it is named after a split")
            }
            Notice::EmptyFolder(path) => write!(f, "folder `{}` holds no image and is no class", path.display()),
            Notice::LinkedFolders(1) => write!(f, "1 symbolic link to a folder is not followed"),
            Notice::LinkedFolders(n) => write!(f, "{n} symbolic links to folders are not followed"),
            Notice::OtherFiles(counts) => {
                let name = |ext: &str| if ext.is_empty() { "no extension".to_owned() } else { format!(".{ext}") };
                let counts: Vec<_> = counts.iter().map(|(ext, n)| format!("{n} {}", name(ext))).collect();
                write!(f, "ignored files that are not named as images: {}", counts.join(", "))
            }
            Notice::Hidden(n) => write!(f, "ignored {n} hidden files or folders (names that begin with `.` or `__`)"),
            Notice::UnknownToPillow(n) => write!(
                f,
                "stored as they are, files named {} can't be decoded by Pillow: {n}",
                UNKNOWN_TO_PILLOW.join(", ")
            ),
            Notice::SmallClasses { names, count, order } => {
                let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
                let (names, order) = (quoted.join(", "), in_order(order));
                match (count, count - quoted.len()) {
                    (1, _) => write!(f, "class {names} is too small for exact shares, so it fills {order}"),
                    (n, 0) => write!(f, "{n} classes are too small for exact shares, so they fill {order}: {names}"),
                    (n, more) => write!(
                        f,
                        "{n} classes are too small for exact shares, so they fill {order}: {names} and {more} more"
                    ),
                }
            }
            Notice::FewImages { count: 1, order } => {
                write!(f, "1 image is too few for exact shares, so it goes to {}", order[0])
            }
            Notice::FewImages { count, order } => {
                write!(f, "{count} images are too few for exact shares, so they fill {}", in_order(order))
            }
            Notice::GivenUp => {
                write!(f, "an earlier run was interrupted and had other sources; what it committed stays")
            }
        }
    }
}

/// `train, then test, then validation`.
fn in_order(splits: &[Split]) -> String {
    splits.iter().map(|split| split.as_str()).collect::<Vec<_>>().join(", then ")
}

impl Discovery {
    /// Lists the inputs below `sources`, in an order that does not depend on the file system.
    ///
    /// # Errors
    /// If there is no source, one can't be listed, or they disagree on what their top folders mean.
    pub fn of(sources: &[PathBuf], spec: &Spec) -> Result<Discovery, Error> {
        if sources.is_empty() {
            return Err(Error::NoSource);
        }
        let mut found = Discovery::default();
        for root in sources {
            found.walk(root, spec)?;
        }
        found.keep_first_of_each_key();
        found.assign_labels();
        found.rejects.sort();
        found.tell_ignored();
        if spec.size.is_none() {
            found.tell_unknown_to_pillow();
        }
        Ok(found)
    }

    /// The file of a record.
    pub fn path(&self, record: &Record) -> PathBuf {
        self.roots[record.source as usize].join(&*record.key)
    }

    /// Inputs in all: records and rejects.
    pub fn inputs(&self) -> usize {
        self.records.len() + self.rejects.len()
    }

    fn walk(&mut self, root: &Path, spec: &Spec) -> Result<(), Error> {
        let meta = fs::metadata(root).map_err(Error::io("read source folder", root))?;
        if !meta.is_dir() {
            return Err(Error::SourceNotFolder(root.to_owned()));
        }
        let source = u32::try_from(self.roots.len()).expect("nobody names four billion sources");
        self.roots.push(root.to_owned());

        let first = self.records.len();
        let mut top_folders = BTreeSet::new();
        let mut entries = WalkDir::new(root).min_depth(1).follow_links(spec.follow_links).into_iter();
        while let Some(entry) = entries.next() {
            match entry {
                Ok(entry) if is_hidden(entry.file_name()) => {
                    self.ignored.hidden += 1;
                    if entry.file_type().is_dir() {
                        entries.skip_current_dir();
                    }
                }
                Ok(entry) if entry.file_type().is_dir() => {
                    if entry.depth() == 1 {
                        top_folders.insert(entry.file_name().to_string_lossy().into_owned());
                    }
                }
                Ok(entry) => self.look_at(&entry, root, source, spec),
                Err(error) if error.depth() == 0 => {
                    return Err(Error::io("read source folder", root)(error.into()));
                }
                Err(error) => self.reject_unwalkable(error, root, spec),
            }
        }
        self.read_folders(root, first, &top_folders, spec)
    }

    /// Makes a record of a file, or says why not.
    fn look_at(&mut self, entry: &DirEntry, root: &Path, source: u32, spec: &Spec) {
        let path = entry.path();
        let extension = extension_of(path);
        let named_as_image = is_named_as_image(&extension, spec);
        let kind = match entry.file_type() {
            kind if kind.is_symlink() => match fs::metadata(path) {
                Ok(meta) => meta.file_type(),
                Err(_) if named_as_image => return self.reject(path, root, RecordError::BrokenLink),
                Err(_) => return *self.ignored.other.entry(extension).or_default() += 1,
            },
            kind => kind,
        };
        if kind.is_dir() {
            self.ignored.linked_folders += 1;
        } else if !named_as_image {
            *self.ignored.other.entry(extension).or_default() += 1;
        } else if !kind.is_file() {
            self.reject(path, root, RecordError::NotAFile);
        } else {
            match key_of(path, root) {
                Some(key) => self.records.push(Record { key: key.into(), source, label: None, split: None }),
                None => self.reject(path, root, RecordError::NameNotUtf8),
            }
        }
    }

    fn reject(&mut self, path: &Path, root: &Path, error: RecordError) {
        let key = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
        self.rejects.push(Reject::new(key, error));
    }

    fn reject_unwalkable(&mut self, error: walkdir::Error, root: &Path, spec: &Spec) {
        let path = error.path().unwrap_or(root).to_owned();
        let is_link = fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_symlink());
        let reason = match error.loop_ancestor() {
            Some(_) => RecordError::LinkLoop,
            // A link that leads nowhere, which is followed here.
            None if is_link && is_hidden(path.file_name().unwrap_or_default()) => {
                return self.ignored.hidden += 1;
            }
            None if is_link => match extension_of(&path) {
                extension if is_named_as_image(&extension, spec) => RecordError::BrokenLink,
                extension => return *self.ignored.other.entry(extension).or_default() += 1,
            },
            None => RecordError::Unreadable(error.into_io_error().unwrap_or_else(|| ErrorKind::Other.into())),
        };
        self.reject(&path, root, reason);
    }

    /// Decides what the top folders of one source mean and gives its records their splits; a record
    /// that lies beside the folders is rejected.
    fn read_folders(&mut self, root: &Path, first: usize, top: &BTreeSet<String>, spec: &Spec) -> Result<(), Error> {
        let used: BTreeSet<&str> =
            self.records[first..].iter().filter_map(|r| r.key.split_once('/')).map(|(t, _)| t).collect();
        let not_a_split = used.iter().find(|name| Split::from_folder_name(name).is_none());
        let folders = match spec.folders {
            Folders::Auto if used.is_empty() => Folders::None,
            Folders::Auto if not_a_split.is_none() => Folders::Splits,
            Folders::Auto => Folders::Classes,
            asked => asked,
        };
        if let (Folders::Splits, Some(folder)) = (folders, not_a_split) {
            return Err(Error::NotASplitFolder { folder: (*folder).to_owned(), source_folder: root.to_owned() });
        }
        // A source without images says nothing about what folders mean.
        match self.folders {
            _ if self.records.len() == first && spec.folders == Folders::Auto => {}
            Some(earlier) if earlier != folders => {
                let first = self.roots[0].clone();
                return Err(Error::MixedSources {
                    first,
                    first_folders: earlier,
                    other: root.to_owned(),
                    other_folders: folders,
                });
            }
            _ => self.folders = Some(folders),
        }
        self.tell_folders(root, folders, &used.iter().map(|name| (*name).to_owned()).collect(), top, spec);

        let labelled = folders == Folders::Splits && self.records[first..].iter().any(|r| r.key.split('/').count() > 2);
        let tail = self.records.split_off(first);
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
                Some(error) => self.rejects.push(Reject::new(record.key.into(), error)),
                None => {
                    record.split = top.filter(|_| folders == Folders::Splits).and_then(Split::from_folder_name);
                    self.records.push(record);
                }
            }
        }
        Ok(())
    }

    fn tell_folders(
        &mut self,
        root: &Path,
        folders: Folders,
        used: &BTreeSet<String>,
        top: &BTreeSet<String>,
        spec: &Spec,
    ) {
        if folders == Folders::Splits && spec.folders == Folders::Auto {
            self.notices.push(Notice::SplitFolders(root.to_owned()));
        }
        let words: Vec<&String> = used.iter().filter(|name| Split::from_folder_name(name).is_some()).collect();
        // If all are such words, they are classes because somebody says so.
        if folders == Folders::Classes && words.len() < used.len() {
            self.notices.extend(words.into_iter().map(|name| Notice::SplitWordIsClass(name.clone())));
        }
        if folders != Folders::None {
            // What could not be listed is rejected.
            let empty = top.difference(used).filter(|name| !self.rejects.iter().any(|reject| reject.path == **name));
            self.notices.extend(empty.map(|name| Notice::EmptyFolder(root.join(name))));
        }
    }

    /// Sorts by key; of records with the same key the one of the earliest source stays.
    fn keep_first_of_each_key(&mut self) {
        self.records.sort_unstable_by(|a, b| (&*a.key, a.source).cmp(&(&*b.key, b.source)));
        let (roots, rejects) = (&self.roots, &mut self.rejects);
        self.records.dedup_by(|later, earlier| {
            let same = later.key == earlier.key;
            if same {
                let taken_by = roots[earlier.source as usize].clone();
                rejects.push(Reject::new(later.key.clone().into(), RecordError::DuplicateKey(taken_by)));
            }
            same
        });
    }

    fn assign_labels(&mut self) {
        let depth = match self.folders {
            Some(Folders::Classes) => 0,
            Some(Folders::Splits) => 1,
            _ => return,
        };
        let names: BTreeSet<&str> = self.records.iter().filter_map(|record| class_of(&record.key, depth)).collect();
        self.classes = names.into_iter().map(str::to_owned).collect();
        let ids: HashMap<&str, u32> = self.classes.iter().map(String::as_str).zip(0..).collect();
        for record in &mut self.records {
            record.label = class_of(&record.key, depth).map(|name| ids[name]);
        }
    }

    fn tell_unknown_to_pillow(&mut self) {
        let extension = |record: &Record| Some(record.key.rsplit_once('.')?.1.to_ascii_lowercase());
        let extensions = self.records.iter().filter_map(extension);
        match extensions.filter(|extension| UNKNOWN_TO_PILLOW.contains(&extension.as_str())).count() {
            0 => {}
            unknown => self.notices.push(Notice::UnknownToPillow(unknown)),
        }
    }

    fn tell_ignored(&mut self) {
        if self.ignored.hidden > 0 {
            self.notices.push(Notice::Hidden(self.ignored.hidden));
        }
        if self.ignored.linked_folders > 0 {
            self.notices.push(Notice::LinkedFolders(self.ignored.linked_folders));
        }
        if !self.ignored.other.is_empty() {
            self.notices.push(Notice::OtherFiles(self.ignored.other.clone()));
        }
    }
}

/// The folder at this depth of a key, if the file lies below it.
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

/// In lower case; empty if there is none.
fn extension_of(path: &Path) -> String {
    path.extension().map(|ext| ext.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}

fn key_of(path: &Path, root: &Path) -> Option<String> {
    let parts = path.strip_prefix(root).ok()?.iter().map(|part| part.to_str());
    Some(parts.collect::<Option<Vec<_>>>()?.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_is_small() {
        assert_eq!(size_of::<Record>(), 32);
    }
}
