//! One file of tensors, or of encoded images. A row group with verbatim pages is read in place; any other is decoded in
//! parts of a few pages.

use std::hash::Hasher;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, FieldRef, SchemaRef};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::Compression as Codec;
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;

use super::blocks::Blocks;
use super::byte_values::BytesColumn;
use super::cached_bytes::{CachedBytes, Wanted};
use super::chunk::{Chunk, Decoding};
use super::image_column::{ImageColumn, declares_images, stores_files};
use super::images::Images;
use super::input::{FileAccess, Input, Owned};
use super::parts::{self, Parts, Stored};
use super::store_cache::StoreCache;
use crate::error::{Error, counted};
use crate::format::catch_panic::contain;
use crate::format::files::Files;
use crate::format::page::{PageHeader, PageLayout};
use crate::format::ranges::Ranges;
use crate::format::shard::lies_in_a_file;
use crate::format::tensor_column::{TensorColumn, is_permuted};
use crate::spec::{Compression, Storage};

/// Maximum number of rows to decode at once on the strength of a footer's claim alone.
const MOST_AT_ONCE: usize = 1 << 24;

/// A file of tensors, or of encoded images.
pub(super) struct TensorFile {
    pub(super) path: PathBuf,
    /// Tensor columns: the main one first, then the others in schema order. Empty if the main column has images.
    pub(super) columns: Vec<TensorColumn>,
    /// The main column, if it has encoded images; none if it has tensors.
    pub(super) images: Option<Images>,
    pub(super) schema: SchemaRef,
    /// Number of rows of every row group.
    pub(super) row_groups: Vec<usize>,
    pub(super) input: Input,
    /// Where the bytes are if they are not on a disk.
    cached: Option<Arc<CachedBytes>>,
    /// Number of bytes in the file after the expected length.
    pub(super) surplus: u64,
    pub(super) content: Content,
    /// Location of the tensors, by column and row group, once it is known.
    tensors: Vec<Vec<OnceLock<Tensors>>>,
}

pub(super) enum Content {
    Parquet(ArrowReaderMetadata),
    Arrow(Blocks),
}

/// The location of the tensors of a row group.
pub(super) enum Tensors {
    /// In the file, in pages: the first row of each page, and the offset of its pixels.
    Pages(Vec<(usize, usize)>),
    /// Not in the file: they have to be decoded.
    Parts(Parts),
}

impl TensorFile {
    /// Opens a file, or only its first `length` bytes: an append lengthens a shard, but keeps what it was.
    pub(super) fn open(path: &Path, length: Option<u64>, access: FileAccess) -> Result<TensorFile, Error> {
        TensorFile::of_input(path, Input::open(path, access)?, length, None)
    }

    /// Opens a file that is not on a disk.
    pub(super) fn open_stored(
        files: &Arc<dyn Files>,
        name: &str,
        wanted: Wanted<'_>,
        cache: &Arc<StoreCache>,
    ) -> Result<TensorFile, Error> {
        let cached = CachedBytes::open(files, name, files.open(name)?, wanted, cache)?;
        let length = cached.len();
        if length == 0 {
            return Err(Error::damaged(&cached.path, "the file is empty"));
        }
        let known = (!matches!(wanted, Wanted::All)).then_some(length);
        let input = Input::Elsewhere(cached.clone(), usize::try_from(length).map_err(|_| Error::NoMemory(length))?);
        let file = TensorFile::of_input(&cached.path, input, known, Some(cached.clone()));
        let file = file.map_err(|error| cached.blamed(error))?;
        cached.is_open(|| file.chunks());
        Ok(file)
    }

    /// Opens the bytes of a file.
    fn of_input(
        path: &Path,
        mut input: Input,
        length: Option<u64>,
        cached: Option<Arc<CachedBytes>>,
    ) -> Result<TensorFile, Error> {
        let damaged = |reason: String| Error::damaged(path, reason);
        let begin = input.slice(0..input.len().min(8)).map_err(|error| damaged(error.to_string()))?;
        let end =
            input.slice(input.len().saturating_sub(4)..input.len()).map_err(|error| damaged(error.to_string()))?;
        let is_parquet = begin.starts_with(b"PAR1") || end.ends_with(b"PAR1");
        // A shard of a dataset is what its manifest says.
        if length.is_none() && input.len() > 0 && !is_parquet && !Blocks::may_be(&begin) {
            return Err(Error::UnknownFormat(path.to_owned()));
        }
        let length = length.unwrap_or(input.len() as u64);
        let surplus = (input.len() as u64).checked_sub(length);
        let surplus =
            surplus.ok_or_else(|| damaged(format!("it has {} instead of {length}", counted(input.len(), "byte"))))?;
        input.truncate(length as usize);
        let begin = input.slice(0..input.len().min(8)).map_err(|error| damaged(error.to_string()))?;
        let open = || match Blocks::may_be(&begin) {
            true => open_arrow(&input).map_err(|error| error.to_string()),
            false => open_parquet(&input).map_err(|error| error.to_string()),
        };
        let (content, schema, row_groups) = contain(open).flatten().map_err(&damaged)?;
        // A list without a shape, such as an embedding or a box, may come with an image.
        let is_main = |column: &TensorColumn| column.shape.len() > 1 || !declares_images(&schema);
        let column = TensorColumn::find(&schema).filter(|column| !stores_files(&schema) && is_main(column));
        let (columns, images) = match column {
            Some(column) => (tensor_columns(path, &schema, column)?, None),
            None => (Vec::new(), Some(find_images(path, &schema, &content, &input, &row_groups)?)),
        };
        let unknown = || row_groups.iter().map(|_| OnceLock::new()).collect();
        let tensors = columns.iter().map(|_| unknown()).collect();
        let path = path.to_owned();
        let file = TensorFile { path, columns, images, schema, row_groups, input, cached, surplus, content, tensors };
        file.check_claims()?;
        Ok(file)
    }

    /// The name of the main column.
    pub(super) fn main_column(&self) -> &str {
        let images = || self.images.as_ref().map(|images| &*images.column.name);
        self.columns.first().map(|column| &*column.name).or_else(images).unwrap_or_default()
    }

    /// Whether the main column is that of another file.
    pub(super) fn is_like(&self, other: &TensorFile) -> bool {
        let images = |file: &TensorFile| file.images.as_ref().map(|images| images.column.clone());
        self.columns.first() == other.columns.first() && images(self) == images(other)
    }

    /// What the main column has, in words.
    pub(super) fn main_words(&self) -> String {
        match self.columns.first() {
            Some(TensorColumn { name, shape, element, .. }) => {
                format!("tensors {name} {shape:?} {}", element.numpy_name())
            }
            None => format!("encoded images {}", self.main_column()),
        }
    }

    /// Whether a column has tensors or encoded images.
    fn is_large(&self, name: &str) -> bool {
        self.images.is_some() && self.main_column() == name || self.columns.iter().any(|column| column.name == name)
    }

    /// Number of bytes, as far as they are read.
    pub(super) fn len(&self) -> usize {
        self.input.len()
    }

    pub(super) fn is_mapped(&self) -> bool {
        matches!(self.input, Input::Mapped(_) | Input::Elsewhere(..))
    }

    /// Where the bytes are if they are not on a disk.
    pub(super) fn cached(&self) -> Option<&Arc<CachedBytes>> {
        self.cached.as_ref()
    }

    /// Begins to fetch what these columns of a row group need, if the file is not on a disk, and returns how many bytes
    /// that are.
    pub(super) fn fetch_ahead(&self, row_group: usize, columns: &[&str]) -> u64 {
        self.cached.as_ref().map_or(0, |cached| cached.begin(&self.ranges(row_group, columns)))
    }

    /// Where these columns of a row group are in the file.
    fn ranges(&self, row_group: usize, columns: &[&str]) -> Vec<Range<u64>> {
        let chunk = |(start, length): (u64, u64)| start..start.saturating_add(length).min(self.input.len() as u64);
        match &self.content {
            Content::Parquet(metadata) => {
                let (schema, group) = (metadata.parquet_schema(), metadata.metadata().row_group(row_group));
                let roots: Vec<usize> = columns.iter().filter_map(|name| self.schema.index_of(name).ok()).collect();
                let leaves =
                    (0..schema.num_columns()).filter(|leaf| roots.contains(&schema.get_column_root_idx(*leaf)));
                leaves.map(|leaf| chunk(group.column(leaf).byte_range())).collect()
            }
            Content::Arrow(blocks) => {
                let whole = blocks.range(row_group).map(|range| range.start as u64..range.end as u64);
                let Some(whole) = whole else { return Vec::new() };
                let rest = self.cached.as_ref().and_then(|cached| cached.without_tensors(&whole));
                let mut ranges = Vec::new();
                if rest.is_none() || columns.iter().any(|name| self.is_large(name)) {
                    ranges.push(whole);
                }
                if columns.iter().any(|name| !self.is_large(name)) {
                    ranges.extend(rest.unwrap_or_default());
                }
                ranges
            }
        }
    }

    /// Where columns are in the file: those of every row group.
    fn chunks(&self) -> Vec<Range<u64>> {
        let names: Vec<&str> = self.schema.fields().iter().map(|field| &**field.name()).collect();
        (0..self.row_groups.len()).flat_map(|row_group| self.ranges(row_group, &names)).collect()
    }

    /// Fetches a row group, so that the steps that follow don't fail for other reasons than its bytes.
    pub(super) fn fetch(&self, row_group: usize, columns: &[&str]) -> Result<(), Error> {
        let Some(cached) = &self.cached else { return Ok(()) };
        let ranges = self.ranges(row_group, columns);
        cached.begin(&ranges[ranges.len().min(1)..]);
        for range in ranges {
            cached.load(&range).map_err(|error| cached.unread(error))?;
        }
        Ok(())
    }

    /// The error of a step, or why bytes that it needed could not be read.
    pub(super) fn blamed(&self, error: Error) -> Error {
        match &self.cached {
            Some(cached) => cached.blamed(error),
            None => error,
        }
    }

    /// Checks that the record batches of an Arrow file are large enough for the rows they claim.
    fn check_claims(&self) -> Result<(), Error> {
        let Content::Arrow(blocks) = &self.content else { return Ok(()) };
        for (number, rows) in self.row_groups.iter().enumerate() {
            let claim = blocks.claim(number).map_err(|error| self.damaged(number, &error.to_string()))?;
            // A file or a null takes a byte at least, as the number of a value in a dictionary.
            let row_bytes = self.columns.first().map_or(1, TensorColumn::row_bytes);
            if rows.checked_mul(row_bytes).is_none_or(|bytes| bytes > claim.bytes) {
                let what = if self.images.is_some() { "column of images is" } else { "tensors are" };
                return Err(self.damaged(number, &format!("its {what} too short for its rows")));
            }
        }
        Ok(())
    }

    /// The location of a column's tensors in a row group.
    pub(super) fn tensors(&self, column: usize, row_group: usize) -> Result<&Tensors, Error> {
        if let Some(tensors) = self.tensors[column][row_group].get() {
            return Ok(tensors);
        }
        self.fetch(row_group, &[&self.columns[column].name])?;
        let located = contain(|| self.locate(column, row_group)).flatten();
        let tensors = located.map_err(|reason| self.blamed(self.damaged(row_group, &reason)))?;
        Ok(self.tensors[column][row_group].get_or_init(|| tensors))
    }

    fn locate(&self, column: usize, row_group: usize) -> Result<Tensors, String> {
        let (column, rows) = (&self.columns[column], self.row_groups[row_group]);
        let blocks = match &self.content {
            Content::Parquet(metadata) => {
                if let Some(pages) = self.find_pages(column, row_group) {
                    return Ok(Tensors::Pages(pages));
                }
                let (_, leaf) = self.place_of(column).ok_or("its tensors have no values")?;
                let parts = match self.find_compressed(column, row_group) {
                    Some((layout, pages)) => {
                        let starts: Vec<usize> = pages.iter().map(|(row, _)| *row).collect();
                        let stored = Stored::Compressed(layout, pages);
                        Parts::of_pages(starts.into_iter(), rows, column.row_bytes(), stored)
                    }
                    None => {
                        let chunk = Chunk::find(&self.input, metadata.metadata().row_group(row_group).column(leaf))?;
                        let each = row_values(column);
                        check_values(&chunk, rows, each)?;
                        // A row belongs to the page in which it begins.
                        let starts: Vec<usize> = chunk.pages.iter().map(|(value, _)| value.div_ceil(each)).collect();
                        Parts::of_pages(starts.into_iter(), rows, column.row_bytes(), Stored::Foreign(chunk))
                    }
                };
                return Ok(Tensors::Parts(parts));
            }
            Content::Arrow(blocks) => blocks,
        };
        let is_compressed = blocks.claim(row_group).is_ok_and(|claim| claim.is_compressed);
        let index = self.schema.index_of(&column.name).ok().filter(|_| !is_compressed);
        let find = |batch: &RecordBatch| values(column, batch.column(0)).ok().filter(|_| batch.num_rows() == rows);
        let found = index.and_then(|index| blocks.locate(row_group, index, find).ok().flatten());
        Ok(match found {
            Some(at) => Tensors::Pages(vec![(0, at)]),
            None => Tensors::Parts(Parts::of_batch(rows)),
        })
    }

    /// Whether the main tensors of a row group are decoded by the parquet crate, or are in a compressed record batch.
    pub(super) fn decodes(&self, row_group: usize) -> bool {
        let is_decoded = |parts: &Parts| !matches!(parts.stored, Stored::Compressed(..));
        self.images.is_none() && matches!(self.tensors(0, row_group), Ok(Tensors::Parts(parts)) if is_decoded(parts))
    }

    /// Hashes the length of the file and its last 64 KiB, which contain its footer.
    pub(super) fn identify(&self, hasher: &mut impl Hasher) {
        let length = self.input.len();
        hasher.write_usize(length);
        // A file that can't be read any more is another one.
        if let Ok(tail) = self.input.slice(length.saturating_sub(1 << 16)..length) {
            hasher.write(&tail);
        }
    }

    /// A range of the file's bytes.
    pub(super) fn slice(&self, range: Range<usize>) -> Result<Bytes, Error> {
        self.input.slice(range).map_err(|error| self.unread(error))
    }

    /// Fills `out` with the file's bytes from an offset on.
    pub(super) fn copy(&self, at: usize, out: &mut [u8]) -> Result<(), Error> {
        self.input.read(at, out).map_err(|error| self.unread(error))
    }

    fn unread(&self, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => Error::damaged(&self.path, error.to_string()),
            _ => Error::io("read", &self.path)(error),
        }
    }

    /// Decodes the tensors of some rows, which are a part of their row group.
    pub(super) fn decode(
        &self,
        column: usize,
        row_group: usize,
        stored: &Stored,
        rows: Range<usize>,
    ) -> Result<Bytes, Error> {
        let column = &self.columns[column];
        let length = rows.len().checked_mul(column.row_bytes());
        let damaged = |reason: String| self.blamed(self.damaged(row_group, &reason));
        self.fetch(row_group, &[&column.name])?;
        let decoded = match stored {
            Stored::Batch => {
                let batch = self.read(row_group, &[&column.name])?;
                values(column, batch.column(0)).map_err(damaged)?
            }
            Stored::Foreign(chunk) => self.decode_foreign(column, row_group, chunk, rows).map_err(damaged)?,
            Stored::Compressed(layout, pages) => match self.decompress(column, layout, pages, &rows) {
                Some(tensors) => tensors,
                // Not verbatim after all, or damaged.
                None => self.decode_unlike(column, row_group, rows).map_err(damaged)?,
            },
        };
        match Some(decoded.len()) == length {
            true => Ok(decoded),
            false => Err(self.damaged(row_group, "its tensors are too short for its rows")),
        }
    }

    fn decode_foreign(
        &self,
        column: &TensorColumn,
        row_group: usize,
        chunk: &Chunk,
        rows: Range<usize>,
    ) -> Result<Bytes, String> {
        let Content::Parquet(metadata) = &self.content else { return Err("it has no pages".to_owned()) };
        let (root, leaf) = self.place_of(column).ok_or("its tensors have no values")?;
        let mut tensors = room(column, &rows);
        let (input, row_values, elements) = (&self.input, row_values(column), column.elements());
        let decoding = Decoding { input, metadata, row_group, root, leaf, row_values, elements, rows };
        contain(|| {
            chunk.decode(&decoding, |array| {
                tensors.extend_from_slice(&values(column, array)?);
                Ok(())
            })
        })
        .flatten()?;
        Ok(Bytes::from(tensors))
    }

    /// Decodes rows of a column chunk that seemed to be verbatim.
    fn decode_unlike(&self, column: &TensorColumn, row_group: usize, rows: Range<usize>) -> Result<Bytes, String> {
        let Content::Parquet(metadata) = &self.content else { return Err("it has no pages".to_owned()) };
        let (_, leaf) = self.place_of(column).ok_or("its tensors have no values")?;
        let chunk = Chunk::find(&self.input, metadata.metadata().row_group(row_group).column(leaf))?;
        check_values(&chunk, self.row_groups[row_group], row_values(column))?;
        self.decode_foreign(column, row_group, &chunk, rows)
    }

    /// Decompresses verbatim pages with these rows; none if they are not what they seem.
    fn decompress(
        &self,
        column: &TensorColumn,
        layout: &PageLayout,
        pages: &[(usize, usize)],
        rows: &Range<usize>,
    ) -> Option<Bytes> {
        let mut tensors = room(column, rows);
        let first = pages.partition_point(|(row, _)| *row <= rows.start).checked_sub(1)?;
        for &(row, at) in pages[first..].iter().take_while(|(row, _)| *row < rows.end) {
            let (header, length) = self.header(at..self.input.len())?;
            let stored = self.input.slice(at + length..at + length + usize::try_from(header.stored_len).ok()?).ok()?;
            let (count, body, pixels) = layout.find_pixels(&header, &stored, usize::MAX)?;
            // A page with many tensors may be in several parts.
            let within = rows.start.max(row) - row..rows.end.min(row + count).checked_sub(row)?;
            let pixels = &body[pixels];
            tensors.extend_from_slice(pixels.get(within.start * layout.row_bytes()..within.end * layout.row_bytes())?);
        }
        Some(Bytes::from(tensors))
    }

    /// Reads columns of a row group, by their names.
    pub(super) fn read(&self, row_group: usize, columns: &[&str]) -> Result<RecordBatch, Error> {
        self.fetch(row_group, columns)?;
        let read = contain(|| self.read_uncontained(row_group, columns));
        read.unwrap_or_else(|panic| Err(self.damaged(row_group, &panic))).map_err(|error| self.blamed(error))
    }

    fn read_uncontained(&self, row_group: usize, columns: &[&str]) -> Result<RecordBatch, Error> {
        let damaged = |reason: String| self.damaged(row_group, &reason);
        let indices = columns.iter().map(|name| self.schema.index_of(name)).collect::<Result<Vec<_>, _>>();
        let indices = indices.map_err(|_| Error::NoColumn { path: self.path.clone(), columns: columns.join(", ") })?;
        columns.iter().try_for_each(|name| refuse_several(&self.path, &self.schema, name))?;
        if self.row_groups[row_group] == 0 {
            let schema = self.schema.project(&indices).map_err(|error| damaged(error.to_string()))?;
            return Ok(RecordBatch::new_empty(schema.into()));
        }
        match &self.content {
            Content::Parquet(metadata) => {
                let schema = metadata.parquet_schema();
                let leaves =
                    (0..schema.num_columns()).filter(|leaf| indices.contains(&schema.get_column_root_idx(*leaf)));
                // Pages that take more memory than their length allows are refused.
                let chunk = |leaf| Chunk::find(&self.input, metadata.metadata().row_group(row_group).column(leaf));
                leaves.clone().try_for_each(|leaf| chunk(leaf).map(drop)).map_err(damaged)?;
                let mask = ProjectionMask::leaves(schema, leaves);
                let rows = self.row_groups[row_group];
                let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(self.input.clone(), metadata.clone());
                let builder = builder
                    .with_row_groups(vec![row_group])
                    .with_projection(mask)
                    .with_batch_size(rows.clamp(1, MOST_AT_ONCE));
                let reader = builder.build().map_err(|error| damaged(error.to_string()))?;
                let batches: Vec<RecordBatch> =
                    reader.collect::<Result<_, _>>().map_err(|error| damaged(error.to_string()))?;
                let schema =
                    batches.first().map(RecordBatch::schema).ok_or_else(|| damaged("it has no rows".to_owned()))?;
                let batch = arrow_select::concat::concat_batches(&schema, &batches);
                let batch = batch.map_err(|error| damaged(error.to_string()))?;
                match batch.num_rows() == rows {
                    true => select(&batch, columns).map_err(|error| damaged(error.to_string())),
                    false => Err(damaged(format!("it has {} instead of {rows}", counted(batch.num_rows(), "row")))),
                }
            }
            Content::Arrow(blocks) => {
                let is_small = !columns.iter().any(|name| self.is_large(name));
                let range = blocks.range(row_group).filter(|_| is_small);
                let range = range.map(|range| range.start as u64..range.end as u64);
                let parts = range.and_then(|range| self.cached.as_ref()?.without_tensors(&range));
                let batch = match parts {
                    Some(parts) => blocks.read_parts(row_group, indices, &parts),
                    None => blocks.read(row_group, indices),
                };
                let batch = batch.map_err(|error| damaged(error.to_string()))?;
                select(&batch, columns).map_err(|error| damaged(error.to_string()))
            }
        }
    }

    pub(super) fn damaged(&self, row_group: usize, reason: &str) -> Error {
        Error::damaged(&self.path, format!("row group {row_group}: {reason}"))
    }

    /// First row and offset of the pixels of every page in a row group, if pages are verbatim and uncompressed.
    fn find_pages(&self, column: &TensorColumn, row_group: usize) -> Option<Vec<(usize, usize)>> {
        let mut found = Vec::new();
        let layout = self.layout(column, row_group).filter(PageLayout::is_uncompressed)?;
        self.walk_pages(column, row_group, layout, |first, place, header| {
            let (rows, levels) = layout.rows_and_levels(header, self.row_groups[row_group])?;
            let pixels = place.end + levels.len();
            (self.input.slice(place.end..pixels).ok()? == levels).then_some(())?;
            found.push((first, pixels));
            Some(rows)
        })?;
        Some(found)
    }

    /// First row and offset of the header of every page in a row group, if pages are verbatim and compressed, as far as
    /// their headers and the first of them tell.
    fn find_compressed(&self, column: &TensorColumn, row_group: usize) -> Option<(PageLayout, Vec<(usize, usize)>)> {
        let mut found = Vec::new();
        let layout = self.layout(column, row_group).filter(|layout| !layout.is_uncompressed())?;
        self.walk_pages(column, row_group, layout, |first, place, header| {
            let most = self.row_groups[row_group];
            let (rows, _) = layout.rows_and_levels(header, most)?;
            if first == 0 {
                let stored = self.input.slice(place.end..place.end + usize::try_from(header.stored_len).ok()?).ok()?;
                layout.find_pixels(header, &stored, most)?;
            }
            found.push((first, place.start));
            Some(rows)
        })?;
        Some((layout, found))
    }

    /// The layout of the pages of a row group, if they can be verbatim.
    fn layout(&self, tensors: &TensorColumn, row_group: usize) -> Option<PageLayout> {
        let Content::Parquet(metadata) = &self.content else { return None };
        let (_, leaf) = self.place_of(tensors)?;
        let compression = match metadata.metadata().row_group(row_group).column(leaf).compression() {
            Codec::UNCOMPRESSED => Compression::None,
            Codec::LZ4_RAW => Compression::Lz4,
            Codec::ZSTD(_) => Compression::Zstd,
            _ => return None,
        };
        let column = metadata.parquet_schema().column(leaf);
        // The levels of a required list of optional elements, or of a required value.
        let levels = (column.max_rep_level(), column.max_def_level());
        let expected = if tensors.storage == Storage::Tensor { (1, 2) } else { (0, 0) };
        let dtype = tensors.element.dtype().filter(|_| levels == expected)?;
        Some(PageLayout::of_elements(tensors.elements(), dtype, tensors.storage, compression))
    }

    /// Calls `visit` for every data page of a row group, with its first row, the place of its header in the file, and
    /// the header. `visit` returns the number of rows of the page, or none to stop. None if it stopped, or if the pages
    /// do not add up to the row group.
    fn walk_pages(
        &self,
        column: &TensorColumn,
        row_group: usize,
        layout: PageLayout,
        mut visit: impl FnMut(usize, Range<usize>, &PageHeader) -> Option<usize>,
    ) -> Option<()> {
        let Content::Parquet(metadata) = &self.content else { return None };
        let (_, leaf) = self.place_of(column)?;
        let (start, length) = metadata.metadata().row_group(row_group).column(leaf).byte_range();
        let (mut at, end) = (usize::try_from(start).ok()?, usize::try_from(start.checked_add(length)?).ok()?);
        let (mut row, mut needs_dictionary) = (0, layout.has_dictionary());
        while at < end {
            let (header, length) = self.header(at..end)?;
            let body = at + length..(at + length).checked_add(usize::try_from(header.stored_len).ok()?)?;
            (body.end <= end).then_some(())?;
            if std::mem::take(&mut needs_dictionary) {
                layout.is_identity(&header, &self.input.slice(body.clone()).ok()?).then_some(())?;
            } else {
                row += visit(row, at..body.start, &header)?;
            }
            at = body.end;
        }
        (row == self.row_groups[row_group]).then_some(())
    }

    /// The header of a page at the start of a range, and its length, if it may be one of a verbatim page.
    fn header(&self, range: Range<usize>) -> Option<(PageHeader, usize)> {
        /// More than such a header takes.
        const HEADER: usize = 128;
        let bytes = self.input.slice(range.start..range.end.min(range.start + HEADER)).ok()?;
        PageHeader::parse(&bytes)
    }

    /// The indices of a tensor column among the roots and the leaves of the Parquet schema.
    fn place_of(&self, column: &TensorColumn) -> Option<(usize, usize)> {
        let Content::Parquet(metadata) = &self.content else { return None };
        let root = self.schema.index_of(&column.name).ok()?;
        Some((root, leaf_of(metadata, root)?))
    }
}

/// The main tensor column, and then the others in schema order.
fn tensor_columns(path: &Path, schema: &SchemaRef, main: TensorColumn) -> Result<Vec<TensorColumn>, Error> {
    if schema.field_with_name(&main.name).is_ok_and(is_permuted) {
        return Err(Error::Permuted { path: path.to_owned(), column: main.name });
    }
    refuse_several(path, schema, &main.name)?;
    // A list that may be null is a column like any other, and so is one of several of the same name.
    let is_further = |field: &&FieldRef| {
        let is_alone = schema.fields().iter().filter(|other| other.name() == field.name()).count() == 1;
        is_alone && *field.name() != main.name && !field.is_nullable() && !is_permuted(field)
    };
    let others = schema.fields().iter().filter(is_further);
    let others: Vec<TensorColumn> = others.filter_map(|field| TensorColumn::new(field)).collect();
    Ok([main].into_iter().chain(others).collect())
}

/// The column of encoded images of a file without tensors.
fn find_images(
    path: &Path,
    schema: &SchemaRef,
    content: &Content,
    input: &Input,
    row_groups: &[usize],
) -> Result<Images, Error> {
    let look = |column| contain(|| content.look(input, column, row_groups)).flatten();
    let found = ImageColumn::find(schema, look).map_err(|reason| Error::damaged(path, reason))?;
    let column = found.ok_or_else(|| Error::NoTensors(path.to_owned()))?;
    refuse_several(path, schema, &column.name)?;
    let index = schema.index_of(&column.name).ok();
    let bytes =
        index.and_then(|index| BytesColumn::of(schema, index)).ok_or_else(|| Error::NoTensors(path.to_owned()))?;
    Ok(Images::new(column, bytes, row_groups.len()))
}

/// Number of values of a row as Parquet counts them.
fn row_values(column: &TensorColumn) -> usize {
    if column.storage == Storage::Tensor { column.elements() } else { 1 }
}

/// Checks that rows can be found by counting values: that every list has the same length, and none is null.
fn check_values(chunk: &Chunk, rows: usize, row_values: usize) -> Result<(), String> {
    match rows.checked_mul(row_values) {
        Some(expected) if expected == chunk.values => Ok(()),
        // A list that is null counts as one value.
        Some(expected) if (rows..expected).contains(&chunk.values) => Err("a tensor is null".to_owned()),
        _ => Err("its tensors are too short for its rows".to_owned()),
    }
}

/// An empty buffer for the tensors of a part, whose length may be a mere claim of the file if it is one row. It is no
/// `MutableBuffer`: glibc does not reuse the memory of one for the next of the same length, because it is aligned.
fn room(column: &TensorColumn, rows: &Range<usize>) -> Vec<u8> {
    Vec::with_capacity(rows.len().saturating_mul(column.row_bytes()).min(parts::MOST))
}

/// The bytes of the values of a tensor column.
fn values(column: &TensorColumn, array: &ArrayRef) -> Result<Bytes, String> {
    let row_bytes = column.row_bytes();
    if array.null_count() > 0 {
        return Err("a tensor is null".to_owned());
    }
    let (buffer, offset) = match column.storage == Storage::Tensor {
        false => {
            let array = array.as_fixed_size_binary_opt().ok_or("its tensors are not fixed-size binary")?;
            (array.to_data().buffers()[0].clone(), array.offset() * row_bytes)
        }
        true => {
            let list = array.as_fixed_size_list_opt().ok_or("its tensors are not fixed-size lists")?;
            let values = list.values();
            if values.null_count() > 0 {
                return Err("an element of a tensor is null".to_owned());
            }
            let data = values.to_data();
            let start = list.value_offset_at(0) * column.element.size();
            (data.buffers()[0].clone(), data.offset() * column.element.size() + start)
        }
    };
    let length = array.len() * row_bytes;
    match offset + length <= buffer.len() {
        true => Ok(Bytes::from_owner(Owned(buffer.slice_with_length(offset, length)))),
        false => Err("its tensors are too short for its rows".to_owned()),
    }
}

/// Refuses a column name that occurs more than once, since columns are addressed by name.
fn refuse_several(path: &Path, schema: &SchemaRef, name: &str) -> Result<(), Error> {
    match schema.fields().iter().filter(|field| field.name() == name).count() > 1 {
        true => Err(Error::SeveralColumns { path: path.to_owned(), column: name.to_owned() }),
        false => Ok(()),
    }
}

/// The first leaf column of a root column.
fn leaf_of(metadata: &ArrowReaderMetadata, root: usize) -> Option<usize> {
    let schema = metadata.parquet_schema();
    (0..schema.num_columns()).find(|&leaf| schema.get_column_root_idx(leaf) == root)
}

/// The columns of a batch with these names, in this order.
fn select(batch: &RecordBatch, columns: &[&str]) -> Result<RecordBatch, ArrowError> {
    let indices = columns.iter().map(|name| batch.schema().index_of(name)).collect::<Result<Vec<_>, _>>()?;
    batch.project(&indices)
}

fn open_parquet(input: &Input) -> Result<(Content, SchemaRef, Vec<usize>), ParquetError> {
    let metadata = ArrowReaderMetadata::load(input, ArrowReaderOptions::new())?;
    let mut columns = metadata.metadata().row_groups().iter().flat_map(RowGroupMetaData::columns);
    if !columns.all(lies_in_a_file) {
        return Err(ParquetError::General("a column chunk has a negative offset or length".to_owned()));
    }
    let rows = |row_group: &RowGroupMetaData| {
        usize::try_from(row_group.num_rows())
            .map_err(|_| ParquetError::General("a row group has a negative number of rows".into()))
    };
    let rows = metadata.metadata().row_groups().iter().map(rows).collect::<Result<_, _>>()?;
    let schema = metadata.schema().clone();
    Ok((Content::Parquet(metadata), schema, rows))
}

fn open_arrow(input: &Input) -> Result<(Content, SchemaRef, Vec<usize>), ArrowError> {
    let blocks = Blocks::open(input)?;
    let rows = (0..blocks.len()).map(|number| Ok(blocks.claim(number)?.rows));
    let rows = rows.collect::<Result<_, ArrowError>>()?;
    let schema = blocks.schema.clone();
    Ok((Content::Arrow(blocks), schema, rows))
}
