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
mod source;
mod table;

pub use batches::{Batch, BatchOptions, Batches};
pub use column::{Element, TensorColumn};
pub(crate) use column::{TENSORS, is_permuted};
pub use dataset::Dataset;
pub use folder::Found;
pub(crate) use folder::tables_below;
pub use order::{Epoch, RowOrder, Share, Uneven};
pub use record_batches::RecordBatches;
pub(crate) use source::SourceFile;
pub use table::Table;
