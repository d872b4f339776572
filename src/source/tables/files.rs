//! The files of a source of tables.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::split_names::split_of;
use crate::dataset::names::system_file;
use crate::error::{Error, RecordError, SourceError};
use crate::format::open;
use crate::format::ranges::Stored;
use crate::read::{SourceFile, SourceFileError};
use crate::remote::at_once;
use crate::remote::{Stores, is_url};
use crate::source::copied::copied;
use crate::source::location;
use crate::source::notice::Ignored;
use crate::spec::Split;

/// File name extensions of tables, in lower case.
const EXTENSIONS: &[&str] = &["parquet", "pq", "arrow", "arrows", "feather", "ipc"];

/// How names of files begin that Hugging Face `datasets` keeps beside a table: results of transforms, and orders of
/// rows.
const CACHES: &[&str] = &["cache-", "indices-"];

/// Files that describe a table, and hold no rows.
const DESCRIPTIONS: &[&str] =
    &["dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "README.md"];

/// Number of files up to which all stay open.
const KEPT_OPEN: usize = 64;

/// The tables below the sources.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// In the order of the sources, then by path.
    pub(super) files: Vec<TableFile>,
    pub(super) ignored: Ignored,
    /// Files whose names are no keys.
    pub(super) not_utf8: Vec<PathBuf>,
}

/// A table.
#[derive(Debug)]
pub(super) struct TableFile {
    pub(super) path: PathBuf,
    /// What the keys of its rows begin with: its path below its source, without the extension.
    pub(super) key: String,
    /// Split that its names say.
    pub(super) split: Option<Split>,
    /// What the file was when it was found.
    version: Version,
    /// The file, if there are few, or if it is on no disk.
    kept: Option<(Arc<SourceFile>, Stored)>,
}

/// What changes with the content of a file.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    length: u64,
    modified: Option<SystemTime>,
}

impl Version {
    /// Of a file on no disk, which is kept open.
    fn elsewhere() -> Version {
        Version { length: 0, modified: None }
    }

    fn of(metadata: &Metadata) -> Version {
        Version { length: metadata.len(), modified: metadata.modified().ok() }
    }
}

impl Found {
    /// All tables at or below these paths. Files and folders whose names begin with `.` or `_` are hidden; a file that
    /// is given itself may have any name.
    pub(super) fn at(paths: &[PathBuf], stores: &Stores) -> Result<Found, Error> {
        let mut found = Found::default();
        for path in paths {
            if is_url(path) {
                found.add_url(path, stores)?;
                continue;
            }
            let metadata = fs::metadata(path).map_err(Error::io("read source", path))?;
            match metadata.is_dir() {
                true => found.walk(path, path)?,
                false => found.add(path, path.file_name().map(Path::new).unwrap_or(path))?,
            }
        }
        let few = found.files.len() <= KEPT_OPEN;
        let elsewhere: Vec<&TableFile> = found.files.iter().filter(|file| is_url(&file.path)).collect();
        let mut opened = at_once(&elsewhere, |file| file.open_at(stores))?.into_iter();
        for file in &mut found.files {
            if is_url(&file.path) {
                file.kept = opened.next();
            } else if few {
                let stored = stores.open(&file.path).map_err(Error::io("open", &file.path))?;
                file.kept = Some((file.open()?, stored));
            }
        }
        Ok(found)
    }

    /// The table that a URL names, or the tables below it.
    fn add_url(&mut self, url: &Path, stores: &Stores) -> Result<(), Error> {
        if stores.is_file(url) {
            self.push(url, url.file_name().map(Path::new).unwrap_or(url), Version::elsewhere());
            return Ok(());
        }
        for (key, _) in stores.below(url)?.iter() {
            let path = Path::new(key);
            let name = path.file_name().unwrap_or_default();
            let is_hidden = |part: &str| part.starts_with(['.', '_']);
            if let Some(system) = system_file(name) {
                *self.ignored.system.entry(system).or_default() += 1;
            } else if key.split('/').any(is_hidden) {
                self.ignored.hidden += 1;
            } else if is_table(path) {
                self.push(&url.join(key), path, Version::elsewhere());
            } else if !DESCRIPTIONS.iter().any(|known| name == *known) {
                *self.ignored.other.entry(extension_of(path)).or_default() += 1;
            }
        }
        Ok(())
    }

    fn walk(&mut self, folder: &Path, root: &Path) -> Result<(), Error> {
        let entries = fs::read_dir(folder).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
        let mut entries = entries.map_err(Error::io("read source folder", folder))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (name, path) = (entry.file_name(), entry.path());
            let kind = entry.file_type().map_err(Error::io("read", &path))?;
            if let Some(system) = system_file(&name) {
                *self.ignored.system.entry(system).or_default() += 1;
            } else if matches!(name.as_encoded_bytes(), [b'.' | b'_', ..]) {
                self.ignored.hidden += 1;
            } else if kind.is_dir() {
                self.walk(&path, root)?;
            } else if kind.is_symlink() && path.is_dir() {
                // Links to files are followed, because the caches of `datasets` consist of them.
                self.ignored.linked_folders += 1;
            } else if is_table(&path) && path.is_file() {
                self.add(&path, path.strip_prefix(root).unwrap_or(&path))?;
            } else if !DESCRIPTIONS.iter().any(|known| name == *known) {
                *self.ignored.other.entry(extension_of(&path)).or_default() += 1;
            }
        }
        Ok(())
    }

    fn add(&mut self, path: &Path, below: &Path) -> Result<(), Error> {
        let metadata = fs::metadata(path).map_err(Error::io("read", path))?;
        self.push(path, below, Version::of(&metadata));
        Ok(())
    }

    fn push(&mut self, path: &Path, below: &Path, version: Version) {
        let parts = below.with_extension("");
        let parts = parts.iter().map(|part| part.to_str()).collect::<Option<Vec<_>>>();
        match parts {
            Some(parts) => self.files.push(TableFile {
                path: path.to_owned(),
                key: parts.join("/"),
                split: split_of(below),
                version,
                kept: None,
            }),
            None => self.not_utf8.push(below.to_owned()),
        }
    }
}

impl TableFile {
    /// Opens the table.
    pub(super) fn open(&self) -> Result<Arc<SourceFile>, Error> {
        match &self.kept {
            Some((file, _)) => Ok(file.clone()),
            None => SourceFile::open(&self.path).map(Arc::new).map_err(self.unread()),
        }
    }

    /// Opens a table in a store. An Arrow file is copied, since it is mapped.
    fn open_at(&self, stores: &Stores) -> Result<(Arc<SourceFile>, Stored), Error> {
        let mut stored = stores.open(&self.path).map_err(Error::io("open", &self.path))?;
        let mut head = [0; 4];
        let read = stored.read_up_to(0, &mut head).map_err(Error::io("read", &self.path))?;
        if !matches!(&head[..read], b"PAR1" | b"PARE") {
            stored = copied(&stored, &self.path, None)?;
        }
        let file = SourceFile::of(&self.path, stored.clone()).map_err(self.unread())?;
        Ok((Arc::new(file), stored))
    }

    /// The table, if it stays open.
    pub(super) fn kept(&self) -> Option<&SourceFile> {
        self.kept.as_ref().map(|(file, _)| &**file)
    }

    /// Calls `read` with the file, unless it has changed since it was found.
    pub(super) fn bytes<T>(&self, read: impl FnOnce(&Stored) -> Result<T, RecordError>) -> Result<T, RecordError> {
        if let Some((_, file)) = &self.kept {
            return read(file);
        }
        let file = open::regular(&self.path).map_err(RecordError::Unreadable)?;
        match Version::of(&file.metadata().map_err(RecordError::Unreadable)?) == self.version {
            true => read(&Stored::File(Arc::new(file), self.version.length)),
            false => Err(RecordError::Changed),
        }
    }

    /// What the file was when it was found.
    pub(super) fn version(&self) -> location::Version {
        let since = self.version.modified.and_then(|modified| modified.duration_since(UNIX_EPOCH).ok());
        let modified = since.map(|since| (since.as_secs() as i64, i64::from(since.subsec_nanos())));
        location::Version { bytes: self.version.length, modified, tag: None }
    }

    /// For `map_err`: why the table can't be read.
    pub(super) fn unread(&self) -> impl Fn(SourceFileError) -> Error {
        |error| {
            let source = match error {
                SourceFileError::Io(error) => return error.into(),
                SourceFileError::UnknownFormat => SourceError::UnknownFormat,
                SourceFileError::Encrypted => SourceError::Encrypted,
                SourceFileError::Codec(codec) => SourceError::Codec(codec),
                SourceFileError::Damaged(reason) => SourceError::Damaged(reason),
                other => SourceError::Damaged(other.to_string()),
            };
            self.unfit()(source)
        }
    }

    /// For `map_err`: what is wrong with the table.
    pub(super) fn unfit(&self) -> impl Fn(SourceError) -> Error {
        |source| Error::source(&self.path)(source)
    }
}

/// Whether a file in a folder is a table by its name.
pub(in crate::source) fn is_table(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    EXTENSIONS.contains(&&*extension_of(path)) && !CACHES.iter().any(|cache| name.starts_with(cache.as_bytes()))
}

fn extension_of(path: &Path) -> String {
    path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}
