//! Reading tensors back, at the speed of memory where their pages are verbatim, through the parquet
//! crate where they are not.

mod batches;
mod blocks;
mod dataset;
mod file;
mod folder;
mod map;
mod order;
mod pool;
mod record_batches;
mod source_file;
mod table;
mod tensors;

pub use crate::format::tensor_column::{Element, TensorColumn, is_permuted};
pub use batches::{Batch, BatchOptions, Batches};
pub use dataset::Dataset;
pub use folder::{Found, tables_below};
pub use order::{Epoch, RowOrder, Share, Uneven};
pub use record_batches::RecordBatches;
#[doc(hidden)]
pub use source_file::{SourceFile, SourceFileError};
pub use table::Table;
pub use tensors::Tensors;
