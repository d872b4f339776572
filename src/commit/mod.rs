//! How one snapshot of a dataset becomes the next, whatever dies on the way.

pub(crate) mod created_folder;
mod journal;
mod lock;
pub(crate) mod output;
pub(crate) mod overlap;
pub(crate) mod ownership;
pub(crate) mod publish;
pub(crate) mod transaction;
