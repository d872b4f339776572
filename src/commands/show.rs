//! Shows rows of a dataset as pictures.

use std::num::NonZeroUsize;
use std::path::Path;

use super::report::subject;
use crate::dataset::reject::Reject;
use crate::error::{Error, FormatError};
use crate::look::{Sheet, Shown};
use crate::remote::Reading;

/// A contact sheet of rows of the dataset, or of the tables, at a path or URL: of one split, or of all. Pictures
/// are made on this many threads, or on one for each core.
///
/// # Errors
/// If there is nothing to read, no rows match, the rows are not images, or a file can't be read.
pub fn show(
    place: impl AsRef<Path>,
    split: Option<&str>,
    shown: &Shown,
    threads: Option<NonZeroUsize>,
) -> Result<Sheet, Error> {
    let place = place.as_ref();
    let mut tables = subject(place, &Reading::default())?.tables;
    if let Some(split) = split {
        let names: Vec<String> = tables.iter().map(|(name, _)| name.clone()).collect();
        tables.retain(|(name, _)| name == split);
        if tables.is_empty() {
            return Err(Error::NoSplit { name: split.to_owned(), splits: names });
        }
    }
    Sheet::of(tables, shown, threads)
}

/// The rejected inputs of the dataset at a path or URL, sorted.
///
/// # Errors
/// If there is no dataset of inlaid, or it can't be read.
pub fn rejects(place: impl AsRef<Path>) -> Result<Vec<Reject>, Error> {
    let place = place.as_ref();
    let listed = subject(place, &Reading::default())?.rejects;
    Ok(listed.ok_or_else(|| FormatError::NoDataset(place.to_owned()))?.read()?)
}
