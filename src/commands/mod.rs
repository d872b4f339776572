//! The commands of inlaid, one file each.

pub(crate) mod append;
pub(crate) mod change;
pub(crate) mod compact;
pub(crate) mod convert;
pub(crate) mod info;
pub(crate) mod planned_run;
pub(crate) mod repack;
pub(crate) mod rollback;
pub(crate) mod summary;
pub(crate) mod verify;
