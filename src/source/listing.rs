//! The listing of a source, made before any image is read.

use std::path::PathBuf;

use arrow_array::ArrayRef;

use super::notice::{Ignored, Notice};
use super::record::Record;
use crate::dataset::reject::Reject;
use crate::error::Error;
use crate::format::columns::{LABEL, labels, typed};
use crate::spec::{ColumnSpec, Folders, LabelKind, Spec, TensorSpec};

/// The listing of a source, made before any image is read.
#[derive(Debug, Default)]
pub struct Listing {
    /// Inputs, sorted by key, with unique keys.
    pub records: Vec<Record>,
    /// Values of the columns in [`Spec::columns`](crate::Spec::columns), then of those in `found`. The values of a
    /// record are in row [`Record::row`].
    pub columns: Vec<ArrayRef>,
    /// Columns of values that the spec does not name. A new dataset gets them.
    pub found: Vec<ColumnSpec>,
    /// Columns of further tensors that the spec does not name. A new dataset gets them.
    pub found_tensors: Vec<TensorSpec>,
    /// Labels that are not one class each; none if those of [`Record::label`] are the labels.
    pub labels: Option<OtherLabels>,
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

/// Labels that are not one class each.
#[derive(Clone, Debug)]
pub struct OtherLabels {
    /// What they are: not [`LabelKind::Class`].
    pub kind: LabelKind,
    /// The labels, in the order of rows of [`Listing::columns`]: lists of 8-bit integers, 0 or 1 for each class, or
    /// 64-bit floats.
    pub values: ArrayRef,
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

    /// Finds what makes a listing useless for a run of this spec: anyone can implement a source.
    ///
    /// # Errors
    /// If keys are not sorted and unique, labels are not classes, or values of a column are missing.
    pub(crate) fn check(&self, spec: &Spec) -> Result<(), Error> {
        if let Some(pair) = self.records.windows(2).find(|pair| pair[0].key >= pair[1].key) {
            return Err(Error::SourceKey(pair[1].key.clone().into()));
        }
        let is_class = |label: u32| (label as usize) < self.classes.len();
        if let Some(record) = self.records.iter().find(|record| record.label.is_some_and(|label| !is_class(label))) {
            return Err(Error::SourceLabel(record.key.clone().into()));
        }
        if let Some(OtherLabels { kind, values }) = &self.labels {
            let expected = labels::data_type(*kind, self.classes.len());
            if *values.data_type() != expected {
                return Err(Error::SourceColumn { column: LABEL.to_owned(), expected });
            }
        }
        let rows = self.records.iter().map(|record| record.row as usize + 1).max().unwrap_or(0);
        for (number, column) in spec.columns.iter().chain(&self.found).enumerate() {
            let expected = typed::data_type(column.kind);
            let values = self.columns.get(number);
            if !values.is_some_and(|values| *values.data_type() == expected && values.len() >= rows) {
                return Err(Error::SourceColumn { column: column.name.clone(), expected });
            }
        }
        Ok(())
    }

    /// The path that notices and errors name; empty if the source has no paths.
    pub(crate) fn first_path(paths: &[PathBuf]) -> PathBuf {
        paths.first().cloned().unwrap_or_default()
    }
}
