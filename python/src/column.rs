//! Columns beside the tensors as NumPy arrays.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::Buffer;
use arrow_schema::{DataType, TimeUnit};
use inlaid::Table;
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

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

/// A column as an array: numbers and booleans; times as datetimes; lists of fixed length as two dimensions; everything
/// else as an array of objects. A missing number is -1, or NaN; a missing time NaT; a missing object None.
/// `Access::Write` is for columns that nothing else shares.
fn to_numpy<'py>(py: Python<'py>, name: &str, column: &ArrayRef, access: Access) -> PyResult<Bound<'py, PyAny>> {
    let rows = column.len();
    if let Some(list) = column.as_fixed_size_list_opt()
        && list.null_count() == 0
    {
        let length = list.value_length() as usize;
        let start = list.value_offset_at(0);
        let values = list.values().slice(start, rows * length);
        if let Some((values, dtype)) = numbers(&values) {
            return ndarray(py, values, vec![rows, length], &dtype, access);
        }
    }
    if let Some((values, dtype)) = numbers(column).or_else(|| times(column)) {
        return ndarray(py, values, vec![rows], &dtype, access);
    }
    let objects = (0..rows).map(|row| object(py, name, column, row)).collect::<PyResult<Vec<_>>>()?;
    // One by one: NumPy would look into lists of equal lengths.
    let array = py.import("numpy")?.call_method1("empty", (rows, "object"))?;
    for (row, object) in objects.into_iter().enumerate() {
        array.set_item(row, object)?;
    }
    Ok(array)
}

/// The value of a row as Python has it.
fn object<'py>(py: Python<'py>, name: &str, column: &ArrayRef, row: usize) -> PyResult<Bound<'py, PyAny>> {
    if column.is_null(row) {
        return Ok(py.None().into_bound(py));
    }
    Ok(match column.data_type() {
        DataType::Null => py.None().into_bound(py),
        DataType::Utf8 => column.as_string::<i32>().value(row).into_bound_py_any(py)?,
        DataType::LargeUtf8 => column.as_string::<i64>().value(row).into_bound_py_any(py)?,
        DataType::Utf8View => column.as_string_view().value(row).into_bound_py_any(py)?,
        DataType::Binary => PyBytes::new(py, column.as_binary::<i32>().value(row)).into_any(),
        DataType::LargeBinary => PyBytes::new(py, column.as_binary::<i64>().value(row)).into_any(),
        DataType::BinaryView => PyBytes::new(py, column.as_binary_view().value(row)).into_any(),
        DataType::FixedSizeBinary(_) => PyBytes::new(py, column.as_fixed_size_binary().value(row)).into_any(),
        DataType::List(_) => to_numpy(py, name, &column.as_list::<i32>().value(row), Access::Read)?,
        DataType::LargeList(_) => to_numpy(py, name, &column.as_list::<i64>().value(row), Access::Read)?,
        DataType::FixedSizeList(..) => to_numpy(py, name, &column.as_fixed_size_list().value(row), Access::Read)?,
        DataType::Struct(fields) => {
            let values = PyDict::new(py);
            for (field, values_of_field) in fields.iter().zip(column.as_struct().columns()) {
                values.set_item(field.name(), object(py, name, values_of_field, row)?)?;
            }
            values.into_any()
        }
        // A number, a truth value or a time.
        _ => {
            let one = column.slice(row, 1);
            let Some((value, dtype)) = numbers(&one).or_else(|| times(&one)) else {
                let kind = column.data_type();
                let text = format!("column `{name}` of type {kind} has no NumPy equivalent; use `to_arrow()`");
                return Err(PyTypeError::new_err(text));
            };
            let value = ndarray(py, value, vec![1], &dtype, Access::Read)?.get_item(0)?;
            // A number of Python; a time stays one of NumPy.
            if dtype.starts_with(['M', 'm']) { value } else { value.call_method0("item")? }
        }
    })
}

/// The values of a column of times, and their type as NumPy names it. NumPy has days, and units of seconds.
fn times(column: &ArrayRef) -> Option<(Buffer, String)> {
    let unit = |unit: &TimeUnit| match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    };
    let kind = match column.data_type() {
        DataType::Timestamp(of, _) => format!("M8[{}]", unit(of)),
        DataType::Duration(of) | DataType::Time64(of) | DataType::Time32(of) => format!("m8[{}]", unit(of)),
        DataType::Date32 => "M8[D]".to_owned(),
        DataType::Date64 => "M8[ms]".to_owned(),
        _ => return None,
    };
    let data = column.to_data();
    let bytes = data.buffers()[0].as_slice();
    let value = |row: usize| match column.data_type().primitive_width() {
        // Not a time.
        _ if column.is_null(row) => Some(i64::MIN),
        Some(4) => Some(i64::from(i32::from_ne_bytes(*bytes.as_chunks().0.get(data.offset() + row)?))),
        _ => Some(i64::from_ne_bytes(*bytes.as_chunks().0.get(data.offset() + row)?)),
    };
    let values: Option<Vec<i64>> = (0..column.len()).map(value).collect();
    Some((values?.into(), kind))
}

/// The values of a column of numbers or booleans, and their type as NumPy names it.
fn numbers(column: &ArrayRef) -> Option<(Buffer, String)> {
    if let Some(bits) = column.as_boolean_opt() {
        return (bits.null_count() == 0)
            .then(|| (bits.values().iter().map(u8::from).collect::<Vec<u8>>().into(), "b1".to_owned()));
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
        return Some((filled, dtype.to_owned()));
    }
    let data = column.to_data();
    let width = column.data_type().primitive_width()?;
    Some((data.buffers()[0].slice_with_length(data.offset() * width, column.len() * width), dtype.to_owned()))
}

fn filled<T: arrow_array::ArrowPrimitiveType>(column: &ArrayRef, missing: T::Native) -> Buffer {
    column.as_primitive::<T>().iter().map(|value| value.unwrap_or(missing)).collect::<Vec<_>>().into()
}
