//! How one snapshot of a dataset becomes the next, whatever dies on the way.

pub(crate) mod created_folder;
pub(crate) mod output;
pub(crate) mod publish;
pub(crate) mod transaction;
