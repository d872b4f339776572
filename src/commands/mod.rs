//! What a user can have done: a file for each command.

pub(crate) mod append;
pub(crate) mod compact;
pub(crate) mod convert;
pub(crate) mod planned_run;
pub(crate) mod repack;
pub(crate) mod rollback;
pub(crate) mod summary;
pub(crate) mod verify;
