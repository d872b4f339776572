//! What a path is: the source of what it holds, by content.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use walkdir::WalkDir;

use super::Source;
use super::archive::Archive;
use super::arrays::ArraySource;
use super::file_list::FileList;
use super::file_source::{FileSource, Root};
use super::found::is_image_name;
use super::metadata;
use super::patterns::matches_of;
#[cfg(feature = "remote")]
use super::remote_folder::RemoteFolder;
use super::tables::{self, TableSource};
use super::walk::extension_of;
use crate::error::{Error, SourceError, StoreError};
use crate::remote::at_once;
use crate::remote::{Stores, is_url};
use crate::run::SourceOptions;

/// Bytes at the start of a file that tell what it is.
const HEAD: u64 = 1024;

/// What a path holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A folder of image files.
    Folder,
    /// An archive of files.
    Archive,
    /// A table that names image files.
    Metadata,
    /// A table with images, or a folder of such tables.
    Table,
    /// An array of images, or a folder of arrays.
    Array,
}

/// The source of these paths: folders and archives of images, a table that names them, tables with images, or arrays.
/// A folder without image files may hold archives, tables or arrays. With [`SourceOptions::files_from`], `paths` is the
/// folder that the list is relative to, by default the current one.
///
/// # Errors
/// If there is none, one does not exist or is of no known kind, or they are of different kinds.
pub fn open_source<P: AsRef<Path>>(paths: &[P], options: &SourceOptions) -> Result<Box<dyn Source>, Error> {
    let paths: Vec<PathBuf> = paths.iter().map(|path| path.as_ref().to_owned()).collect();
    source_of(paths, options).map_err(Error::of_source)
}

fn source_of(paths: Vec<PathBuf>, options: &SourceOptions) -> Result<Box<dyn Source>, Error> {
    let stores = Stores::new(&options.storage);
    if let Some(list) = options.files_from.as_ref().filter(|list| is_url(list)) {
        return Err(Error::source(list)(SourceError::Store(StoreError::SingleObject)));
    }
    let shown = |path: &PathBuf| if is_url(path) { stores.check(path) } else { Ok(path.clone()) };
    let paths = paths.iter().map(shown).collect::<Result<Vec<_>, _>>()?;
    let options = &SourceOptions { metadata: options.metadata.as_ref().map(shown).transpose()?, ..options.clone() };
    if options.files_from.is_some()
        && let Some(url) = paths.iter().find(|path| is_url(path))
    {
        return Err(Error::source(url)(SourceError::Store(StoreError::List)));
    }
    if let Some(list) = &options.files_from {
        let folder = match &*paths {
            [] => Path::new("."),
            [folder] if folder.is_file() => return Err(Error::source(folder)(SourceError::NotFolderOfList)),
            [folder] => folder,
            [_, other, ..] => return Err(Error::SecondFolderOfList(other.clone())),
        };
        let list = Root::List(FileList::read(list, folder)?);
        return Ok(Box::new(FileSource::of(vec![list], options, stores)?));
    }
    let found = look_at(&paths, options, &stores)?;
    let Some((first, kind)) = found.first() else { return Err(Error::NoSource) };
    let is_same = |other: &Kind| match kind {
        Kind::Folder | Kind::Archive => matches!(other, Kind::Folder | Kind::Archive),
        Kind::Metadata => false,
        kind => kind == other,
    };
    if let Some((path, _)) = found.iter().find(|(_, kind)| found.len() > 1 && *kind == Kind::Metadata) {
        return Err(Error::source(path)(SourceError::SeveralSources));
    }
    if let Some((path, _)) = found[1..].iter().find(|(_, other)| !is_same(other)) {
        return Err(Error::source(path)(SourceError::OtherKind));
    }
    if matches!(kind, Kind::Table | Kind::Array) && (options.metadata.is_some() || options.file_column.is_some()) {
        return Err(Error::source(first)(SourceError::NotFiles));
    }
    let all: Vec<PathBuf> = found.iter().map(|(path, _)| path.clone()).collect();
    Ok(match kind {
        Kind::Metadata => of_table(first, options, stores)?,
        Kind::Table => Box::new(TableSource::at(&all, options, stores)?),
        Kind::Array => Box::new(ArraySource::at(&all, options, &stores)?),
        Kind::Folder | Kind::Archive => {
            let root = |(path, kind): &(PathBuf, Kind)| match kind {
                Kind::Archive => Archive::open(path, &stores).map(|archive| Root::Archive(Box::new(archive))),
                _ => Ok(folder(path, &stores)),
            };
            let beside = options.metadata.is_none().then(|| table_beside_archives(&paths, &all, &stores)).flatten();
            let roots = match paths.iter().any(|path| is_url(path)) {
                true => at_once(&found, root)?,
                false => found.iter().map(root).collect::<Result<_, _>>()?,
            };
            let options = SourceOptions { metadata: options.metadata.clone().or(beside), ..options.clone() };
            Box::new(FileSource::of(roots, &options, stores)?.within(paths))
        }
    })
}

/// A folder on a disk or in a store.
fn folder(path: &Path, stores: &Arc<Stores>) -> Root {
    match is_url(path) {
        #[cfg(feature = "remote")]
        true => Root::Remote(RemoteFolder::new(path.to_owned(), stores.clone())),
        _ => {
            let _ = stores;
            Root::Folder(path.to_owned())
        }
    }
}

/// The source of the images that a table names: the files around it.
fn of_table(table: &Path, options: &SourceOptions, stores: Arc<Stores>) -> Result<Box<dyn Source>, Error> {
    if options.metadata.is_some() {
        return Err(Error::source(table)(SourceError::SeveralSources));
    }
    let above = table.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let options = SourceOptions { metadata: Some(table.to_owned()), ..options.clone() };
    Ok(Box::new(FileSource::of(vec![folder(above, &stores)], &options, stores)?))
}

/// What the paths hold, after patterns are expanded. A folder of archives stands for the archives in it.
fn look_at(paths: &[PathBuf], options: &SourceOptions, stores: &Arc<Stores>) -> Result<Vec<(PathBuf, Kind)>, Error> {
    let mut expanded = Vec::new();
    for path in paths {
        match matches_of(path, stores)? {
            none if none.is_empty() => return Err(Error::source(path)(SourceError::NoMatch)),
            matches => expanded.extend(matches),
        }
    }
    let look = |path: &PathBuf| match is_url(path) {
        true => at_url(path, options, stores),
        false => {
            let meta = fs::metadata(path).map_err(Error::io("read source", path))?;
            match meta.is_dir() {
                true => Ok(in_folder(path, stores)),
                false => Ok((of_file(path, options, stores)?, Vec::new())),
            }
        }
    };
    let kinds = match expanded.iter().any(|path| is_url(path)) {
        true => at_once(&expanded, look)?,
        false => expanded.iter().map(look).collect::<Result<_, _>>()?,
    };
    let mut found = Vec::new();
    for (path, (kind, archives)) in expanded.into_iter().zip(kinds) {
        match archives.is_empty() {
            true => found.push((path, kind)),
            false => found.extend(archives.into_iter().map(|archive| (archive, Kind::Archive))),
        }
    }
    Ok(found)
}

/// The only table named `metadata` in a folder that stands for what was found in it, archives. It describes their files.
fn table_beside_archives(paths: &[PathBuf], found: &[PathBuf], stores: &Stores) -> Option<PathBuf> {
    let mut tables = Vec::new();
    for path in paths.iter().filter(|path| !found.contains(path)) {
        if is_url(path) {
            let below = stores.below(path).ok()?;
            let keys = below.iter().map(|(key, _)| key).filter(|key| !key.contains('/'));
            tables.extend(keys.filter(|key| metadata::is_table(Path::new(key))).map(|key| path.join(key)));
        } else if path.is_dir() {
            let entries = path.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
            tables.extend(entries.filter(|path| metadata::is_table(path) && path.is_file()));
        }
    }
    tables.pop().filter(|_| tables.is_empty())
}

/// What a URL names, and the archives in it if it is a folder of such.
fn at_url(url: &Path, options: &SourceOptions, stores: &Arc<Stores>) -> Result<(Kind, Vec<PathBuf>), Error> {
    let is_prefix = url.as_os_str().as_encoded_bytes().ends_with(b"/");
    let is_named = !is_prefix && (is_file_name(url) || !stores.lists(url));
    if is_named && stores.has(url)? {
        return Ok((of_file(url, options, stores)?, Vec::new()));
    }
    if is_named && !stores.lists(url) {
        return Err(Error::source(url)(SourceError::Store(StoreError::NotFound)));
    }
    let below = stores.below(url)?;
    let is_empty = below.iter().next().is_none();
    if is_empty && is_named {
        return Err(Error::source(url)(SourceError::Store(StoreError::NotFound)));
    }
    // One without an extension.
    if is_empty && !is_prefix && stores.has(url)? {
        return Ok((of_file(url, options, stores)?, Vec::new()));
    }
    let (mut archives, mut has_tables, mut has_arrays) = (Vec::new(), false, false);
    for (key, bytes) in below.iter().filter(|(key, _)| !key.split('/').any(|name| name.starts_with('.'))) {
        let path = Path::new(key);
        if is_image_name(&extension_of(path)) {
            return Ok((Kind::Folder, Vec::new()));
        }
        has_tables |= !metadata::is_table(path) && tables::is_table_name(path);
        has_arrays |= key.split('/').count() <= 2 && ArraySource::is_array_name(path, bytes);
        if is_archive_name(path) {
            archives.push(url.join(key));
        }
    }
    Ok(match archives.is_empty() {
        _ if has_tables => (Kind::Table, Vec::new()),
        _ if has_arrays => (Kind::Array, Vec::new()),
        true => (Kind::Folder, Vec::new()),
        false => (Kind::Archive, archives),
    })
}

/// Whether a URL is that of a file rather than of a folder, by its extension.
fn is_file_name(url: &Path) -> bool {
    let is_text = || matches!(&*extension_of(url), "csv" | "tsv" | "jsonl" | "ndjson");
    let is_image = || is_image_name(&extension_of(url));
    is_archive_name(url) || tables::is_table_name(url) || ArraySource::is_array_name(url, 0) || is_text() || is_image()
}

/// What a folder holds, and its archives in the order of their paths. One with an image file is a folder of images,
/// whatever else is in it.
fn in_folder(folder: &Path, stores: &Stores) -> (Kind, Vec<PathBuf>) {
    let (mut archives, mut has_tables) = (Vec::new(), false);
    let is_hidden = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b".");
    let entries = WalkDir::new(folder).min_depth(1).into_iter();
    for entry in entries.filter_entry(|entry| !is_hidden(entry.file_name())).flatten() {
        let path = entry.path();
        if entry.file_type().is_dir() {
            continue;
        }
        if is_image_name(&extension_of(path)) {
            return (Kind::Folder, Vec::new());
        }
        if !metadata::is_table(path) && tables::is_table_name(path) {
            has_tables = true;
        } else if is_archive_name(path)
            && head_of(path, stores).is_ok_and(|head| Archive::is_archive(&head, path, stores))
        {
            archives.push(path.to_owned());
        }
    }
    archives.sort();
    match archives.is_empty() {
        _ if has_tables => (Kind::Table, Vec::new()),
        _ if ArraySource::has_arrays(folder) => (Kind::Array, Vec::new()),
        true => (Kind::Folder, Vec::new()),
        false => (Kind::Archive, archives),
    }
}

/// What a file holds.
fn of_file(path: &Path, options: &SourceOptions, stores: &Arc<Stores>) -> Result<Kind, Error> {
    let not_source = || Error::SourceNotFolder(path.to_owned());
    let head = head_of(path, stores).map_err(|error| match is_url(path) {
        true => Error::io("read", path)(error),
        false => not_source(),
    })?;
    if ArraySource::is_array(&head, path, stores) {
        return Ok(Kind::Array);
    }
    if Archive::is_archive(&head, path, stores) {
        return Ok(Kind::Archive);
    }
    if tables::is_table(&head) {
        // One that names files has no images of its own.
        let is_metadata = match TableSource::at(&[path.to_owned()], options, stores.clone()) {
            Err(Error::Source { source: SourceError::NoImages(columns), .. }) => {
                let file = options.file_column.as_deref();
                file.map_or_else(
                    || columns.iter().any(|name| [metadata::FILE, metadata::FILES].contains(&&**name)),
                    |_| true,
                )
            }
            _ => false,
        };
        return Ok(if is_metadata { Kind::Metadata } else { Kind::Table });
    }
    match &*extension_of(path) {
        "csv" | "tsv" | "jsonl" | "ndjson" => Ok(Kind::Metadata),
        _ => Err(not_source()),
    }
}

/// The first bytes of a file.
fn head_of(path: &Path, stores: &Stores) -> io::Result<Vec<u8>> {
    let stored = stores.open(path)?;
    let mut head = vec![0; stored.len().min(HEAD) as usize];
    let read = stored.read_up_to(0, &mut head)?;
    head.truncate(read);
    Ok(head)
}

/// Whether a file in a folder is an archive by its name.
fn is_archive_name(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    [".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.zstd", ".tzst", ".zip"].iter().any(|end| name.ends_with(end))
}
