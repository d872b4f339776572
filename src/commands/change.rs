//! What a command has changed that adds no rows.

use crate::dataset::card::CardNote;
use crate::dataset::manifest::Snapshot;

/// How a dataset changed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Change {
    /// Contents before.
    pub before: Snapshot,
    /// Contents after.
    pub after: Snapshot,
    /// Remarks on the dataset's card.
    pub card: Vec<CardNote>,
}
