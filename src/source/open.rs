//! What a path is: the source of what it holds, by content.

use std::fs;
use std::path::{Path, PathBuf};

use super::Source;
use super::file_list::FileList;
use super::file_source::FileSource;
use super::patterns::matches_of;
use crate::error::{Error, SourceError};
use crate::run::SourceOptions;

/// What a path holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A folder of image files.
    Folder,
    /// A table that names image files.
    Metadata,
}

/// The source of these folders and files: folders of images, or a table that names them. With
/// [`SourceOptions::files_from`], `paths` is the folder that the list is relative to, by default the current one.
///
/// # Errors
/// If there is none, one does not exist or is of no known kind, or they are of different kinds.
pub fn open_source<P: AsRef<Path>>(paths: &[P], options: &SourceOptions) -> Result<Box<dyn Source>, Error> {
    let paths: Vec<PathBuf> = paths.iter().map(|path| path.as_ref().to_owned()).collect();
    if let Some(list) = &options.files_from {
        let folder = match &*paths {
            [] => Path::new("."),
            [folder] => folder,
            [_, other, ..] => return Err(Error::SecondFolderOfList(other.clone())),
        };
        let list = FileList::read(list, folder)?;
        return Ok(Box::new(FileSource::of_list(list, options)?));
    }
    let mut found = Vec::new();
    for path in &paths {
        found.extend(matches_of(path));
    }
    let kinds = found.iter().map(|path| kind_of(path)).collect::<Result<Vec<_>, _>>()?;
    match (&*found, &*kinds) {
        ([table], [Kind::Metadata]) if options.metadata.is_none() => {
            let folder = table.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
            let options = SourceOptions { metadata: Some(table.clone()), ..options.clone() };
            Ok(Box::new(FileSource::of_folders(&[folder.to_owned()], &options)?))
        }
        (folders, kinds) if kinds.iter().all(|kind| *kind == Kind::Folder) => {
            Ok(Box::new(FileSource::of_folders(folders, options)?))
        }
        (found, kinds) => {
            let table = kinds.iter().position(|kind| *kind == Kind::Metadata).unwrap_or_default();
            Err(Error::source(&found[table])(SourceError::SeveralSources))
        }
    }
}

/// What a path holds.
fn kind_of(path: &Path) -> Result<Kind, Error> {
    let meta = fs::metadata(path).map_err(Error::io("read source folder", path))?;
    if meta.is_dir() {
        return Ok(Kind::Folder);
    }
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    match extension.as_deref() {
        Some("csv" | "tsv" | "jsonl" | "ndjson") if meta.is_file() => Ok(Kind::Metadata),
        _ => Err(Error::SourceNotFolder(path.to_owned())),
    }
}
