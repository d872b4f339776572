//! One mapped file of tensors. A row group with verbatim pages is read in place; any other is decoded as a
//! whole, once.

use std::hash::Hasher;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::{Buffer, MutableBuffer};
use arrow_schema::{ArrowError, FieldRef, SchemaRef};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::Compression as Codec;
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;

use super::blocks::Blocks;
use super::map::map;
use crate::error::{Error, counted};
use crate::format::catch_panic::contain;
use crate::format::columns::image_files::is_encoded;
use crate::format::page::{PageHeader, PageLayout};
use crate::format::shard::lies_in_a_file;
use crate::format::tensor_column::{TensorColumn, is_permuted};
use crate::spec::{Compression, Storage};

/// Maximum bytes to allocate, or rows to decode, on the strength of a footer's claim alone.
const MOST_AT_ONCE: usize = 1 << 24;

/// A file of tensors.
pub(super) struct TensorFile {
    pub(super) path: PathBuf,
    /// Tensor columns: the main one first, then the others in schema order.
    pub(super) columns: Vec<TensorColumn>,
    pub(super) schema: SchemaRef,
    /// Number of rows of every row group.
    pub(super) row_groups: Vec<usize>,
    bytes: Bytes,
    /// Number of bytes in the file after the expected length.
    pub(super) surplus: u64,
    content: Content,
    /// Location of the tensors, by column and row group, once it is known.
    tensors: Vec<Vec<OnceLock<Tensors>>>,
}

enum Content {
    Parquet(ArrowReaderMetadata),
    Arrow(Blocks),
}

/// The location of the tensors of a row group.
pub(super) enum Tensors {
    /// In the file, in pages: the first row of each page, and the offset of its pixels.
    Pages(Vec<(usize, usize)>),
    /// In the file, contiguous.
    Whole(Bytes),
    /// Not in the file: the row group has to be decoded.
    Encoded,
}

impl TensorFile {
    /// Opens a file, or only its first `length` bytes: an append lengthens a shard, but keeps what it was.
    pub(super) fn open(path: &Path, length: Option<u64>) -> Result<TensorFile, Error> {
        let mut bytes = map(path)?;
        let damaged = |reason: String| Error::damaged(path, reason);
        let is_parquet = bytes.starts_with(b"PAR1") || bytes.ends_with(b"PAR1");
        // A shard of a dataset is what its manifest says.
        if length.is_none() && !bytes.is_empty() && !is_parquet && !Blocks::may_be(&bytes) {
            return Err(Error::UnknownFormat(path.to_owned()));
        }
        let length = length.unwrap_or(bytes.len() as u64);
        let surplus = (bytes.len() as u64).checked_sub(length);
        let surplus =
            surplus.ok_or_else(|| damaged(format!("it has {} instead of {length}", counted(bytes.len(), "byte"))))?;
        bytes.truncate(length as usize);
        let open = || match Blocks::may_be(&bytes) {
            true => open_arrow(&bytes).map_err(|error| error.to_string()),
            false => open_parquet(&bytes).map_err(|error| error.to_string()),
        };
        let (content, schema, row_groups) = contain(open).flatten().map_err(&damaged)?;
        let column = TensorColumn::find(&schema).ok_or_else(|| {
            let encoded = schema.fields().iter().any(|field| is_encoded(field));
            if encoded { Error::EncodedImages(path.to_owned()) } else { Error::NoTensors(path.to_owned()) }
        })?;
        if schema.field_with_name(&column.name).is_ok_and(is_permuted) {
            return Err(Error::Permuted { path: path.to_owned(), column: column.name });
        }
        refuse_several(path, &schema, &column.name)?;
        // A list that may be null is a column like any other, and so is one of several of the same name.
        let is_further = |field: &&FieldRef| {
            let is_alone = schema.fields().iter().filter(|other| other.name() == field.name()).count() == 1;
            is_alone && *field.name() != column.name && !field.is_nullable() && !is_permuted(field)
        };
        let others = schema.fields().iter().filter(is_further);
        let others: Vec<TensorColumn> = others.filter_map(|field| TensorColumn::new(field)).collect();
        let columns: Vec<TensorColumn> = [column].into_iter().chain(others).collect();
        let unknown = || row_groups.iter().map(|_| OnceLock::new()).collect();
        let tensors = columns.iter().map(|_| unknown()).collect();
        let file = TensorFile { path: path.to_owned(), columns, schema, row_groups, bytes, surplus, content, tensors };
        file.check_claims()?;
        Ok(file)
    }

    /// Checks that the record batches of an Arrow file are large enough for the rows they claim.
    fn check_claims(&self) -> Result<(), Error> {
        let Content::Arrow(blocks) = &self.content else { return Ok(()) };
        for (number, rows) in self.row_groups.iter().enumerate() {
            let claim = blocks.claim(number).map_err(|error| self.damaged(number, &error.to_string()))?;
            if rows.checked_mul(self.columns[0].row_bytes()).is_none_or(|bytes| bytes > claim.bytes) {
                return Err(self.damaged(number, "its tensors are too short for its rows"));
            }
        }
        Ok(())
    }

    /// The location of a column's tensors in a row group.
    pub(super) fn tensors(&self, column: usize, row_group: usize) -> Result<&Tensors, Error> {
        if let Some(tensors) = self.tensors[column][row_group].get() {
            return Ok(tensors);
        }
        let tensors = match &self.content {
            Content::Parquet(_) => self.find_pages(column, row_group).map_or(Tensors::Encoded, Tensors::Pages),
            Content::Arrow(blocks) if blocks.claim(row_group).is_ok_and(|claim| claim.is_compressed) => {
                Tensors::Encoded
            }
            Content::Arrow(_) => {
                let values = self.decode(column, row_group)?;
                // Values that are not aligned in the file have been copied.
                match self.bytes.as_ptr_range().contains(&values.as_ptr()) || values.is_empty() {
                    true => Tensors::Whole(values),
                    false => Tensors::Encoded,
                }
            }
        };
        Ok(self.tensors[column][row_group].get_or_init(|| tensors))
    }

    /// Hashes the length of the file and its last 64 KiB, which contain its footer.
    pub(super) fn identify(&self, hasher: &mut impl Hasher) {
        hasher.write_usize(self.bytes.len());
        hasher.write(&self.bytes[self.bytes.len().saturating_sub(1 << 16)..]);
    }

    /// A range of the file's bytes.
    pub(super) fn slice(&self, range: Range<usize>) -> Bytes {
        self.bytes.slice(range)
    }

    /// Decodes all tensors of a column in a row group, one after another.
    pub(super) fn decode(&self, column: usize, row_group: usize) -> Result<Bytes, Error> {
        let column = &self.columns[column];
        if let Some(pixels) = self.decompress_pages(column, row_group) {
            return Ok(pixels);
        }
        let batch = self.read(row_group, &[&column.name])?;
        values(column, batch.column(0)).map_err(|reason| self.damaged(row_group, &reason))
    }

    /// Reads columns of a row group, by their names.
    pub(super) fn read(&self, row_group: usize, columns: &[&str]) -> Result<RecordBatch, Error> {
        let read = contain(|| self.read_uncontained(row_group, columns));
        read.unwrap_or_else(|panic| Err(self.damaged(row_group, &panic)))
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
                let mask = ProjectionMask::roots(metadata.parquet_schema(), indices);
                let rows = self.row_groups[row_group];
                let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(self.bytes.clone(), metadata.clone());
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
                let batch = blocks.read(row_group, indices).map_err(|error| damaged(error.to_string()))?;
                select(&batch, columns).map_err(|error| damaged(error.to_string()))
            }
        }
    }

    fn damaged(&self, row_group: usize, reason: &str) -> Error {
        Error::damaged(&self.path, format!("row group {row_group}: {reason}"))
    }

    /// First row and offset of the pixels of every page in a row group, if pages are verbatim and uncompressed.
    fn find_pages(&self, column: usize, row_group: usize) -> Option<Vec<(usize, usize)>> {
        let mut found = Vec::new();
        let column = &self.columns[column];
        let layout = self.layout(column, row_group).filter(PageLayout::is_uncompressed)?;
        self.walk_pages(column, row_group, layout, |first, at, header, stored| {
            let (rows, _, pixels) = layout.find_pixels(header, stored, self.row_groups[row_group])?;
            found.push((first, at + pixels.start));
            Some(rows)
        })?;
        Some(found)
    }

    /// Decompresses the tensors of a row group whose pages are verbatim; none if they are not.
    fn decompress_pages(&self, column: &TensorColumn, row_group: usize) -> Option<Bytes> {
        let layout = self.layout(column, row_group)?;
        let length = self.row_groups[row_group].checked_mul(column.row_bytes())?;
        // A damaged footer may claim any number of rows.
        let mut tensors = MutableBuffer::with_capacity(length.min(MOST_AT_ONCE));
        self.walk_pages(column, row_group, layout, |_, _, header, stored| {
            let (rows, body, pixels) = layout.find_pixels(header, stored, self.row_groups[row_group])?;
            tensors.extend_from_slice(&body[pixels]);
            Some(rows)
        })?;
        (tensors.len() == length).then(|| Bytes::from_owner(Owned(tensors.into())))
    }

    /// The layout of the pages of a row group, if they can be verbatim.
    fn layout(&self, tensors: &TensorColumn, row_group: usize) -> Option<PageLayout> {
        let Content::Parquet(metadata) = &self.content else { return None };
        let index = self.schema.index_of(&tensors.name).ok()?;
        let leaf = leaf_of(metadata, index)?;
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

    /// Calls `visit` for every data page of a row group, with its first row, the offset of its body in the file,
    /// its header and its body. `visit` returns the number of rows of the page, or none to stop. None if it
    /// stopped, or if the pages do not add up to the row group.
    fn walk_pages(
        &self,
        column: &TensorColumn,
        row_group: usize,
        layout: PageLayout,
        mut visit: impl FnMut(usize, usize, &PageHeader, &[u8]) -> Option<usize>,
    ) -> Option<()> {
        let Content::Parquet(metadata) = &self.content else { return None };
        let leaf = leaf_of(metadata, self.schema.index_of(&column.name).ok()?)?;
        let (start, length) = metadata.metadata().row_group(row_group).column(leaf).byte_range();
        let (mut at, end) = (usize::try_from(start).ok()?, usize::try_from(start.checked_add(length)?).ok()?);
        let (mut row, mut needs_dictionary) = (0, layout.has_dictionary());
        while at < end {
            let (header, header_len) = PageHeader::parse(self.bytes.get(at..end)?)?;
            at += header_len;
            let body = self.bytes.get(at..end)?.get(..usize::try_from(header.stored_len).ok()?)?;
            if std::mem::take(&mut needs_dictionary) {
                layout.is_identity(&header, body).then_some(())?;
            } else {
                row += visit(row, at, &header, body)?;
            }
            at += body.len();
        }
        (row == self.row_groups[row_group]).then_some(())
    }
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

/// An Arrow buffer that can own the memory of `Bytes`.
pub(super) struct Owned(pub(super) Buffer);

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        &self.0
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

fn open_parquet(bytes: &Bytes) -> Result<(Content, SchemaRef, Vec<usize>), ParquetError> {
    let metadata = ArrowReaderMetadata::load(bytes, ArrowReaderOptions::new())?;
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

fn open_arrow(bytes: &Bytes) -> Result<(Content, SchemaRef, Vec<usize>), ArrowError> {
    let blocks = Blocks::open(bytes)?;
    let rows = (0..blocks.len()).map(|number| Ok(blocks.claim(number)?.rows));
    let rows = rows.collect::<Result<_, ArrowError>>()?;
    let schema = blocks.schema.clone();
    Ok((Content::Arrow(blocks), schema, rows))
}
