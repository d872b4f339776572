//! Reads tensors back: at memory speed if their pages are verbatim, and through the parquet crate
//! otherwise, a few pages at a time.

mod ahead;
mod batches;
mod blocks;
mod byte_values;
mod cache;
mod cache_folder;
mod cached_bytes;
mod cast;
mod chunk;
mod dataset;
mod draw;
mod file;
mod folder;
mod image_batches;
mod image_column;
mod image_file;
mod image_parts;
mod images;
mod input;
mod labels;
mod maker;
mod map;
mod order;
mod parts;
mod per_process;
mod pool;
mod present;
mod record_batches;
mod source_file;
mod steps;
mod store_cache;
mod table;
mod tensors;
mod units;
mod view;

pub use crate::format::tensor_column::{Element, TensorColumn, is_permuted};
pub use batches::{Batch, BatchOptions, Batches};
#[doc(hidden)]
pub use byte_values::{BytesColumn, Item, Piece, Value, Visit};
pub use cast::{Cast, CastError, CastOptions};
pub use dataset::Dataset;
pub use draw::{Draw, Part};
pub use folder::{Found, tables_below};
pub use image_column::ImageColumn;
pub use input::FileAccess;
pub use maker::{DrawnRow, OnBadRow, SkippedRow, TensorMaker};
pub use order::{Epoch, RowOrder, Share, Uneven};
#[doc(hidden)]
pub use per_process::PerProcess;
pub use record_batches::RecordBatches;
#[doc(hidden)]
pub use source_file::{SourceFile, SourceFileError};
#[doc(hidden)]
pub use store_cache::StoreCache;
pub use table::Table;
pub use tensors::Tensors;
