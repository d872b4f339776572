//! How one snapshot of a dataset becomes the next, whatever dies on the way, and how a folder appears
//! whole. Both lock, stage and rename by the same parts.

mod abandoned;
#[cfg(feature = "remote")]
mod bucket_store;
mod created_folder;
mod descriptions;
mod folder_store;
pub(crate) mod journal;
#[cfg(feature = "remote")]
mod lease;
mod lock;
pub(crate) mod new_folder;
pub(crate) mod output;
pub(crate) mod overlap;
pub(crate) mod ownership;
pub(crate) mod pending;
pub(crate) mod recovery;
mod staging;
mod store;
#[cfg(feature = "remote")]
mod store_run;
pub(crate) mod transaction;
