//! Tables and schemas for other Arrow libraries in this process, without a copy: the Arrow PyCapsule
//! interface.

use std::hash::{Hash, Hasher};

use arrow_array::ffi::FFI_ArrowSchema;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, SchemaRef};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule};

use crate::errors::exception;

/// The names and types of columns. Schemas are equal if their columns are, whatever the files say about themselves.
#[pyclass(frozen, eq, hash, module = "inlaid._inlaid")]
pub struct Schema {
    pub schema: SchemaRef,
}

impl PartialEq for Schema {
    fn eq(&self, other: &Schema) -> bool {
        self.schema.fields() == other.schema.fields()
    }
}

impl Hash for Schema {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.schema.fields().hash(state);
    }
}

#[pymethods]
impl Schema {
    /// The schema of an Arrow stream.
    #[staticmethod]
    fn from_stream(bytes: &[u8]) -> PyResult<Schema> {
        let stream = StreamReader::try_new(bytes, None).map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(Schema { schema: stream.schema() })
    }

    /// For `pickle`: a stream without rows.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        let stream = || {
            let mut stream = StreamWriter::try_new(Vec::new(), &self.schema)?;
            stream.finish()?;
            stream.into_inner()
        };
        let stream = stream().map_err(|error: ArrowError| PyTypeError::new_err(error.to_string()))?;
        Ok((py.get_type::<Schema>().getattr("from_stream")?, (PyBytes::new(py, &stream),)))
    }

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
