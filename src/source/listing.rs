//! Everything that a source holds, before an image is read.

use std::path::PathBuf;

use arrow_array::ArrayRef;

use super::notice::{Ignored, Notice};
use super::record::Record;
use crate::dataset::reject::Reject;
use crate::spec::Folders;

/// Everything that a source holds, before an image is read.
#[derive(Debug, Default)]
pub struct Listing {
    /// The inputs, sorted by key, each key once.
    pub records: Vec<Record>,
    /// Values of the columns that the spec asks for ([`Spec::columns`](crate::Spec::columns)), in that order: row
    /// [`Record::place`] belongs to the record.
    pub columns: Vec<ArrayRef>,
    /// Names of the classes, sorted by UTF-8 bytes; none if rows have no label.
    pub classes: Vec<String>,
    /// What the top folders of the source mean; none if it has no images.
    pub folders: Option<Folders>,
    /// Inputs that can't become rows.
    pub rejects: Vec<Reject>,
    /// Files that are not inputs.
    pub ignored: Ignored,
    /// What a user may want to know about how the source was read.
    pub notices: Vec<Notice>,
}

impl Listing {
    /// Inputs in all: records and rejects.
    pub fn inputs(&self) -> usize {
        self.records.len() + self.rejects.len()
    }

    /// A listing of these records, of which none is rejected yet.
    pub fn new(mut records: Vec<Record>, classes: Vec<String>, columns: Vec<ArrayRef>) -> Listing {
        records.sort_by(|a, b| a.key.cmp(&b.key));
        let folders = Some(if classes.is_empty() { Folders::None } else { Folders::Classes });
        Listing { records, classes, columns, folders, ..Listing::default() }
    }

    /// The source folders that notices and errors name, for a run that does not know where its inputs come from.
    pub(crate) fn first_path(paths: &[PathBuf]) -> PathBuf {
        paths.first().cloned().unwrap_or_default()
    }
}
