//! Shows what a dataset holds.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::look::{Report, ReportOptions, Subject};
use crate::read::{Dataset, Found, Table};
use crate::remote::Reading;

/// Reports on the dataset at a path or URL, or on the Parquet and Arrow files there: counts, pictures of every class, and
/// what stands out. Memory depends on the number of rows (about 200 bytes each), not on their images.
///
/// # Errors
/// If there is nothing to read, or it can't be read.
pub fn report(place: impl AsRef<Path>, options: &ReportOptions) -> Result<Report, Error> {
    report_with(place, options, &Reading::default())
}

/// As [`report`], reading files in this way.
///
/// # Errors
/// As [`report`].
pub fn report_with(place: impl AsRef<Path>, options: &ReportOptions, reading: &Reading) -> Result<Report, Error> {
    Report::of(subject(place.as_ref(), reading)?, options)
}

/// What there is at a path or URL.
pub(super) fn subject(place: &Path, reading: &Reading) -> Result<Subject, Error> {
    let path = place.to_owned();
    let only = |tables: Vec<(String, Table)>| Subject { path, tables, manifest: None, rejects: Vec::new() };
    Ok(match reading.found(place)? {
        Found::Dataset => of_dataset(place.to_owned(), reading.dataset(place)?)?,
        Found::Table => only(vec![("all".to_owned(), reading.table(place)?)]),
        Found::Folders(folders) => {
            let tables = folders.into_iter().map(|(name, folder)| Ok((name, reading.table(&folder)?)));
            only(tables.collect::<Result<_, Error>>()?)
        }
        Found::Splits(splits) => {
            let open = |files: Vec<PathBuf>| {
                let files: Vec<_> = files.into_iter().map(|file| (file, None)).collect();
                reading.files(&files)
            };
            let tables = splits.into_iter().map(|(name, files)| Ok((name, open(files)?)));
            only(tables.collect::<Result<_, Error>>()?)
        }
    })
}

fn of_dataset(path: PathBuf, dataset: Dataset) -> Result<Subject, Error> {
    let manifest = dataset.manifest().clone();
    let (tables, rejects) = dataset.into_parts();
    let tables = tables.into_iter().map(|(split, table)| (split.to_string(), table)).collect();
    Ok(Subject { path, tables, manifest: Some(manifest), rejects: rejects.read()? })
}
