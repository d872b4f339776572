//! Shards as Parquet files: how they are written, and how their footers are read back.

mod footer;
mod types;
mod writer;

pub(super) use footer::ParquetFooter;
pub use footer::lies_in_a_file;
pub use types::is_writable;
pub(super) use writer::ParquetShard;
