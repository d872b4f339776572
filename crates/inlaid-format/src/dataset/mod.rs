//! The files in a dataset's folder besides its shards: the manifest, the card, the list of rejects, and others.

#[doc(hidden)]
pub mod card;
#[doc(hidden)]
pub mod croissant;
pub mod file_info;
pub mod manifest;
pub mod moments;
pub mod names;
#[doc(hidden)]
pub mod place;
pub mod reject;
pub mod statistics;
