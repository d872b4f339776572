//! The rows of one or several files, as one table of tensors with other columns beside them.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::Hasher;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, new_empty_array};
use arrow_schema::{ArrowError, Schema, SchemaRef};
use arrow_select::take::take;
use bytes::Bytes;
use twox_hash::xxhash3_64;

use super::batches::{BatchOptions, Batches};
use super::file::TensorFile;
use super::folder::tables_below;
use super::record_batches::RecordBatches;
use super::tensors::Tensors;
use crate::error::Error;
use crate::format::columns::told_features;
use crate::format::keys::CLASSES;
use crate::format::tensor::tensor_array;
use crate::format::tensor_column::TensorColumn;

/// Decoded row groups that are kept where pages are not verbatim: as many as are read at a time by a
/// shuffle that mixes four.
const DECODED: usize = 4;

/// The rows of one or several files. Rows are counted through all of them, in the order of the files.
///
/// Where the tensors lie verbatim in the files (as inlaid writes them), they are slices of the mapped
/// files: no decoding, no copy. Elsewhere their row group is decoded as a whole, and the last four are
/// kept. Cheap to share between threads.
pub struct Table {
    pub(super) files: Vec<TensorFile>,
    /// The first row of every row group, its file, and its number in the file.
    pub(super) row_groups: Vec<(usize, usize, usize)>,
    pub(super) rows: usize,
    /// Row groups that were decoded last, by column and number.
    decoded: Mutex<VecDeque<((usize, usize), Bytes)>>,
    columns: Mutex<HashMap<String, ArrayRef>>,
}

impl Table {
    /// Opens one file, or all tables below a folder in the order of their paths: files called `.parquet`, `.pq`,
    /// `.arrow`, `.arrows`, `.feather` or `.ipc`, but those that are hidden (`.` or `_` at the front of the name).
    ///
    /// # Errors
    /// If there is none, one can't be read, is damaged, has no tensors, or others than the first.
    pub fn open(path: impl AsRef<Path>) -> Result<Table, Error> {
        let path = path.as_ref();
        let paths = if path.is_dir() { tables_below(path)? } else { vec![path.to_owned()] };
        Table::of_files(&paths, path)
    }

    /// Opens these files, whose rows follow each other.
    ///
    /// # Errors
    /// As [`Table::open`].
    pub fn open_files(paths: &[PathBuf]) -> Result<Table, Error> {
        Table::of_files(paths, paths.first().and_then(|path| path.parent()).unwrap_or(Path::new("")))
    }

    /// Opens these files, which stand for `whole`.
    fn of_files(paths: &[PathBuf], whole: &Path) -> Result<Table, Error> {
        Table::of(paths.iter().map(|path| TensorFile::open(path, None)), whole)
    }

    /// Opens the shards of a split as they were when they had these lengths.
    pub(super) fn of_shards(shards: &[(PathBuf, u64)], split: &Path) -> Result<Table, Error> {
        Table::of(shards.iter().map(|(path, length)| TensorFile::open(path, Some(*length))), split)
    }

    fn of(files: impl Iterator<Item = Result<TensorFile, Error>>, whole: &Path) -> Result<Table, Error> {
        let files = files.collect::<Result<Vec<_>, _>>()?;
        let Some(first) = files.first() else { return Err(Error::NoTensors(whole.to_owned())) };
        if let Some(other) = files.iter().find(|file| file.columns[0] != first.columns[0]) {
            return Err(Error::damaged(
                &other.path,
                format!("its tensors are others than those of `{}`", first.path.display()),
            ));
        }
        let (mut row_groups, mut rows) = (Vec::new(), 0);
        for (file, number) in files.iter().zip(0..) {
            for (row_group, count) in file.row_groups.iter().enumerate() {
                row_groups.push((rows, number, row_group));
                rows += count;
            }
        }
        Ok(Table { files, row_groups, rows, decoded: Mutex::default(), columns: Mutex::default() })
    }

    /// A shard that is longer than it was.
    pub(super) fn lengthened(&self) -> Option<(&Path, u64)> {
        self.files.iter().find(|file| file.surplus > 0).map(|file| (&*file.path, file.surplus))
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether it has no row.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Tells whether these are the files that were opened elsewhere or earlier: XXH3-64 of the length of each
    /// and of its last 64 KiB, where its footer is.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = xxhash3_64::Hasher::new();
        for file in &self.files {
            file.identify(&mut hasher);
        }
        hasher.finish()
    }

    /// The main column of tensors: the images.
    pub fn tensor_column(&self) -> &TensorColumn {
        &self.files[0].columns[0]
    }

    /// All columns of tensors: the main one first, then the others in the order of the schema.
    pub fn tensor_columns(&self) -> &[TensorColumn] {
        &self.files[0].columns
    }

    /// The tensors of a column.
    ///
    /// # Errors
    /// If there is no column of tensors of this name, or a file has other tensors in it than the first one.
    pub fn tensors(&self, name: &str) -> Result<Tensors<'_>, Error> {
        let column = self.tensor_columns().iter().position(|column| column.name == name);
        let column = column.ok_or_else(|| self.no_column(name))?;
        let expected = &self.tensor_columns()[column];
        match self.files.iter().find(|file| file.columns.get(column) != Some(expected)) {
            None => Ok(Tensors { table: self, column }),
            Some(other) => {
                let first = self.files[0].path.display();
                Err(Error::damaged(
                    &other.path,
                    format!("the tensors of its column `{name}` differ from those of `{first}`"),
                ))
            }
        }
    }

    /// The tensors of the main column.
    pub(super) fn main(&self) -> Tensors<'_> {
        Tensors { table: self, column: 0 }
    }

    /// The Arrow schema of its files.
    pub fn schema(&self) -> &SchemaRef {
        &self.files[0].schema
    }

    /// The names of the classes; a label is an index into them. They are in the metadata of files that
    /// inlaid has written, or as the `ClassLabel` called `label` among the features of Hugging Face
    /// `datasets`. Empty if there are none.
    pub fn classes(&self) -> Vec<String> {
        let lists = self.files.iter().filter_map(|file| class_names(&file.schema));
        // Appends add classes at the end, so the longest list is the newest.
        lists.max_by_key(Vec::len).unwrap_or_default()
    }

    /// The rows of every row group.
    pub fn row_groups(&self) -> impl Iterator<Item = Range<usize>> {
        let starts = self.row_groups.iter().map(|(start, ..)| *start);
        let ends = starts.clone().skip(1).chain([self.rows]);
        starts.zip(ends).map(|(start, end)| start..end)
    }

    /// As [`Tensors::row`], of the main column.
    ///
    /// # Errors
    /// As [`Tensors::row`].
    pub fn tensor(&self, row: usize) -> Result<Bytes, Error> {
        self.main().row(row)
    }

    /// As [`Tensors::run`], of the main column.
    ///
    /// # Errors
    /// As [`Tensors::row`].
    pub fn run(&self, row: usize, rows: usize) -> Result<(Bytes, usize), Error> {
        self.main().run(row, rows)
    }

    /// As [`Tensors::gather`], of the main column.
    ///
    /// # Errors
    /// As [`Tensors::row`].
    ///
    /// # Panics
    /// If `out` has another length than the tensors.
    pub fn gather(&self, rows: &[usize], out: &mut [u8]) -> Result<(), Error> {
        self.main().gather(rows, out)
    }

    /// As [`Tensors::copy`], of the main column.
    ///
    /// # Errors
    /// As [`Tensors::row`].
    pub fn copy(&self, rows: &[usize]) -> Result<Vec<u8>, Error> {
        self.main().copy(rows)
    }

    /// Batches of rows, in the order of an epoch.
    ///
    /// # Errors
    /// If a column can't be read.
    pub fn batches(self: &Arc<Table>, options: &BatchOptions) -> Result<Batches, Error> {
        Batches::new(self.clone(), options)
    }

    /// The rows in order, as record batches of Arrow: all columns, or those of these names in this order.
    ///
    /// # Errors
    /// If there is no such column, or a row group is damaged.
    pub fn record_batches(self: &Arc<Table>, columns: Option<&[String]>) -> Result<RecordBatches, Error> {
        RecordBatches::new(self.clone(), columns)
    }

    /// A column beside the tensors, all rows of it; it is read once and kept. Entries of dictionaries, which
    /// may be others in every row group, become the values that they stand for.
    ///
    /// # Errors
    /// If there is no such column, or a row group is damaged.
    pub fn column(&self, name: &str) -> Result<ArrayRef, Error> {
        let mut columns = self.columns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(array) = columns.get(name) {
            return Ok(array.clone());
        }
        if self.tensor_columns().iter().any(|column| column.name == name) {
            let field = self.schema().field_with_name(name).map_err(|_| self.no_column(name))?;
            let all = self.tensors(name)?.copy(&(0..self.rows).collect::<Vec<_>>())?;
            let array = tensor_array(field, all.into());
            return array.map_err(|error| Error::damaged(&self.files[0].path, error.to_string()));
        }
        let mut parts: Vec<ArrayRef> = Vec::new();
        for &(_, file, row_group) in &self.row_groups {
            let file = &self.files[file];
            let part = without_dictionary(file.read(row_group, &[name])?.column(0));
            let part = part.map_err(|error| Error::damaged(&file.path, error.to_string()))?;
            if let Some(first) = parts.first().filter(|first| first.data_type() != part.data_type()) {
                let (kind, other, path) = (part.data_type(), first.data_type(), self.files[0].path.display());
                return Err(Error::damaged(
                    &file.path,
                    format!("its column `{name}` is of type {kind}, that of `{path}` of {other}"),
                ));
            }
            parts.push(part);
        }
        if parts.is_empty() {
            let field = self.schema().field_with_name(name).map_err(|_| self.no_column(name))?;
            let empty = without_dictionary(&new_empty_array(field.data_type()));
            return empty.map_err(|error| Error::damaged(&self.files[0].path, error.to_string()));
        }
        let parts: Vec<&dyn Array> = parts.iter().map(|part| &**part).collect();
        let array = arrow_select::concat::concat(&parts);
        let array = array.map_err(|error| Error::damaged(&self.files[0].path, error.to_string()))?;
        columns.insert(name.to_owned(), array.clone());
        Ok(array)
    }

    /// The error of asking for a column that is not there.
    pub(super) fn no_column(&self, name: &str) -> Error {
        Error::NoColumn { path: self.files[0].path.clone(), columns: name.to_owned() }
    }

    pub(super) fn decoded(
        &self,
        column: usize,
        number: usize,
        file: &TensorFile,
        row_group: usize,
    ) -> Result<Bytes, Error> {
        let kept = || self.decoded.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (column, number);
        if let Some((_, tensors)) = kept().iter().find(|(kept, _)| *kept == key) {
            return Ok(tensors.clone());
        }
        let tensors = file.decode(column, row_group)?;
        let mut kept = kept();
        kept.truncate(DECODED * self.tensor_columns().len() - 1);
        kept.push_front((key, tensors.clone()));
        Ok(tensors)
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths: Vec<&Path> = self.files.iter().map(|file| &*file.path).collect();
        let columns: Vec<&str> = self.tensor_columns().iter().map(|column| &*column.name).collect();
        f.debug_struct("Table").field("files", &paths).field("rows", &self.rows).field("tensors", &columns).finish()
    }
}

/// The values of a column, be they in a dictionary.
fn without_dictionary(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match array.as_any_dictionary_opt() {
        Some(dictionary) => without_dictionary(&take(dictionary.values(), dictionary.keys(), None)?),
        None => Ok(array.clone()),
    }
}

/// The names of the classes that the metadata of a schema tells.
fn class_names(schema: &Schema) -> Option<Vec<String>> {
    match schema.metadata().get(CLASSES) {
        Some(text) => serde_json::from_str(text).ok(),
        None => serde_json::from_value(told_features(schema)?.get("label")?.get("names")?.clone()).ok(),
    }
}
