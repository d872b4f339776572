//! Tables, and the datasets whose splits they are.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use arrow_buffer::Buffer;
use inlaid::read::Found;
use inlaid::{FormatError, LoadOptions, MANIFEST, Spec};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule, PyTuple};

use crate::arrow::{Schema, stream};
use crate::batches::{Batches, Settings, row_numbers};
use crate::casting::{Casting, encoded};
use crate::column::column_to_numpy;
use crate::errors::exception;
use crate::loader::Loader;
use crate::ndarray::{Access, ndarray, tensors};
use crate::pixels::Pixels;
use crate::reading::{Reading, tell_of_cache};
use crate::rejects::Rejects;

/// The rows of one or several files.
#[pyclass(frozen, module = "inlaid._inlaid")]
pub struct Table {
    pub table: inlaid::Table,
}

/// Says what there is to open at a path or URL: a dataset, a table, or several of them, whose names and paths come with
/// it. A dataset whose first commit was interrupted is one, not a folder of some tables.
#[pyfunction]
pub fn find(
    py: Python<'_>,
    path: PathBuf,
    reading: &Reading,
) -> PyResult<(&'static str, BTreeMap<String, Vec<OsString>>)> {
    if !inlaid::is_url(&path) {
        match py.detach(|| inlaid::complete_commit(&path)) {
            Err(error) if !path.join(MANIFEST).exists() => return Err(exception(error)),
            _ => {}
        }
    }
    // Paths of Python would have one slash after the scheme of a URL.
    let texts = |files: Vec<PathBuf>| files.into_iter().map(OsString::from).collect();
    Ok(match py.detach(|| reading.reading.found(&path)).map_err(exception)? {
        Found::Dataset => ("dataset", BTreeMap::new()),
        Found::Table => ("table", BTreeMap::new()),
        Found::Folders(folders) => {
            ("folders", folders.into_iter().map(|(name, folder)| (name, texts(vec![folder]))).collect())
        }
        Found::Splits(splits) => ("splits", splits.into_iter().map(|(name, files)| (name, texts(files))).collect()),
    })
}

/// Opens the dataset at a path or URL: its splits by name, its manifest as JSON, and its rejects. Completes an interrupted
/// commit in a folder first; where that is not possible, the snapshot before it is opened as long as it is whole.
#[pyfunction]
pub fn open_dataset(
    py: Python<'_>,
    folder: PathBuf,
    reading: &Reading,
) -> PyResult<(BTreeMap<&'static str, Table>, String, Rejects)> {
    let open = || {
        let commit = if inlaid::is_url(&folder) { Ok(()) } else { inlaid::complete_commit(&folder).map(drop) };
        reading.reading.dataset(&folder).map_err(|error| match (error, commit) {
            (inlaid::Error::Format(FormatError::Committing(_)), Err(why)) => why,
            (error, _) => error,
        })
    };
    let dataset = py.detach(open).map_err(exception)?;
    let manifest = serde_json::to_string(dataset.manifest());
    let manifest = manifest.map_err(|error| PyValueError::new_err(error.to_string()))?;
    let table = |table| Table { table };
    let (splits, rejects) = dataset.into_parts();
    let splits = splits.into_iter().map(|(split, rows)| (split.as_str(), table(rows)));
    Ok((splits.collect(), manifest, Rejects::new(rejects)))
}

#[pymethods]
impl Table {
    /// Opens a file, or all files of a folder, at a path or URL.
    #[new]
    fn new(py: Python<'_>, path: PathBuf, reading: &Reading) -> PyResult<Table> {
        let table = py.detach(|| reading.reading.table(&path)).map_err(exception)?;
        Ok(Table { table })
    }

    /// Opens files whose rows follow each other; of each as many bytes as are told, or all.
    #[staticmethod]
    fn of_files(py: Python<'_>, files: Vec<(PathBuf, Option<u64>)>, reading: &Reading) -> PyResult<Table> {
        let table = py.detach(|| reading.reading.files(&files)).map_err(exception)?;
        Ok(Table { table })
    }

    fn __len__(&self) -> usize {
        self.table.len()
    }

    /// Whether tensors have to be decoded, since they are not stored verbatim.
    #[getter]
    fn decodes(&self, py: Python<'_>) -> bool {
        py.detach(|| self.table.decodes())
    }

    #[getter]
    fn fingerprint(&self, py: Python<'_>) -> u64 {
        py.detach(|| self.table.fingerprint())
    }

    /// The shape of stored tensors, or that to which a conversion has resized image files; none if these have sizes of
    /// their own.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let resized = || inlaid::Loader::column(&self.table, &LoadOptions::default()).ok();
        let column = self.table.tensor_column().cloned().or_else(resized);
        column.map(|column| PyTuple::new(py, &column.shape)).transpose()
    }

    #[getter]
    fn dtype(&self) -> &'static str {
        self.table.tensor_column().map_or("uint8", |column| column.element.numpy_name())
    }

    /// The column of tensors, or of image files.
    #[getter]
    fn tensor_column(&self) -> &str {
        self.table.main_column()
    }

    /// Whether the rows are image files.
    #[getter]
    fn are_files(&self) -> bool {
        self.table.tensor_column().is_none()
    }

    /// The shape and type of the tensors that are made of rows.
    fn made<'py>(&self, py: Python<'py>, pixels: Pixels) -> PyResult<(Bound<'py, PyTuple>, &'static str)> {
        let column = inlaid::Loader::column(&self.table, &pixels.0).map_err(exception)?;
        Ok((PyTuple::new(py, &column.shape)?, column.element.numpy_name()))
    }

    /// A loader of rows by number.
    fn loader(&self, pixels: Pixels) -> PyResult<Loader> {
        Loader::new(&self.table, pixels.0)
    }

    /// The image of a row at its own size, of image files.
    fn decode<'py>(&self, py: Python<'py>, row: usize) -> PyResult<Bound<'py, PyAny>> {
        let decode = || inlaid::decode(&self.table, row, &Spec::originals());
        let (samples, sides) = py.detach(decode).map_err(exception)?;
        tell_of_cache(py, &self.table)?;
        ndarray(py, Buffer::from(samples), sides.to_vec(), "u1", Access::Write)
    }

    /// The bytes of the image file of a row.
    fn image_file<'py>(&self, py: Python<'py>, row: usize) -> PyResult<Bound<'py, PyBytes>> {
        let file = py.detach(|| self.table.image_file(row)).map_err(exception)?;
        tell_of_cache(py, &self.table)?;
        Ok(PyBytes::new(py, &file))
    }

    /// The shape and type of the tensors of each column of tensors.
    #[getter]
    fn tensors<'py>(&self, py: Python<'py>) -> PyResult<BTreeMap<String, (Bound<'py, PyTuple>, &'static str)>> {
        let columns = self.table.tensor_columns().iter();
        columns.map(|one| Ok((one.name.clone(), (PyTuple::new(py, &one.shape)?, one.element.numpy_name())))).collect()
    }

    /// The layout of the tensors in a column, if they have channels.
    fn layout(&self, column: &str) -> Option<&'static str> {
        if self.are_files() && column == self.table.main_column() {
            return Some("hwc");
        }
        self.table.layout_of(column).map(|layout| layout.as_str())
    }

    /// The spec of the dataset that the files are of, as JSON.
    #[getter]
    fn spec(&self) -> Option<&str> {
        self.table.schema().metadata().get("inlaid.spec").map(String::as_str)
    }

    #[getter]
    fn classes(&self) -> Vec<String> {
        self.table.classes()
    }

    #[getter]
    fn files(&self) -> Vec<&OsStr> {
        self.table.files().map(Path::as_os_str).collect()
    }

    /// Bytes of files in object stores, and how many of them a cache keeps; none if the files are on a disk.
    #[getter]
    fn stored(&self) -> Option<(u64, u64)> {
        Some((self.table.lengths().sum(), self.table.cache()?.most()))
    }

    /// The length of each file, as far as it is read.
    #[getter]
    fn lengths(&self) -> Vec<u64> {
        self.table.lengths().collect()
    }

    #[getter]
    fn schema(&self) -> Schema {
        Schema { schema: self.table.schema().clone() }
    }

    /// The tensors of a range of rows, read-only: a view where they are contiguous, else a copy.
    fn slice<'py>(&self, py: Python<'py>, start: usize, rows: usize) -> PyResult<Bound<'py, PyAny>> {
        let read = || {
            if self.table.is_mapped()
                && let (view, count) = self.table.run(start, rows)?
                && count == rows
            {
                return Ok(Buffer::from(view));
            }
            self.table.copy(&(start..start + rows).collect::<Vec<_>>())
        };
        let values = if rows == 0 { Buffer::default() } else { py.detach(read).map_err(exception)? };
        tell_of_cache(py, &self.table)?;
        tensors(py, self.table.tensor_column().ok_or_else(|| encoded(&self.table))?, values, rows, Access::Read)
    }

    /// A copy of the tensors of these rows: int64 in the byte order of the machine, one after the other. With a cast,
    /// they are one batch.
    fn take<'py>(&self, py: Python<'py>, rows: &[u8], cast: Option<Casting>) -> PyResult<Bound<'py, PyAny>> {
        let (table, rows) = (&self.table, row_numbers(rows));
        let Some(cast) = cast else {
            let values = py.detach(|| table.copy(&rows)).map_err(exception)?;
            tell_of_cache(py, table)?;
            let column = table.tensor_column().ok_or_else(|| encoded(table))?;
            return tensors(py, column, values, rows.len(), Access::Write);
        };
        let cast = cast.of(table)?;
        let values = py.detach(|| table.cast(&rows, &cast)).map_err(exception)?;
        tensors(py, cast.target(), values, rows.len(), Access::Write)
    }

    /// A copy of the tensors of these rows in any column of tensors; otherwise as `take`.
    fn take_of<'py>(&self, py: Python<'py>, column: &str, rows: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        let (of_column, rows) = (self.table.tensors(column).map_err(exception)?, row_numbers(rows));
        let values = py.detach(|| of_column.copy(&rows)).map_err(exception)?;
        tensors(py, of_column.column(), values, rows.len(), Access::Write)
    }

    /// The shape and type of tensors that are cast.
    fn cast<'py>(&self, py: Python<'py>, cast: Casting) -> PyResult<(Bound<'py, PyTuple>, &'static str)> {
        let cast = cast.of(&self.table)?;
        Ok((PyTuple::new(py, &cast.target().shape)?, cast.target().element.numpy_name()))
    }

    /// A table of these rows: int64 in the byte order of the machine, one after the other.
    fn select(&self, rows: &[u8]) -> PyResult<Table> {
        let table = self.table.select(&row_numbers(rows)).map_err(exception)?;
        Ok(Table { table })
    }

    /// The rows of several tables, one after the other.
    #[staticmethod]
    fn concat(py: Python<'_>, tables: Vec<Py<Table>>) -> PyResult<Table> {
        let tables: Vec<&inlaid::Table> = tables.iter().map(|table| &table.get().table).collect();
        let table = py.detach(|| inlaid::Table::concat(&tables)).map_err(exception)?;
        Ok(Table { table })
    }

    /// All rows of a column beside the tensors.
    fn column<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let column = py.detach(|| self.table.column(name)).map_err(exception)?;
        tell_of_cache(py, &self.table)?;
        column_to_numpy(py, &self.table, name, &column, Access::Read)
    }

    /// The batches of an epoch from the batch `skip` on, or every `workers`-th of these, from `worker` on.
    fn batches(
        &self,
        py: Python<'_>,
        settings: Settings,
        epoch: u64,
        skip: usize,
        worker: usize,
        workers: usize,
    ) -> PyResult<Batches> {
        Batches::new(py, &self.table, settings, epoch, skip, (worker, workers))
    }

    /// The number of batches of an epoch.
    fn count_batches(&self, settings: Settings) -> PyResult<usize> {
        settings.count(&self.table)
    }

    /// The rows as an Arrow stream: all columns, or some.
    fn stream<'py>(&self, py: Python<'py>, columns: Option<Vec<String>>) -> PyResult<Bound<'py, PyCapsule>> {
        stream(py, &self.table, columns.as_deref())
    }
}
