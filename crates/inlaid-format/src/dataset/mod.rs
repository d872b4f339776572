//! The files in a dataset's folder besides its shards: the manifest, the card and the list of rejects.

#[doc(hidden)]
pub mod card;
pub mod file_info;
pub mod manifest;
pub mod moments;
pub mod names;
#[doc(hidden)]
pub mod place;
pub mod reject;
pub mod statistics;
