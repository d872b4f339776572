//! Reading tensors back, at the speed of memory where their pages are verbatim, through the parquet
//! crate where they are not.

mod batches;
mod blocks;
mod column;
mod dataset;
mod file;
mod folder;
mod map;
mod order;
mod pool;
mod record_batches;
mod source_file;
mod table;

pub use batches::{Batch, BatchOptions, Batches};
pub use column::is_permuted;
pub use column::{Element, TensorColumn};
pub use dataset::Dataset;
pub use folder::tables_below;
pub use order::{Epoch, RowOrder, Share, Uneven};
pub use record_batches::RecordBatches;
#[doc(hidden)]
pub use source_file::{SourceFile, SourceFileError};
pub use table::Table;
