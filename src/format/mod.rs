//! The bytes of the files of a dataset: columns, pages, shards. Nothing here knows where images come from.

pub(crate) mod catch_panic;
pub mod columns;
pub(crate) mod disk;
pub(crate) mod keys;
pub mod page;
pub mod row_counts;
pub mod row_layout;
pub(crate) mod sha256;
pub mod shard;
pub mod tensor;
