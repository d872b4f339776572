//! The bytes of a dataset's files: columns, pages and shards. Nothing here knows where images come from.

pub mod catch_panic;
pub mod columns;
pub mod disk;
pub mod keys;
pub mod page;
pub mod row_counts;
pub mod row_layout;
pub mod sha256;
pub mod shard;
pub mod tensor;
pub mod tensor_column;
