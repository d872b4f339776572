//! The listing of a source, made before any image is read.

use std::path::PathBuf;

use arrow_array::ArrayRef;

use super::notice::{Ignored, Notice};
use super::record::Record;
use crate::dataset::reject::Reject;
use crate::spec::Folders;

/// The listing of a source, made before any image is read.
#[derive(Debug, Default)]
pub struct Listing {
    /// Inputs, sorted by key, with unique keys.
    pub records: Vec<Record>,
    /// Values of the columns in [`Spec::columns`](crate::Spec::columns), in that order. The values of a record are in
    /// row [`Record::place`].
    pub columns: Vec<ArrayRef>,
    /// Class names, sorted by UTF-8 bytes; empty if rows have no labels.
    pub classes: Vec<String>,
    /// Meaning of the source's top-level folders; none if the source has no images.
    pub folders: Option<Folders>,
    /// Inputs that can't become rows.
    pub rejects: Vec<Reject>,
    /// Counts of files that are not inputs.
    pub ignored: Ignored,
    /// Remarks for the user on how the source was read.
    pub notices: Vec<Notice>,
}

impl Listing {
    /// Total number of inputs: records and rejects.
    pub fn inputs(&self) -> usize {
        self.records.len() + self.rejects.len()
    }

    /// A listing of these records, in any order, without rejects.
    pub fn new(mut records: Vec<Record>, classes: Vec<String>, columns: Vec<ArrayRef>) -> Listing {
        records.sort_by(|a, b| a.key.cmp(&b.key));
        let folders = Some(if classes.is_empty() { Folders::None } else { Folders::Classes });
        Listing { records, classes, columns, folders, ..Listing::default() }
    }

    /// The path that notices and errors name; empty if the source has no paths.
    pub(crate) fn first_path(paths: &[PathBuf]) -> PathBuf {
        paths.first().cloned().unwrap_or_default()
    }
}
