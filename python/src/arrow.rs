//! Tables and schemas for other Arrow libraries in this process, without a copy: the Arrow PyCapsule
//! interface.

use arrow_array::ffi::FFI_ArrowSchema;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_schema::SchemaRef;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::errors::exception;

/// The names and types of columns.
#[pyclass(frozen, module = "inlaid._inlaid")]
pub struct Schema {
    pub schema: SchemaRef,
}

#[pymethods]
impl Schema {
    #[getter]
    fn names(&self) -> Vec<&str> {
        self.schema.fields().iter().map(|field| field.name().as_str()).collect()
    }

    fn __len__(&self) -> usize {
        self.schema.fields().len()
    }

    fn __repr__(&self) -> String {
        let fields = self.schema.fields().iter();
        let fields: Vec<_> = fields.map(|field| format!("{}: {}", field.name(), field.data_type())).collect();
        format!("<inlaid.Schema {}>", fields.join(", "))
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = FFI_ArrowSchema::try_from(&*self.schema);
        let schema = schema.map_err(|error| PyTypeError::new_err(error.to_string()))?;
        PyCapsule::new_with_value(py, schema, c"arrow_schema")
    }
}

/// The rows of a table as a stream, in a capsule of the name that the protocol demands.
pub fn stream<'py>(
    py: Python<'py>,
    table: &inlaid::Table,
    columns: Option<&[String]>,
) -> PyResult<Bound<'py, PyCapsule>> {
    let batches = py.detach(|| table.record_batches(columns)).map_err(exception)?;
    PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(batches)), c"arrow_array_stream")
}
