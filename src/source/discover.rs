//! Finds the inputs of a run: walks the source folders, decides what their top folders mean, and
//! turns every image file into a [`Record`] or a [`Reject`]. Opens no file. Nothing is dropped in
//! silence: what is not an input is counted in [`Ignored`] or told by a [`Notice`].
//!
//! A record takes 32 bytes and the bytes of its key (see `record_is_small`).

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use crate::dataset::reject::Reject;
use crate::error::{Error, RecordError};
use crate::source::notice::{Ignored, Notice, UNKNOWN_TO_PILLOW};
use crate::source::record::Record;
use crate::spec::{Folders, Spec, Split};

/// File name extensions of images, in lower case. Files of the formats in the second group are
/// inputs too, so that they are named as rejects instead of being passed over.
const EXTENSIONS: &[&str] = &[
    "jpg", "jpeg", "jpe", "jfif", "png", "apng", "webp", "gif", "bmp", "dib", "tif", "tiff", "pnm", "pbm", "pgm",
    "ppm", "pam", "qoi", "tga", "ico", "hdr", "exr", "ff", // decodable
    "avif", "heic", "heif", "jxl", "jp2", // not decodable without C code
];

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
                Ok(entry) => self.look_at(&entry, root, source),
                Err(error) if error.depth() == 0 => {
                    return Err(Error::io("read source folder", root)(error.into()));
                }
                Err(error) => self.reject_unwalkable(error, root),
            }
        }
        self.read_folders(root, first, &top_folders, spec)
    }

    /// Makes a record of a file, or says why not.
    fn look_at(&mut self, entry: &DirEntry, root: &Path, source: u32) {
        let path = entry.path();
        let extension = extension_of(path);
        let named_as_image = EXTENSIONS.contains(&extension.as_str());
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
        self.rejects.push(error.reject(key));
    }

    fn reject_unwalkable(&mut self, error: walkdir::Error, root: &Path) {
        let path = error.path().unwrap_or(root).to_owned();
        let is_link = fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_symlink());
        let reason = match error.loop_ancestor() {
            Some(_) => RecordError::LinkLoop,
            // A link that leads nowhere, which is followed here.
            None if is_link && is_hidden(path.file_name().unwrap_or_default()) => {
                return self.ignored.hidden += 1;
            }
            None if is_link => match extension_of(&path) {
                extension if EXTENSIONS.contains(&extension.as_str()) => RecordError::BrokenLink,
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
                Some(error) => self.rejects.push(error.reject(record.key.into())),
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
                rejects.push(RecordError::DuplicateKey(taken_by).reject(later.key.clone().into()));
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
            let name = |ext: &String| if ext.is_empty() { "no extension".to_owned() } else { format!(".{ext}") };
            let counts: Vec<_> = self.ignored.other.iter().map(|(ext, n)| format!("{n} {}", name(ext))).collect();
            self.notices.push(Notice::OtherFiles(counts.join(", ")));
        }
    }
}

/// The folder at this depth of a key, if the file lies below it.
fn class_of(key: &str, depth: usize) -> Option<&str> {
    let mut folders = key.split('/');
    let class = folders.nth(depth)?;
    folders.next().map(|_| class)
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
