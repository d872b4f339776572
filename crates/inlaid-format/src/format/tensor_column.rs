//! Finds the tensor columns of a file, with their shape and element type.

use arrow_schema::{DataType, Field, FieldRef, Schema};
use serde::Deserialize;

use crate::format::columns::LABEL;
use crate::format::keys;
use crate::spec::{Dtype, Layout, Storage};

/// Whether a tensor column declares a permutation, that is, a logical order of dimensions that differs from the
/// stored order.
pub fn is_permuted(field: &Field) -> bool {
    #[derive(Deserialize)]
    struct Metadata {
        permutation: Vec<usize>,
    }
    let text = field.metadata().get(keys::EXTENSION_METADATA);
    let metadata = text.and_then(|text| serde_json::from_str::<Metadata>(text).ok());
    metadata.is_some_and(|metadata| !metadata.permutation.iter().copied().eq(0..metadata.permutation.len()))
}

/// The layout of the tensors in a column: as the names of its dimensions tell, or else the only one in which the tensors
/// have 1, 3 or 4 channels. None for tensors that have no channels, or may have any layout.
pub fn layout(field: &Field) -> Option<Layout> {
    #[derive(Deserialize)]
    struct Metadata {
        dim_names: Vec<String>,
    }
    let text = [keys::EXTENSION_METADATA, keys::SHAPE].into_iter().find_map(|key| field.metadata().get(key));
    let dims = TensorColumn::new(field)?.shape.len();
    let told = text.and_then(|text| serde_json::from_str(text).ok());
    if let Some(Metadata { dim_names }) = told.filter(|told: &Metadata| told.dim_names.len() == dims) {
        return match &*dim_names.iter().map(String::as_str).collect::<Vec<_>>() {
            ["H", "W", "C"] => Some(Layout::Hwc),
            ["C", "H", "W"] => Some(Layout::Chw),
            _ => None,
        };
    }
    let is_channels = |dim: usize| matches!(dim, 1 | 3 | 4);
    match TensorColumn::new(field)?.shape[..] {
        [first, _, last] if is_channels(first) != is_channels(last) => {
            Some(if is_channels(last) { Layout::Hwc } else { Layout::Chw })
        }
        _ => None,
    }
}

/// The type of the elements of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Element {
    /// Unsigned integer, 8 bits.
    U8,
    /// Signed integer, 8 bits.
    I8,
    /// Unsigned integer, 16 bits.
    U16,
    /// Signed integer, 16 bits.
    I16,
    /// Unsigned integer, 32 bits.
    U32,
    /// Signed integer, 32 bits.
    I32,
    /// Unsigned integer, 64 bits.
    U64,
    /// Signed integer, 64 bits.
    I64,
    /// Floating point, 16 bits.
    F16,
    /// Floating point, 32 bits.
    F32,
    /// Floating point, 64 bits.
    F64,
}

impl Element {
    /// Size of one element, in bytes: 1, 2, 4 or 8.
    pub fn size(self) -> usize {
        match self {
            Element::U8 | Element::I8 => 1,
            Element::U16 | Element::I16 | Element::F16 => 2,
            Element::U32 | Element::I32 | Element::F32 => 4,
            Element::U64 | Element::I64 | Element::F64 => 8,
        }
    }

    /// NumPy's name of the type, such as `uint8`.
    pub fn numpy_name(self) -> &'static str {
        match self {
            Element::U8 => "uint8",
            Element::I8 => "int8",
            Element::U16 => "uint16",
            Element::I16 => "int16",
            Element::U32 => "uint32",
            Element::I32 => "int32",
            Element::U64 => "uint64",
            Element::I64 => "int64",
            Element::F16 => "float16",
            Element::F32 => "float32",
            Element::F64 => "float64",
        }
    }

    /// The corresponding type that inlaid writes; none if inlaid does not write such elements.
    pub fn dtype(self) -> Option<Dtype> {
        Dtype::ALL.iter().copied().find(|dtype| Element::from(*dtype) == self)
    }

    /// The element type for an Arrow type; none if it is not one of these number types.
    pub fn of(data_type: &DataType) -> Option<Element> {
        Some(match data_type {
            DataType::UInt8 => Element::U8,
            DataType::Int8 => Element::I8,
            DataType::UInt16 => Element::U16,
            DataType::Int16 => Element::I16,
            DataType::UInt32 => Element::U32,
            DataType::Int32 => Element::I32,
            DataType::UInt64 => Element::U64,
            DataType::Int64 => Element::I64,
            DataType::Float16 => Element::F16,
            DataType::Float32 => Element::F32,
            DataType::Float64 => Element::F64,
            _ => return None,
        })
    }
}

impl From<Dtype> for Element {
    fn from(dtype: Dtype) -> Element {
        match dtype {
            Dtype::U8 => Element::U8,
            Dtype::U16 => Element::U16,
            Dtype::F16 => Element::F16,
            Dtype::F32 => Element::F32,
        }
    }
}

/// A tensor column: its name, and the shape and type of its tensors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorColumn {
    /// Name of the column.
    pub name: String,
    /// Shape of every tensor, such as `[H, W, C]`; one dimension if the file does not declare a shape.
    pub shape: Vec<usize>,
    /// Type of the elements.
    pub element: Element,
    /// Storage of the column: [`Storage::Tensor`] for lists, [`Storage::Binary`] for binary values.
    pub storage: Storage,
}

/// Number of columns at the start of a schema that hold tensors. inlaid writes these first in every row group. Labels
/// may be lists, too, but have no pages of their own.
pub fn leading_tensors(schema: &Schema) -> usize {
    let is_tensors = |field: &&FieldRef| field.name() != LABEL && TensorColumn::new(field).is_some();
    schema.fields().iter().take_while(is_tensors).count()
}

impl TensorColumn {
    /// The main tensor column: the one named in the schema's metadata (key `inlaid.tensors`), or else the
    /// first column of fixed-size lists of numbers, or of fixed-size binary with a shape in its metadata
    /// (key `inlaid:shape`). None if there is no such column.
    pub fn find(schema: &Schema) -> Option<TensorColumn> {
        if let Some(name) = schema.metadata().get(keys::TENSORS) {
            return TensorColumn::new(schema.field_with_name(name).ok()?);
        }
        schema.fields().iter().find_map(|field| TensorColumn::new(field))
    }

    /// The tensor column that a field describes; none if it holds anything else.
    pub fn new(field: &Field) -> Option<TensorColumn> {
        let shape = |key: &str| {
            #[derive(Deserialize)]
            struct Metadata {
                shape: Vec<usize>,
            }
            let metadata: Metadata = serde_json::from_str(field.metadata().get(key)?).ok()?;
            Some(metadata.shape)
        };
        let (shape, bytes, element, storage) = match field.data_type() {
            DataType::FixedSizeList(item, length) => {
                let length = usize::try_from(*length).ok()?;
                let shape = shape(keys::EXTENSION_METADATA).or_else(|| shape(keys::SHAPE));
                let shape = shape.unwrap_or_else(|| vec![length]);
                let element = Element::of(item.data_type())?;
                (shape, length.checked_mul(element.size())?, element, Storage::Tensor)
            }
            DataType::FixedSizeBinary(length) => {
                // Bytes, unless the file declares another type.
                let element = match field.metadata().get(keys::DTYPE) {
                    Some(name) => (*Dtype::ALL.iter().find(|dtype| dtype.numpy_name() == name)?).into(),
                    None => Element::U8,
                };
                (shape(keys::SHAPE)?, usize::try_from(*length).ok()?, element, Storage::Binary)
            }
            _ => return None,
        };
        let expected = shape.iter().try_fold(element.size(), |product, &dim| product.checked_mul(dim))?;
        let name = field.name().clone();
        (bytes == expected && bytes > 0).then_some(TensorColumn { name, shape, element, storage })
    }

    /// Number of elements in one tensor: the product of the shape.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Bytes in one tensor.
    pub fn row_bytes(&self) -> usize {
        self.elements() * self.element.size()
    }
}
