//! What a path is: the source of what it holds, by content.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

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
use crate::format::open;
use crate::remote;
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
    if let Some(url) = options.files_from.iter().chain(&options.metadata).find(|path| remote::is_url(path)) {
        return Err(Error::source(url)(SourceError::Store(StoreError::SingleObject)));
    }
    if options.files_from.is_some()
        && let Some(url) = paths.iter().find(|path| remote::is_url(path))
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
        return Ok(Box::new(FileSource::of(vec![list], options)?));
    }
    if paths.iter().any(|path| remote::is_url(path)) {
        return of_urls(&paths, options);
    }
    let found = look_at(&paths, options)?;
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
        Kind::Metadata => of_table(first, options)?,
        Kind::Table => Box::new(TableSource::open(&all, options)?),
        Kind::Array => Box::new(ArraySource::open(&all, options)?),
        Kind::Folder | Kind::Archive => {
            let root = |(path, kind): (PathBuf, Kind)| match kind {
                Kind::Archive => Archive::open(&path).map(Root::Archive),
                _ => Ok(Root::Folder(path)),
            };
            let beside = options.metadata.is_none().then(|| table_beside_archives(&paths, &all)).flatten();
            let roots = found.into_iter().map(root).collect::<Result<_, _>>()?;
            let options = SourceOptions { metadata: options.metadata.clone().or(beside), ..options.clone() };
            Box::new(FileSource::of(roots, &options)?.within(paths))
        }
    })
}

/// The source of the images below these URLs, beside folders and archives.
#[cfg(feature = "remote")]
fn of_urls(paths: &[PathBuf], options: &SourceOptions) -> Result<Box<dyn Source>, Error> {
    let mut roots = Vec::new();
    for path in paths {
        if remote::is_url(path) {
            let is_file = is_archive_name(path) || tables::is_table_name(path);
            if is_file {
                return Err(Error::source(path)(SourceError::Store(StoreError::SingleObject)));
            }
            roots.push(Root::Remote(RemoteFolder::open(path, &options.storage)?));
            continue;
        }
        for (path, kind) in look_at(std::slice::from_ref(path), options)? {
            roots.push(match kind {
                Kind::Folder => Root::Folder(path),
                Kind::Archive => Root::Archive(Archive::open(&path)?),
                Kind::Metadata => return Err(Error::source(&path)(SourceError::SeveralSources)),
                Kind::Table | Kind::Array => return Err(Error::source(&path)(SourceError::OtherKind)),
            });
        }
    }
    Ok(Box::new(FileSource::of(roots, options)?.within(paths.to_vec())))
}

#[cfg(not(feature = "remote"))]
fn of_urls(paths: &[PathBuf], _: &SourceOptions) -> Result<Box<dyn Source>, Error> {
    let url = paths.iter().find(|path| remote::is_url(path)).unwrap_or(&paths[0]);
    Err(Error::source(url)(SourceError::Store(StoreError::LeftOut)))
}

/// The source of the images that a table names: the files around it.
fn of_table(table: &Path, options: &SourceOptions) -> Result<Box<dyn Source>, Error> {
    if options.metadata.is_some() {
        return Err(Error::source(table)(SourceError::SeveralSources));
    }
    let folder = table.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let options = SourceOptions { metadata: Some(table.to_owned()), ..options.clone() };
    Ok(Box::new(FileSource::of(vec![Root::Folder(folder.to_owned())], &options)?))
}

/// What the paths hold, after patterns are expanded. A folder of archives stands for the archives in it.
fn look_at(paths: &[PathBuf], options: &SourceOptions) -> Result<Vec<(PathBuf, Kind)>, Error> {
    let mut found = Vec::new();
    let mut expanded = Vec::new();
    for path in paths {
        match matches_of(path) {
            none if none.is_empty() => return Err(Error::source(path)(SourceError::NoMatch)),
            matches => expanded.extend(matches),
        }
    }
    for path in expanded {
        let meta = fs::metadata(&path).map_err(Error::io("read source folder", &path))?;
        match meta.is_dir().then(|| in_folder(&path)) {
            None => {
                let kind = of_file(&path, options)?;
                found.push((path, kind));
            }
            Some((Kind::Archive, archives)) => {
                found.extend(archives.into_iter().map(|archive| (archive, Kind::Archive)));
            }
            Some((kind, _)) => found.push((path, kind)),
        }
    }
    Ok(found)
}

/// The only table named `metadata` in a folder that stands for what was found in it, archives. It describes their files.
fn table_beside_archives(paths: &[PathBuf], found: &[PathBuf]) -> Option<PathBuf> {
    let folders = paths.iter().filter(|path| path.is_dir() && !found.contains(path));
    let entries = folders.filter_map(|folder| folder.read_dir().ok()).flatten().flatten();
    let mut tables = entries.map(|entry| entry.path()).filter(|path| metadata::is_table(path) && path.is_file());
    tables.next().filter(|_| tables.next().is_none())
}

/// What a folder holds, and its archives in the order of their paths. One with an image file is a folder of images,
/// whatever else is in it.
fn in_folder(folder: &Path) -> (Kind, Vec<PathBuf>) {
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
        } else if is_archive_name(path) && head_of(path).is_some_and(|head| Archive::is_archive(&head, path)) {
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
fn of_file(path: &Path, options: &SourceOptions) -> Result<Kind, Error> {
    let not_source = || Error::SourceNotFolder(path.to_owned());
    let head = head_of(path).ok_or_else(not_source)?;
    if ArraySource::is_array(&head, path) {
        return Ok(Kind::Array);
    }
    if Archive::is_archive(&head, path) {
        return Ok(Kind::Archive);
    }
    if tables::is_table(&head) {
        // One that names files has no images of its own.
        let is_metadata = match TableSource::open(&[path], options) {
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

/// The first bytes of a regular file; none if it can't be read.
fn head_of(path: &Path) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    open::regular(path).and_then(|file: File| file.take(HEAD).read_to_end(&mut head)).ok()?;
    Some(head)
}

/// Whether a file in a folder is an archive by its name.
fn is_archive_name(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    [".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.zstd", ".tzst", ".zip"].iter().any(|end| name.ends_with(end))
}
