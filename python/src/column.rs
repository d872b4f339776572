//! Columns beside the tensors as NumPy arrays.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::Buffer;
use arrow_schema::DataType;
use inlaid::Table;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::ndarray::{Access, ndarray, tensors};

/// A column of a table: tensors with their dimensions, or what [`to_numpy`] makes of it. `Access::Write` is for arrays
/// that nobody else has.
pub fn column_to_numpy<'py>(
    py: Python<'py>,
    table: &Table,
    name: &str,
    array: &ArrayRef,
    access: Access,
) -> PyResult<Bound<'py, PyAny>> {
    let column = table.tensor_columns().iter().find(|column| column.name == name);
    match column.and_then(|column| Some((column, elements(array)?))) {
        Some((column, elements)) => tensors(py, column, elements, array.len(), access),
        None => to_numpy(py, name, array, access),
    }
}

/// The elements of an array of tensors.
fn elements(array: &ArrayRef) -> Option<Buffer> {
    if let Some(list) = array.as_fixed_size_list_opt() {
        let values = list.values().slice(list.value_offset_at(0), array.len() * list.value_length() as usize);
        return numbers(&values).map(|(values, _)| values);
    }
    let bytes = array.as_fixed_size_binary_opt()?;
    let length = bytes.value_length() as usize;
    Some(bytes.to_data().buffers()[0].slice_with_length(bytes.offset() * length, array.len() * length))
}

/// A column as an array: numbers and booleans; strings as an array of objects; lists of fixed length as two dimensions.
/// A missing number is -1, or NaN; a missing string is None. `Access::Write` is for columns that nothing else shares.
fn to_numpy<'py>(py: Python<'py>, name: &str, column: &ArrayRef, access: Access) -> PyResult<Bound<'py, PyAny>> {
    let rows = column.len();
    if let Some(list) = column.as_fixed_size_list_opt()
        && list.null_count() == 0
    {
        let length = list.value_length() as usize;
        let start = list.value_offset_at(0);
        let values = list.values().slice(start, rows * length);
        if let Some((values, dtype)) = numbers(&values) {
            return ndarray(py, values, vec![rows, length], dtype, access);
        }
    }
    if let Some((values, dtype)) = numbers(column) {
        return ndarray(py, values, vec![rows], dtype, access);
    }
    let Some(texts) = texts(column) else {
        let missing = if column.null_count() > 0 { " with missing values" } else { "" };
        let kind = column.data_type();
        let text = format!("column `{name}` of type {kind}{missing} has no NumPy equivalent; use `to_arrow()`");
        return Err(PyTypeError::new_err(text));
    };
    let settings = PyDict::new(py);
    settings.set_item("dtype", "object")?;
    py.import("numpy")?.call_method("array", (PyList::new(py, texts)?,), Some(&settings))
}

/// The strings of a column of strings.
fn texts(column: &ArrayRef) -> Option<Vec<Option<&str>>> {
    Some(match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().iter().collect(),
        DataType::LargeUtf8 => column.as_string::<i64>().iter().collect(),
        DataType::Utf8View => column.as_string_view().iter().collect(),
        _ => return None,
    })
}

/// The values of a column of numbers or booleans, and their type as NumPy names it.
fn numbers(column: &ArrayRef) -> Option<(Buffer, &'static str)> {
    if let Some(bits) = column.as_boolean_opt() {
        return (bits.null_count() == 0)
            .then(|| (bits.values().iter().map(u8::from).collect::<Vec<u8>>().into(), "b1"));
    }
    let dtype = match column.data_type() {
        DataType::Int8 => "i1",
        DataType::Int16 => "i2",
        DataType::Int32 => "i4",
        DataType::Int64 => "i8",
        DataType::UInt8 => "u1",
        DataType::UInt16 => "u2",
        DataType::UInt32 => "u4",
        DataType::UInt64 => "u8",
        DataType::Float16 => "f2",
        DataType::Float32 => "f4",
        DataType::Float64 => "f8",
        _ => return None,
    };
    if column.null_count() > 0 {
        let filled = match column.data_type() {
            DataType::Int32 => filled::<Int32Type>(column, -1),
            DataType::Int64 => filled::<Int64Type>(column, -1),
            DataType::Float32 => filled::<Float32Type>(column, f32::NAN),
            DataType::Float64 => filled::<Float64Type>(column, f64::NAN),
            _ => return None,
        };
        return Some((filled, dtype));
    }
    let data = column.to_data();
    let width = column.data_type().primitive_width()?;
    Some((data.buffers()[0].slice_with_length(data.offset() * width, column.len() * width), dtype))
}

fn filled<T: arrow_array::ArrowPrimitiveType>(column: &ArrayRef, missing: T::Native) -> Buffer {
    column.as_primitive::<T>().iter().map(|value| value.unwrap_or(missing)).collect::<Vec<_>>().into()
}
