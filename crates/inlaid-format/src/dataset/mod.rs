//! The files in a dataset's folder besides its shards: the manifest, the card and the list of rejects.

pub mod card;
pub mod manifest;
pub mod moments;
pub mod names;
pub mod place;
pub mod reject;
pub mod statistics;
