//! An input before it is decoded.

use crate::spec::Split;

/// One input file, before it is decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The path below the source folder, `/`-separated, unique in the dataset: the key of its row.
    pub key: Box<str>,
    /// An index into [`Discovery::roots`].
    pub source: u32,
    /// An index into [`Discovery::classes`].
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
