//! Loads the rows of a table as batches of tensors of one size: image files, decoded on the way, and stored tensors; with
//! the usual augmentations. Pixels are decoded and resized by the same code as in conversions.

mod augment;
mod crew;
mod draws;
mod hand;
mod loader;
mod options;
mod own_size;
mod row_image;

pub use augment::{Augment, Crop, RandomResizedCrop};
#[doc(hidden)]
pub use draws::random_resized_crop;
pub use loader::Loader;
#[cfg(feature = "report")]
pub(crate) use loader::stored_spec;
pub use options::LoadOptions;
pub use own_size::decode;
