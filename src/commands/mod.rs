//! The commands of inlaid, one file each.

pub(crate) mod append;
pub(crate) mod card;
pub(crate) mod change;
pub(crate) mod commit;
pub(crate) mod compact;
pub(crate) mod convert;
pub(crate) mod info;
pub(crate) mod item_summary;
pub(crate) mod plan;
pub(crate) mod planned_run;
pub(crate) mod repack;
#[cfg(feature = "report")]
pub(crate) mod report;
pub(crate) mod rollback;
#[cfg(feature = "report")]
pub(crate) mod show;
pub(crate) mod summary;
pub(crate) mod verify;
pub(crate) mod work;
