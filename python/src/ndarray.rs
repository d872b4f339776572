//! Memory of Rust as NumPy arrays, without a copy and without unsafe code: NumPy asks for
//! `__array_interface__` (see its documentation, "The array interface protocol"), and the array keeps
//! the memory.

use arrow_buffer::Buffer;
use inlaid::read::TensorColumn;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

/// Whether an array may be written to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Its memory is shared, or a mapped file.
    Read,
    /// Its memory is its own.
    Write,
}

/// The memory of a NumPy array.
#[pyclass(frozen, module = "inlaid._inlaid")]
struct Memory {
    buffer: Buffer,
    shape: Vec<usize>,
    dtype: String,
    access: Access,
}

#[pymethods]
impl Memory {
    #[getter]
    fn __array_interface__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let interface = PyDict::new(py);
        interface.set_item("version", 3)?;
        interface.set_item("shape", pyo3::types::PyTuple::new(py, &self.shape)?)?;
        interface.set_item("typestr", &self.dtype)?;
        interface.set_item("data", (self.buffer.as_ptr() as usize, self.access == Access::Read))?;
        Ok(interface)
    }
}

/// A NumPy array of this memory. `dtype` is a type string of NumPy without the byte order, as in `u1` or `f4`; the byte
/// order is the machine's. `Access::Write` is for memory that nothing else shares.
pub fn ndarray<'py>(
    py: Python<'py>,
    buffer: Buffer,
    shape: Vec<usize>,
    dtype: &str,
    access: Access,
) -> PyResult<Bound<'py, PyAny>> {
    static ASARRAY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let order = if cfg!(target_endian = "little") { '<' } else { '>' };
    let memory = Memory { buffer, shape, dtype: format!("{order}{dtype}"), access };
    ASARRAY.import(py, "numpy", "asarray")?.call1((memory,))
}

/// Tensors as an array, rows first, then the dimensions of a tensor.
pub fn tensors<'py>(
    py: Python<'py>,
    column: &TensorColumn,
    values: Buffer,
    rows: usize,
    access: Access,
) -> PyResult<Bound<'py, PyAny>> {
    let shape = [&[rows], &column.shape[..]].concat();
    // The first letter and the width: `uint8` is `u1`.
    let dtype = format!("{}{}", &column.element.numpy_name()[..1], column.element.size());
    ndarray(py, values, shape, &dtype, access)
}
