//! Where images come from: the inputs of a run, and the bytes of their files.

pub(crate) mod discover;
pub(crate) mod files;
