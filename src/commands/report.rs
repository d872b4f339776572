//! Shows what a dataset holds.

use std::path::{Path, PathBuf};

use crate::commands::convert::convert_from;
use crate::error::{Error, FormatError};
use crate::look::{PICTURE_SIDE, Report, ReportOptions, Subject};
use crate::read::{Dataset, FileAccess, Found, Table};
use crate::remote::Reading;
use crate::run::RunOptions;
use crate::source::{Sampled, open_source};
use crate::spec::{Fit, Order, Quality, Size, Spec, SplitBy, Storage, Truncated};

/// Reports on the dataset at a path or URL, on the Parquet and Arrow files there, or on the images that a conversion would
/// read there: counts, pictures of every class, and what stands out. Memory depends on the number of rows (about 200 bytes
/// each), not on their images.
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
    let place = place.as_ref();
    match subject(place, reading) {
        Err(Error::Format(FormatError::NoTables(_) | FormatError::UnknownFormat(_))) => {
            of_images(place, options, reading)
        }
        subject => Report::of(subject?, options),
    }
}

/// A report on images that are not in a dataset: some of them are converted for that, to small ones.
fn of_images(place: &Path, options: &ReportOptions, reading: &Reading) -> Result<Report, Error> {
    let scratch = tempfile::tempdir().map_err(FormatError::io("create a folder in", &std::env::temp_dir()))?;
    let mut run = RunOptions { threads: options.threads, progress: options.progress.clone(), ..RunOptions::default() };
    run.source.storage = reading.storage.clone();
    let source = Sampled::new(open_source(&[place], &run.source)?, options.rows, options.seed);
    let mut spec = Spec::new(Size::new(PICTURE_SIDE, PICTURE_SIDE)?);
    (spec.storage, spec.fit, spec.order) = (Storage::Encoded, Fit::Crop, Order::Path);
    (spec.quality, spec.truncated) = (Some(Quality::try_from(95)?), Truncated::Reject);
    let out = scratch.path().join("sample");
    convert_from(&source, &out, &spec, &run).map_err(|error| match error {
        // Of what was converted, nothing is left.
        Error::Interrupted => Error::Abandoned,
        error => error,
    })?;
    let sample = of_dataset(place.to_owned(), Dataset::open(&out)?)?;
    // Splits mean something only if the folders are splits.
    let is_split = sample.manifest.as_ref().is_some_and(|manifest| manifest.spec.split_by == Some(SplitBy::Folder));
    let mut tables = sample.tables;
    if !is_split {
        let all: Vec<Table> = tables.drain(..).map(|(_, table)| table).collect();
        tables.push(("images".to_owned(), Table::join(&all)?));
    }
    Report::of(Subject { tables, manifest: None, images: source.all().cloned(), ..sample }, options)
}

/// What there is at a path or URL. Few rows are looked at, so files are not mapped: the pages around them would count as
/// memory.
pub(super) fn subject(place: &Path, reading: &Reading) -> Result<Subject, Error> {
    let reading = &Reading { access: FileAccess::Read, ..reading.clone() };
    let path = place.to_owned();
    let only = |tables: Vec<(String, Table)>| Subject {
        path: path.clone(),
        tables,
        manifest: None,
        images: None,
        rejects: None,
    };
    Ok(match reading.found(place)? {
        Found::Dataset => of_dataset(place.to_owned(), reading.dataset(place)?)?,
        Found::Table => only(vec![("all".to_owned(), reading.table(place)?)]),
        // What `datasets` writes: the shards of all splits in one folder.
        Found::Folders(folders) if folders.len() == 1 => {
            let (_, folder) = folders.into_iter().next().unwrap_or_default();
            Subject { path, ..subject(&folder, reading)? }
        }
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
    Ok(Subject { path, tables, manifest: Some(manifest), images: None, rejects: Some(rejects) })
}
