//! Columns of a row beside the image and what inlaid says of it.

use serde::{Deserialize, Serialize};

use super::{Channels, ColumnType, Dtype, Filter, Layout, ResizeLike, Scale, Size, Spec, SpecError};

/// Names of the columns that every dataset has.
const TAKEN: [&str; 6] = ["image", "label", "path", "source_height", "source_width", "sha256"];

/// A further column of tensors, such as masks: each tensor is made of an image of its own, placed in its frame as the
/// row's first image is ([`Spec::fit`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TensorSpec {
    /// Name of the column, unique in the dataset.
    pub name: String,
    /// Height and width of every tensor, in pixels.
    pub size: Size,
    /// Channels of every tensor. Default: [`Channels::Rgb`].
    pub channels: Channels,
    /// Type of the elements; floating point elements are on the scale 0 to 1. Default: [`Dtype::U8`].
    pub dtype: Dtype,
    /// Order of the dimensions. Default: [`Layout::Hwc`].
    pub layout: Layout,
    /// Filter that images are resized with, antialiased; [`Filter::Nearest`] makes no value that the image does not
    /// have, which masks need. Default: [`Filter::Bilinear`].
    pub filter: Filter,
}

impl TensorSpec {
    /// A column of this name and size, all else at its default.
    pub fn new(name: impl Into<String>, size: Size) -> TensorSpec {
        TensorSpec {
            name: name.into(),
            size,
            channels: Channels::Rgb,
            dtype: Dtype::U8,
            layout: Layout::Hwc,
            filter: Filter::Bilinear,
        }
    }

    /// A column of masks: one channel, and no value that the image does not have.
    pub fn mask(name: impl Into<String>, size: Size) -> TensorSpec {
        TensorSpec { channels: Channels::Gray, filter: Filter::Nearest, ..TensorSpec::new(name, size) }
    }
}

/// A column of values that come with the inputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ColumnSpec {
    /// Name of the column, unique in the dataset.
    pub name: String,
    /// Type of its values, each of which may be null.
    #[serde(rename = "type")]
    pub kind: ColumnType,
}

impl ColumnSpec {
    /// Whether a column of the source may have this name: it is not empty, and none of inlaid's own columns has it.
    pub fn is_free(name: &str) -> bool {
        !name.is_empty() && !TAKEN.contains(&name)
    }

    /// A column of this name and type.
    pub fn new(name: impl Into<String>, kind: ColumnType) -> ColumnSpec {
        ColumnSpec { name: name.into(), kind }
    }
}

impl Spec {
    /// The spec that a further column of tensors would have if its images were the only ones.
    pub fn of_tensors(&self, column: &TensorSpec) -> Spec {
        Spec {
            size: Some(column.size),
            channels: column.channels,
            dtype: column.dtype,
            scale: column.dtype.is_float().then_some(Scale::Unit),
            mean: None,
            std: None,
            layout: column.layout,
            resize_like: None::<ResizeLike>,
            filter: column.filter,
            antialias: true,
            tensors: Vec::new(),
            columns: Vec::new(),
            ..self.clone()
        }
    }

    /// Finds a column whose name another one has.
    ///
    /// # Errors
    /// If there is one, or a column without a name.
    pub fn check_columns(&self) -> Result<(), SpecError> {
        let names =
            self.tensors.iter().map(|column| &column.name).chain(self.columns.iter().map(|column| &column.name));
        let mut seen: Vec<&str> = TAKEN.to_vec();
        for name in names {
            if name.is_empty() || seen.contains(&&**name) {
                return Err(SpecError::ColumnName(name.clone()));
            }
            seen.push(name);
        }
        Ok(())
    }
}
