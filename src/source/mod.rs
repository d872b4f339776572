//! Where images come from: the inputs of a run, and the bytes of their files.

pub(crate) mod discover;
pub(crate) mod files;
pub(crate) mod hash_lanes;
pub(crate) mod notice;
pub(crate) mod record;
