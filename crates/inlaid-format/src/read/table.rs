//! The rows of one or more files, as one table of tensors and other columns.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::Hasher;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, UInt64Array, new_empty_array};
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::take::take;
use bytes::Bytes;
use twox_hash::xxhash3_64;

use super::ahead::ColumnAhead;
use super::cache::Cache;
use super::cached_bytes::Wanted;
use super::file::TensorFile;
use super::folder::tables_below;
use super::image_parts::ImagePart;
use super::input::FileAccess;
use super::labels::{Labels, class_names};
use super::per_process::PerProcess;
use super::store_cache::StoreCache;
use crate::error::Error;
use crate::format::columns::LABEL;
use crate::format::files::Files;
use crate::format::tensor::tensor_array;
use crate::format::tensor_column::{TensorColumn, layout};
use crate::spec::Layout;

/// The rows of one or more files, numbered from 0 through all files in order. The main column has tensors, or else images
/// that are encoded as files are: datasets with encoded storage, and those of Hugging Face `datasets`.
///
/// If tensors are stored verbatim, as inlaid writes them, they are slices of the mapped files, without decoding
/// or copying. Otherwise ([`Table::decodes`]) they are decoded a few pages at a time. Cheap to clone and to share between
/// threads. [`Table::select`] and [`Table::concat`] make tables of other rows of the same files. Encoded images are read one
/// by one ([`Table::image_file`]).
///
/// # Memory
/// What is decoded is kept up to 256 MiB, or one tensor if that is larger. Besides, each thread that reads takes
///
/// - the tensors of a page or two: at most 64 MiB, or one tensor;
/// - one page of the file, decompressed: 64 MiB, or up to 1000 times its length in the file; longer ones are refused;
/// - about 10 bytes for each of 2<sup>18</sup> elements, or for each element of one tensor.
///
/// The compressed record batches of an Arrow file have no pages: one is decompressed as a whole. A column other than
/// tensors is read as a whole, too. Where encoded images are in the map of the file, 16 bytes tell where each of them is;
/// elsewhere, what is kept are pages, with their dictionary, or record batches.
#[derive(Clone)]
pub struct Table {
    pub(super) stored: Arc<Stored>,
    /// The stored row of every row; none if they are all stored rows, in order.
    pub(super) chosen: Option<Arc<[usize]>>,
}

/// The rows of files, which all views of them share.
pub(super) struct Stored {
    pub(super) files: Vec<Arc<TensorFile>>,
    schema: SchemaRef,
    /// For every row group: its first row, the index of its file, and its number in the file.
    pub(super) row_groups: Vec<(usize, usize, usize)>,
    pub(super) rows: usize,
    /// What labels mean, where several tables with other class names are one.
    pub(super) labels: Option<Labels>,
    /// What was decoded most recently.
    pub(super) decoded: Cache<Bytes>,
    pub(super) images: Cache<ImagePart>,
    columns: PerProcess<HashMap<String, ArrayRef>>,
}

impl Table {
    /// Opens one file, or all tables below a folder, sorted by path: files with the extension `.parquet`, `.pq`,
    /// `.arrow`, `.arrows`, `.feather` or `.ipc` that are not hidden (with a name that begins with `.` or `_`).
    ///
    /// # Errors
    /// If there is no such file, or if a file can't be read, is damaged, has no column of tensors or encoded images, or has
    /// a main column that differs from the first file's.
    pub fn open(path: impl AsRef<Path>) -> Result<Table, Error> {
        Table::open_with(path, FileAccess::Map)
    }

    /// Opens one file, or all tables below a folder, as [`Table::open`] does, and reads the files in the given way.
    ///
    /// # Errors
    /// As [`Table::open`].
    pub fn open_with(path: impl AsRef<Path>, access: FileAccess) -> Result<Table, Error> {
        let path = path.as_ref();
        let paths = if path.is_dir() { tables_below(path)? } else { vec![path.to_owned()] };
        Table::of_files(&paths, path, access)
    }

    /// Opens these files as one table, with rows in the order of the files.
    ///
    /// # Errors
    /// As [`Table::open`].
    pub fn open_files(paths: &[PathBuf]) -> Result<Table, Error> {
        Table::open_files_with(paths, FileAccess::Map)
    }

    /// Opens these files as one table, as [`Table::open_files`] does, and reads them in the given way.
    ///
    /// # Errors
    /// As [`Table::open`].
    pub fn open_files_with(paths: &[PathBuf], access: FileAccess) -> Result<Table, Error> {
        Table::of_files(paths, paths.first().and_then(|path| path.parent()).unwrap_or(Path::new("")), access)
    }

    /// Opens the first bytes of files as one table: as many of each as it had when [`Table::lengths`] told. An append
    /// lengthens a file, but keeps what it was.
    ///
    /// # Errors
    /// As [`Table::open`], also if a file was replaced by another one.
    pub fn open_lengths(files: &[(PathBuf, u64)], access: FileAccess) -> Result<Table, Error> {
        Table::of_shards(files, files.first().map_or(Path::new(""), |(path, _)| path), access)
    }

    /// Opens these files. An error about all of them names `whole`.
    fn of_files(paths: &[PathBuf], whole: &Path, access: FileAccess) -> Result<Table, Error> {
        Table::of(paths.iter().map(|path| TensorFile::open(path, None, access)), whole)
    }

    /// Opens the shards of a split, each limited to the given length in bytes.
    pub(super) fn of_shards(shards: &[(PathBuf, u64)], split: &Path, access: FileAccess) -> Result<Table, Error> {
        Table::of(shards.iter().map(|(path, length)| TensorFile::open(path, Some(*length), access)), split)
    }

    /// Opens files that are not on a disk, many at once. An error about all of them names `whole`.
    pub(super) fn of_stored(
        files: &Arc<dyn Files>,
        names: Vec<(&str, Wanted<'_>)>,
        whole: &str,
        cache: &Arc<StoreCache>,
    ) -> Result<Table, Error> {
        /// Files that are opened at once.
        const AT_ONCE: usize = 32;
        let next = AtomicUsize::new(0);
        let open = || {
            let mut opened = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some((name, wanted)) = names.get(number) else { return opened };
                opened.push((number, TensorFile::open_stored(files, name, *wanted, cache)));
            }
        };
        let opened = thread::scope(|scope| {
            let threads: Vec<_> = (0..names.len().min(AT_ONCE)).map(|_| scope.spawn(open)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect::<BTreeMap<_, _>>()
        });
        if let Some(number) = (0..names.len()).find(|number| !opened.contains_key(number)) {
            let path = files.path(names[number].0);
            return Err(Error::io("open", path)(io::Error::other("the thread that opens it has failed")));
        }
        Table::of(opened.into_values(), &files.path(whole))
    }

    /// Opens these files as one table, of each as many bytes as are told or all. They are not on a disk, and parts of them
    /// are kept in a cache.
    ///
    /// # Errors
    /// As [`Table::open`].
    #[doc(hidden)]
    pub fn open_stored(
        files: &Arc<dyn Files>,
        names: &[(String, Option<u64>)],
        cache: &Arc<StoreCache>,
    ) -> Result<Table, Error> {
        let wanted = |length: Option<u64>| length.map_or(Wanted::All, Wanted::Beginning);
        let names = names.iter().map(|(name, length)| (&**name, wanted(*length))).collect();
        Table::of_stored(files, names, "", cache)
    }

    /// The rows of several tables that are parts of one, at least one.
    ///
    /// # Errors
    /// As [`Table::open`].
    #[doc(hidden)]
    pub fn join(tables: &[Table]) -> Result<Table, Error> {
        let files: Vec<_> = tables.iter().flat_map(|table| table.stored.files.iter().cloned()).collect();
        Table::of_shared(files, Path::new(""))
    }

    /// The cache of the first file that is not on a disk.
    #[doc(hidden)]
    pub fn cache(&self) -> Option<&Arc<StoreCache>> {
        self.stored.files.iter().find_map(|file| file.cached()).map(|cached| cached.cache())
    }

    fn of(files: impl Iterator<Item = Result<TensorFile, Error>>, whole: &Path) -> Result<Table, Error> {
        Table::of_shared(files.map(|file| file.map(Arc::new)).collect::<Result<Vec<_>, _>>()?, whole)
    }

    fn of_shared(files: Vec<Arc<TensorFile>>, whole: &Path) -> Result<Table, Error> {
        if files.is_empty() {
            return Err(Error::NoTables(whole.to_owned()));
        }
        let first = files[0].clone();
        if let Some(other) = files.iter().find(|file| !file.is_like(&first)) {
            let (what, first) = (if other.images.is_some() { "images" } else { "tensors" }, first.path.display());
            return Err(Error::damaged(&other.path, format!("its {what} differ from those of `{first}`")));
        }
        let labels = Labels::of_files(&files)?;
        Ok(Table::of_open_files(files, labels))
    }

    /// A table of files, at least one; for `labels` see [`Stored`].
    pub(super) fn of_open_files(files: Vec<Arc<TensorFile>>, labels: Option<Labels>) -> Table {
        let (mut row_groups, mut rows) = (Vec::new(), 0);
        for (file, number) in files.iter().zip(0..) {
            for (row_group, count) in file.row_groups.iter().enumerate() {
                row_groups.push((rows, number, row_group));
                rows += count;
            }
        }
        let schema = match &labels {
            Some(labels) => Arc::new(labels.schema(&files[0].schema)),
            None => files[0].schema.clone(),
        };
        let (decoded, images, columns) = Default::default();
        let stored = Stored { files, schema, row_groups, rows, labels, decoded, images, columns };
        Table { stored: Arc::new(stored), chosen: None }
    }

    /// Path and surplus bytes of a shard that is longer than its expected length, if there is one.
    pub(super) fn lengthened(&self) -> Option<(&Path, u64)> {
        self.stored.files.iter().find(|file| file.surplus > 0).map(|file| (&*file.path, file.surplus))
    }

    /// Whether main tensors have to be decoded, as far as the first row group tells, because other tools wrote the file
    /// (or it is an Arrow file with compressed record batches). [`repack`] makes files that don't have to be, ten times
    /// as fast to read. False also for verbatim pages that are compressed, which are only decompressed.
    ///
    /// [`repack`]: https://docs.rs/inlaid/latest/inlaid/fn.repack.html
    pub fn decodes(&self) -> bool {
        let first = self.row_groups().position(|rows| !rows.is_empty()).map(|number| self.stored.row_groups[number]);
        first.is_some_and(|(_, file, row_group)| self.stored.files[file].decodes(row_group))
    }

    /// The files, in the order of their rows.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.stored.files.iter().map(|file| &*file.path)
    }

    /// The file with a row, or the first one if there is no such row.
    pub fn file_of(&self, row: usize) -> &Path {
        let place = if row < self.len() { self.row_group_of(self.stored(row)) } else { 0 };
        let file = self.stored.row_groups.get(place).map_or(0, |(_, file, _)| *file);
        &self.stored.files[file].path
    }

    /// The length of each file in bytes, as far as it is read.
    pub fn lengths(&self) -> impl Iterator<Item = u64> {
        self.stored.files.iter().map(|file| file.len() as u64)
    }

    /// Whether tensors that are stored verbatim are slices of mapped files; otherwise all are copies.
    pub fn is_mapped(&self) -> bool {
        self.stored.files.iter().all(|file| file.is_mapped())
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.chosen.as_ref().map_or(self.stored.rows, |chosen| chosen.len())
    }

    /// Whether the table has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fingerprint of the files, to recognize the same files in another process or at another time: the XXH3-64 hash
    /// of each file's length and last 64 KiB, which contain its footer; and of the rows that were selected.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = xxhash3_64::Hasher::new();
        for file in &self.stored.files {
            file.identify(&mut hasher);
        }
        for row in self.chosen.iter().flat_map(|chosen| chosen.iter()) {
            hasher.write_u64(*row as u64);
        }
        hasher.finish()
    }

    /// The main tensor column: for datasets of inlaid, the images. None if the main column has encoded images.
    pub fn tensor_column(&self) -> Option<&TensorColumn> {
        self.tensor_columns().first()
    }

    /// The error of whoever needs tensors where images are encoded.
    pub(super) fn no_tensors(&self) -> Error {
        Error::EncodedImages(self.stored.files[0].path.clone())
    }

    /// The layout of the main tensors, if they have channels: as the names of their dimensions tell, or else their lengths.
    pub fn layout(&self) -> Option<Layout> {
        self.layout_of(&self.tensor_column()?.name)
    }

    /// The layout of the tensors of a column, as [`Table::layout`] says; none for other columns.
    pub fn layout_of(&self, column: &str) -> Option<Layout> {
        layout(self.schema().field_with_name(column).ok()?)
    }

    /// All tensor columns: the main one first, then the others in schema order. None if the main column has encoded images.
    pub fn tensor_columns(&self) -> &[TensorColumn] {
        &self.stored.files[0].columns
    }

    /// The Arrow schema of the first file, with the classes of all.
    pub fn schema(&self) -> &SchemaRef {
        &self.stored.schema
    }

    /// Class names; a label is an index into this list. They come from the metadata that inlaid writes, or
    /// from the feature `label` of the type `ClassLabel` in the metadata of Hugging Face `datasets`. Empty if
    /// the files name no classes.
    pub fn classes(&self) -> Vec<String> {
        if let Some(labels) = &self.stored.labels {
            return labels.classes.clone();
        }
        let lists = self.stored.files.iter().filter_map(|file| class_names(&file.schema));
        // Appends add classes at the end, so the longest list is the newest.
        lists.max_by_key(Vec::len).unwrap_or_default()
    }

    /// The range of stored rows of every row group, in order.
    fn row_groups(&self) -> impl Iterator<Item = Range<usize>> {
        let starts = self.stored.row_groups.iter().map(|(start, ..)| *start);
        let ends = starts.clone().skip(1).chain([self.stored.rows]);
        starts.zip(ends).map(|(start, end)| start..end)
    }

    /// All values of a column, one for each row. Columns other than tensors are read once and kept in memory.
    /// Dictionary columns are decoded to plain values, because their dictionaries may differ between row groups.
    ///
    /// # Errors
    /// If the column does not exist, has different types in different files, or a row group is damaged.
    pub fn column(&self, name: &str) -> Result<ArrayRef, Error> {
        if self.tensor_columns().iter().any(|column| column.name == name) {
            let field = self.schema().field_with_name(name).map_err(|_| self.no_column(name))?;
            let all = self.tensors(name)?.copy(&(0..self.len()).collect::<Vec<_>>())?;
            let array = tensor_array(field, all);
            return array.map_err(|error| Error::damaged(&self.stored.files[0].path, error.to_string()));
        }
        let stored = self.stored.column(name)?;
        let Some(chosen) = &self.chosen else { return Ok(stored) };
        let rows = UInt64Array::from_iter_values(chosen.iter().map(|row| *row as u64));
        take(&stored, &rows, None).map_err(|error| Error::damaged(&self.stored.files[0].path, error.to_string()))
    }

    /// The error for a column that does not exist.
    pub(super) fn no_column(&self, name: &str) -> Error {
        self.stored.no_column(name)
    }
}

impl Stored {
    /// All values of a column beside the tensors.
    pub(super) fn column(&self, name: &str) -> Result<ArrayRef, Error> {
        if let Some(array) = self.columns.with(|columns| columns.get(name).cloned()) {
            return Ok(array);
        }
        let (mut parts, mut ahead): (Vec<ArrayRef>, _) = (Vec::new(), ColumnAhead::default());
        for (place, &(_, number, row_group)) in self.row_groups.iter().enumerate() {
            let file = &self.files[number];
            ahead.announce(self, place, name);
            let part = without_dictionary(file.read(row_group, &[name])?.column(0));
            let part = part.map_err(|error| Error::damaged(&file.path, error.to_string()))?;
            let part = match &self.labels {
                Some(labels) if name == LABEL => labels.renumbered(&part, number)?,
                _ => part,
            };
            if let Some(first) = parts.first().filter(|first| first.data_type() != part.data_type()) {
                let (kind, other, path) = (part.data_type(), first.data_type(), self.files[0].path.display());
                return Err(Error::damaged(
                    &file.path,
                    format!("its column `{name}` has type {kind}, but {other} in `{path}`"),
                ));
            }
            parts.push(part);
        }
        let damaged = |error: ArrowError| Error::damaged(&self.files[0].path, error.to_string());
        if parts.is_empty() {
            let field = self.schema.field_with_name(name).map_err(|_| self.no_column(name))?;
            return without_dictionary(&new_empty_array(field.data_type())).map_err(damaged);
        }
        let parts: Vec<&dyn Array> = parts.iter().map(|part| &**part).collect();
        let array = arrow_select::concat::concat(&parts).map_err(|error| match error {
            ArrowError::OffsetOverflowError(_) => self.too_long(name),
            error => damaged(error),
        })?;
        // Another thread may have read it meanwhile.
        Ok(self.columns.with(|columns| columns.entry(name.to_owned()).or_insert(array).clone()))
    }

    /// The error for a column that one array can't hold.
    pub(super) fn too_long(&self, name: &str) -> Error {
        Error::ColumnTooLong { path: self.files[0].path.clone(), column: name.to_owned() }
    }

    fn no_column(&self, name: &str) -> Error {
        Error::NoColumn { path: self.files[0].path.clone(), columns: name.to_owned() }
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths: Vec<&Path> = self.files().collect();
        let columns: Vec<&str> = self.tensor_columns().iter().map(|column| &*column.name).collect();
        f.debug_struct("Table").field("files", &paths).field("rows", &self.len()).field("tensors", &columns).finish()
    }
}

/// The plain values of a column, decoded from its dictionary if it has one.
pub(super) fn without_dictionary(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match array.as_any_dictionary_opt() {
        Some(dictionary) => without_dictionary(&take(dictionary.values(), dictionary.keys(), None)?),
        None => Ok(array.clone()),
    }
}
