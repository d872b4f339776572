//! The bytes of a dataset's files: columns, pages and shards. Nothing here knows where images come from.

#[doc(hidden)]
pub mod beneath;
#[doc(hidden)]
pub mod catch_panic;
pub mod columns;
#[doc(hidden)]
pub mod deinterleave;
#[doc(hidden)]
pub mod disk;
pub mod keys;
#[doc(hidden)]
pub mod open;
pub mod page;
pub mod row_counts;
pub mod row_layout;
pub mod sha256;
pub mod shard;
#[doc(hidden)]
pub mod simd;
pub mod tensor;
pub mod tensor_column;
