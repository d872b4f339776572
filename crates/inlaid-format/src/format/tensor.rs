//! The shape of a tensor and what follows from it: its size, and the Arrow field and arrays of its column.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::types::{
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{ArrayRef, ArrowPrimitiveType, FixedSizeBinaryArray, FixedSizeListArray, PrimitiveArray};
use arrow_buffer::{Buffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field};

use crate::format::keys;
use crate::spec::{Dtype, Layout, MAX_ELEMENTS, Spec, SpecError, Storage};

/// Maximum bytes of one tensor: the largest Parquet page, less room for its levels.
const MAX_BYTES: u64 = (1 << 31) - 128;

/// The shape and element type of the tensors in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorShape {
    dims: [usize; 3],
    names: [&'static str; 3],
    dtype: Dtype,
}

impl TensorShape {
    /// The shape of the resized images; none if images keep their original sizes.
    ///
    /// # Errors
    /// If a tensor has more than [`MAX_ELEMENTS`] elements, or more than fit into a page if they have four bytes.
    pub fn new(spec: &Spec) -> Result<Option<TensorShape>, SpecError> {
        let Some(size) = spec.size else { return Ok(None) };
        let (height, width) = (size.height() as usize, size.width() as usize);
        let channels = spec.channels.count();
        let (dims, names) = match spec.layout {
            Layout::Hwc => ([height, width, channels], ["H", "W", "C"]),
            Layout::Chw => ([channels, height, width], ["C", "H", "W"]),
        };
        let elements = height as u64 * width as u64 * channels as u64;
        check_elements(elements, spec.dtype)?;
        Ok(Some(TensorShape { dims, names, dtype: spec.dtype }))
    }

    /// Lengths of the dimensions: `[H, W, C]` by default, or `[C, H, W]`.
    pub fn dims(&self) -> [usize; 3] {
        self.dims
    }

    /// Number of elements in one tensor: the product of the dimensions.
    pub fn elements(&self) -> usize {
        self.dims.iter().product()
    }

    /// Bytes in one tensor.
    pub fn bytes(&self) -> usize {
        self.elements() * self.dtype.bytes()
    }

    /// Names of the dimensions, in order: `H`, `W` and `C`, or `C`, `H` and `W`.
    pub fn names(&self) -> [&'static str; 3] {
        self.names
    }

    /// Type of the elements.
    pub fn dtype(&self) -> Dtype {
        self.dtype
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
                let list = list_type(self.dtype, self.elements());
                Field::new(name, list, false).with_metadata(HashMap::from([
                    (keys::EXTENSION_NAME.to_owned(), keys::FIXED_SHAPE_TENSOR.to_owned()),
                    (keys::EXTENSION_METADATA.to_owned(), shape),
                ]))
            }
            Storage::Binary => {
                Field::new(name, DataType::FixedSizeBinary(self.bytes() as i32), false).with_metadata(HashMap::from([
                    (keys::SHAPE.to_owned(), shape),
                    (keys::DTYPE.to_owned(), self.dtype.numpy_name().to_owned()),
                ]))
            }
            Storage::Encoded => unreachable!("encoded images are not tensors"),
        }
    }
}

/// Checks that a tensor fits into a page.
///
/// # Errors
/// If a tensor has more elements than a page can hold.
pub fn check_elements(elements: u64, dtype: Dtype) -> Result<(), SpecError> {
    let most = MAX_ELEMENTS.min(MAX_BYTES / dtype.bytes() as u64);
    match elements <= most {
        true => Ok(()),
        false => Err(SpecError::TensorTooLarge { elements, most }),
    }
}

/// The Arrow type of lists of exactly `elements` elements.
pub fn list_type(dtype: Dtype, elements: usize) -> DataType {
    let item = match dtype {
        Dtype::U8 => DataType::UInt8,
        Dtype::U16 => DataType::UInt16,
        Dtype::F16 => DataType::Float16,
        Dtype::F32 => DataType::Float32,
    };
    DataType::FixedSizeList(Arc::new(Field::new("item", item, true)), elements as i32)
}

/// An array of the field's type over the bytes of tensors, without a copy. `tensors` must begin at an address that
/// is a multiple of the element size.
///
/// # Errors
/// If the field does not hold tensors, or the length of the buffer is not a multiple of the length of a tensor.
pub fn tensor_array(field: &Field, tensors: Buffer) -> Result<ArrayRef, ArrowError> {
    Ok(match field.data_type() {
        DataType::FixedSizeList(item, length) => {
            Arc::new(FixedSizeListArray::try_new(item.clone(), *length, elements(item.data_type(), tensors)?, None)?)
        }
        DataType::FixedSizeBinary(length) => Arc::new(FixedSizeBinaryArray::try_new(*length, tensors, None)?),
        other => return Err(no_tensors(other)),
    })
}

fn elements(data_type: &DataType, tensors: Buffer) -> Result<ArrayRef, ArrowError> {
    Ok(match data_type {
        DataType::UInt8 => numbers::<UInt8Type>(tensors),
        DataType::Int8 => numbers::<Int8Type>(tensors),
        DataType::UInt16 => numbers::<UInt16Type>(tensors),
        DataType::Int16 => numbers::<Int16Type>(tensors),
        DataType::UInt32 => numbers::<UInt32Type>(tensors),
        DataType::Int32 => numbers::<Int32Type>(tensors),
        DataType::UInt64 => numbers::<UInt64Type>(tensors),
        DataType::Int64 => numbers::<Int64Type>(tensors),
        DataType::Float16 => numbers::<Float16Type>(tensors),
        DataType::Float32 => numbers::<Float32Type>(tensors),
        DataType::Float64 => numbers::<Float64Type>(tensors),
        other => return Err(no_tensors(other)),
    })
}

fn numbers<T: ArrowPrimitiveType>(values: Buffer) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(values), None))
}

fn no_tensors(found: &DataType) -> ArrowError {
    ArrowError::SchemaError(format!("a tensor column can't have type {found}"))
}
