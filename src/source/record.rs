//! An input before it is decoded.

use crate::spec::Split;

/// One input file, before it is decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The path below the source folder, `/`-separated, unique in the dataset: the key of its row.
    pub key: Box<str>,
    /// A number that tells the source where the input is: for folders, which of them. The typed values of the input are
    /// those of this row of [`Listing::columns`](super::Listing::columns).
    pub place: u32,
    /// An index into [`Listing::classes`](super::Listing::classes).
    pub label: Option<u32>,
    /// The split: the source's own, until another is assigned.
    pub split: Option<Split>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_is_small() {
        assert_eq!(size_of::<Record>(), 32);
    }
}
