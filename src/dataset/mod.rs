//! What a dataset's folder holds beside its shards: the manifest, the card, the list of rejects.

pub(crate) mod card;
pub(crate) mod manifest;
pub(crate) mod moments;
pub(crate) mod names;
pub(crate) mod place;
pub(crate) mod reject;
pub(crate) mod statistics;
