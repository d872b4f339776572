//! An input before it is decoded.

use crate::spec::Split;

/// One input file, before it is decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Key of the row, unique in the dataset: for folders, the path relative to the source folder, `/`-separated.
    pub key: Box<str>,
    /// Number with which the source finds the input: for folders, the index of the folder.
    pub place: u32,
    /// Row of [`Listing::columns`](super::Listing::columns) with the values of the input.
    pub row: u32,
    /// Index into [`Listing::classes`](super::Listing::classes); none if the input has no label.
    pub label: Option<u32>,
    /// Split that the source defines, until another is assigned; none if it defines none.
    pub split: Option<Split>,
}

impl Record {
    /// An input without a label and a split, whose values are in row `place`.
    pub fn new(key: impl Into<Box<str>>, place: u32) -> Record {
        Record { key: key.into(), place, row: place, label: None, split: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_is_small() {
        assert_eq!(size_of::<Record>(), 40);
    }
}
