//! Datasets and tables at a path or a URL, for reading.

use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(feature = "remote")]
use super::store_files::StoreFiles;
use crate::error::Error;
#[cfg(feature = "remote")]
use crate::error::FormatError;
#[cfg(not(feature = "remote"))]
use crate::error::StoreError;
#[cfg(feature = "remote")]
use crate::format::files::Files;
use crate::read::{Dataset, FileAccess, Found, StoreCache, Table};
use crate::remote::is_url;
use crate::run::StorageOptions;

/// How files are read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// How files on disks are read. Default: they are mapped.
    pub access: FileAccess,
    /// Settings and credentials of stores. Default: those of the environment.
    pub storage: StorageOptions,
    /// What is kept of files in stores. Default: as much as memory has room for.
    pub cache: Arc<StoreCache>,
}

impl Default for Reading {
    fn default() -> Reading {
        let (access, storage) = Default::default();
        Reading { access, storage, cache: StoreCache::new(None, 0) }
    }
}

impl Reading {
    /// Opens the dataset at a path or URL. Of one in a store, row groups are fetched when they are needed, and kept in the
    /// cache.
    ///
    /// # Errors
    /// If there is no dataset, or it can't be read.
    pub fn dataset(&self, place: &Path) -> Result<Dataset, Error> {
        match is_url(place) {
            true => self.stored_dataset(place),
            false => Ok(Dataset::open_with(place, self.access)?),
        }
    }

    /// Opens the file at a path or URL, or all files below it, as one table.
    ///
    /// # Errors
    /// If there are no tables, or one can't be read.
    pub fn table(&self, place: &Path) -> Result<Table, Error> {
        match is_url(place) {
            true => self.stored_table(place),
            false => Ok(Table::open_with(place, self.access)?),
        }
    }

    /// Opens files as one table; of each as many bytes as are told, or all.
    ///
    /// # Errors
    /// As [`Reading::table`].
    pub fn files(&self, files: &[(PathBuf, Option<u64>)]) -> Result<Table, Error> {
        if files.iter().any(|(file, _)| is_url(file)) {
            return self.stored_files(files);
        }
        let all: Vec<PathBuf> = files.iter().map(|(file, _)| file.clone()).collect();
        let lengths: Option<Vec<_>> = files.iter().map(|(file, length)| Some((file.clone(), (*length)?))).collect();
        Ok(match lengths {
            Some(lengths) if !lengths.is_empty() => Table::open_lengths(&lengths, self.access)?,
            _ => Table::open_files_with(&all, self.access)?,
        })
    }

    /// Says what there is to open at a path or URL.
    ///
    /// # Errors
    /// If there is nothing, or it can't be listed.
    pub fn found(&self, place: &Path) -> Result<Found, Error> {
        match is_url(place) {
            true => self.stored_found(place),
            false => Ok(Found::at(place)?),
        }
    }
}

#[cfg(feature = "remote")]
impl Reading {
    fn stored_dataset(&self, place: &Path) -> Result<Dataset, Error> {
        let files: Arc<dyn Files> = Arc::new(StoreFiles::open(place, &self.storage)?);
        Ok(Dataset::open_files(&files, &self.cache)?)
    }

    fn stored_table(&self, place: &Path) -> Result<Table, Error> {
        let files = StoreFiles::open(place, &self.storage)?;
        // Of a URL with the name of a table there is an object, if there is anything.
        if Found::is_table_name(place) && files.exists("")? {
            return self.stored_files(&[(place.to_owned(), None)]);
        }
        let keys = Found::tables_among(files.keys()?);
        if !keys.is_empty() {
            let names: Vec<_> = keys.into_iter().map(|key| (key, None)).collect();
            let files: Arc<dyn Files> = Arc::new(files);
            return Ok(Table::open_stored(&files, &names, &self.cache)?);
        }
        match has_key(place) && files.exists("")? {
            true => self.stored_files(&[(place.to_owned(), None)]),
            false => Err(FormatError::NoTables(place.to_owned()).into()),
        }
    }

    fn stored_files(&self, files: &[(PathBuf, Option<u64>)]) -> Result<Table, Error> {
        let parts = files.iter().map(|(file, length)| {
            let url = file.to_string_lossy().into_owned();
            let (above, name) = url.rsplit_once('/').unwrap_or((&url, ""));
            (above.to_owned(), (name.to_owned(), *length))
        });
        let parts: Vec<_> = parts.collect();
        let mut tables = Vec::new();
        for part in parts.chunk_by(|(above, _), (other, _)| above == other) {
            let names: Vec<_> = part.iter().map(|(_, name)| name.clone()).collect();
            let files: Arc<dyn Files> = Arc::new(StoreFiles::open(Path::new(&part[0].0), &self.storage)?);
            tables.push(Table::open_stored(&files, &names, &self.cache)?);
        }
        match &tables[..] {
            [table] => Ok(table.clone()),
            _ => Ok(Table::join(&tables)?),
        }
    }

    fn stored_found(&self, place: &Path) -> Result<Found, Error> {
        let files = StoreFiles::open(place, &self.storage)?;
        if Found::is_table_name(place) && files.exists("")? {
            return Ok(Found::Table);
        }
        // Read, not looked for: only answers with a text say why a store denies access.
        if files.read(inlaid_format::MANIFEST)?.is_some() {
            return Ok(Found::Dataset);
        }
        let keys = files.keys()?;
        if keys.is_empty() && !(has_key(place) && files.exists("")?) {
            let reason = crate::error::StoreError::NotFound;
            return Err(Error::Store { place: place.to_owned(), reason });
        }
        Ok(Found::among(place, &keys))
    }
}

/// Whether a URL names more than a bucket.
#[cfg(feature = "remote")]
fn has_key(url: &Path) -> bool {
    let url = url.to_string_lossy();
    url.split_once("://").and_then(|(_, rest)| rest.trim_end_matches('/').split_once('/')).is_some()
}

#[cfg(not(feature = "remote"))]
impl Reading {
    fn stored_dataset(&self, place: &Path) -> Result<Dataset, Error> {
        Err(left_out(place))
    }

    fn stored_table(&self, place: &Path) -> Result<Table, Error> {
        Err(left_out(place))
    }

    fn stored_files(&self, files: &[(PathBuf, Option<u64>)]) -> Result<Table, Error> {
        Err(left_out(files.first().map_or(Path::new("URL"), |(file, _)| file)))
    }

    fn stored_found(&self, place: &Path) -> Result<Found, Error> {
        Err(left_out(place))
    }
}

#[cfg(not(feature = "remote"))]
fn left_out(place: &Path) -> Error {
    Error::Store { place: place.to_owned(), reason: StoreError::LeftOut }
}
