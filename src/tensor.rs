//! The shape of a tensor and what follows from it: sizes, and the Arrow field of its column.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field};

use crate::error::SpecError;
use crate::spec::{Layout, Spec, Storage};

/// The most elements of one tensor: its levels and values have to fit a Parquet page of less than
/// 2^31 bytes, also when a writer needs four bytes an element.
pub const MAX_ELEMENTS: u64 = 536_870_911;

/// The shape of every tensor of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorShape {
    dims: [usize; 3],
    names: [&'static str; 3],
    element_bytes: usize,
}

impl TensorShape {
    /// # Errors
    /// If a tensor has more than [`MAX_ELEMENTS`] elements.
    pub fn of(spec: &Spec) -> Result<TensorShape, SpecError> {
        let (height, width) = (spec.size.height() as usize, spec.size.width() as usize);
        let channels = spec.channels.count();
        let (dims, names) = match spec.layout {
            Layout::Hwc => ([height, width, channels], ["H", "W", "C"]),
        };
        let elements = height as u64 * width as u64 * channels as u64;
        if elements > MAX_ELEMENTS {
            return Err(SpecError::TensorTooLarge(elements));
        }
        Ok(TensorShape { dims, names, element_bytes: spec.dtype.bytes() })
    }

    /// The lengths of the dimensions, `[H, W, C]` by default.
    pub fn dims(&self) -> [usize; 3] {
        self.dims
    }

    /// The product of the dimensions.
    pub fn elements(&self) -> usize {
        self.dims.iter().product()
    }

    /// Bytes of one tensor.
    pub fn bytes(&self) -> usize {
        self.elements() * self.element_bytes
    }

    /// The Arrow field of a column of such tensors.
    ///
    /// The metadata is written by hand: `arrow-schema`'s `FixedShapeTensor` adds `permutations` and
    /// nulls, which make pyarrow refuse the file. The item is nullable and the list is not, the only
    /// combination that pyarrow and polars both read from Parquet as a tensor.
    pub fn field(&self, name: &str, storage: Storage) -> Field {
        let [a, b, c] = self.dims;
        let [x, y, z] = self.names;
        let shape = format!(r#"{{"shape":[{a},{b},{c}],"dim_names":["{x}","{y}","{z}"]}}"#);
        match storage {
            Storage::Tensor => {
                let item = Arc::new(Field::new("item", DataType::UInt8, true));
                let list = DataType::FixedSizeList(item, self.elements() as i32);
                Field::new(name, list, false).with_metadata(HashMap::from([
                    ("ARROW:extension:name".to_owned(), "arrow.fixed_shape_tensor".to_owned()),
                    ("ARROW:extension:metadata".to_owned(), shape),
                ]))
            }
            Storage::Binary => {
                Field::new(name, DataType::FixedSizeBinary(self.bytes() as i32), false).with_metadata(HashMap::from([
                    ("inlaid:shape".to_owned(), shape),
                    ("inlaid:dtype".to_owned(), "uint8".to_owned()),
                ]))
            }
        }
    }
}
