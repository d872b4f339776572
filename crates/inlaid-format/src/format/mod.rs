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
#[doc(hidden)]
pub mod files;
pub(crate) mod front_to_back;
pub mod keys;
#[doc(hidden)]
pub mod magic;
#[doc(hidden)]
pub mod new_file;
#[doc(hidden)]
pub mod open;
pub mod page;
#[doc(hidden)]
pub mod ranges;
pub mod row_counts;
pub mod row_layout;
pub mod sha256;
pub mod shard;
#[doc(hidden)]
pub mod simd;
pub mod tensor;
pub mod tensor_column;
