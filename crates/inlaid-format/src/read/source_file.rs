//! A file written by another tool, read once from beginning to end.

use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, DataType, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::Compression;
use parquet::file::metadata::RowGroupMetaData;
use thiserror::Error as ThisError;

use super::blocks::Blocks;
use super::byte_values::{BytesColumn, ParquetColumn, Piece, Value, Visit, visit_arrow};
use super::chunk::Chunk;
use super::input::Input;
use super::map::map_file;
use crate::error::Error;
use crate::format::catch_panic::contain;
use crate::format::open;
use crate::format::ranges::Stored;
use crate::format::shard::lies_in_a_file;

/// The reason why a file can't be read as a table.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum SourceFileError {
    /// The operating system refused to read it.
    #[error(transparent)]
    Io(Error),
    /// The file has another format.
    #[error("it is neither a Parquet nor an Arrow file")]
    UnknownFormat,
    /// The file is damaged.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// The file is encrypted.
    #[error("it is encrypted")]
    Encrypted,
    /// The file uses a compression codec that this program was built without.
    #[error("it is compressed with {0}")]
    Codec(String),
}

/// A Parquet or Arrow file.
pub struct SourceFile {
    path: PathBuf,
    content: Content,
}

enum Content {
    /// A Parquet file, read page by page, so that memory does not grow with the file.
    Parquet(Input, ArrowReaderMetadata),
    /// A mapped Arrow file.
    Arrow(Blocks),
}

/// The rows of a file, in batches.
type Batches<'a> = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + 'a>;

impl SourceFile {
    /// Opens a file. Its first bytes decide its format.
    ///
    /// # Errors
    /// If the file can't be read, has another format, is damaged, or uses an unsupported codec.
    pub fn open(path: &Path) -> Result<SourceFile, SourceFileError> {
        let io = |action: &'static str| move |error| SourceFileError::Io(Error::io(action, path)(error));
        let stored = open::regular(path).map_err(io("open")).and_then(|file| Stored::of_file(file).map_err(io("read")));
        SourceFile::of(path, stored?)
    }

    /// The file that messages call `path`, wherever its bytes lie. An Arrow file has to lie on a disk.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn of(path: &Path, stored: Stored) -> Result<SourceFile, SourceFileError> {
        let io = |error| SourceFileError::Io(Error::io("read", path)(error));
        let input = Input::try_from(stored).map_err(io)?;
        let begin = input.slice(0..input.len().min(6)).map_err(io)?;
        let content = if begin.starts_with(b"PAR1") {
            contain(|| open_parquet(&input)).flatten().map(|metadata| Content::Parquet(input, metadata))
        } else if Blocks::may_be(&begin) {
            let input = map(&input, path)?;
            contain(|| Blocks::open(&input).map_err(|error| error.to_string())).flatten().map(Content::Arrow)
        } else if begin.starts_with(b"PARE") {
            return Err(SourceFileError::Encrypted);
        } else {
            return Err(SourceFileError::UnknownFormat);
        };
        let content = content.map_err(SourceFileError::Damaged)?;
        if let Content::Parquet(_, metadata) = &content
            && let Some(codec) = unknown_codec(metadata)
        {
            return Err(SourceFileError::Codec(codec));
        }
        Ok(SourceFile { path: path.to_owned(), content })
    }

    /// The Arrow schema, with its metadata.
    pub fn schema(&self) -> &SchemaRef {
        match &self.content {
            Content::Parquet(_, metadata) => metadata.schema(),
            Content::Arrow(blocks) => &blocks.schema,
        }
    }

    /// Name of a column that the reader of Parquet files takes for damaged, if there is one: its lists have length 0.
    pub fn unreadable_column(&self) -> Option<&str> {
        let Content::Parquet(_, metadata) = &self.content else { return None };
        let mut fields = metadata.schema().fields().iter();
        fields.find(|field| holds_empty_lists(field.data_type())).map(|field| field.name().as_str())
    }

    /// Number of rows.
    ///
    /// # Errors
    /// If an Arrow file is damaged.
    pub fn rows(&self) -> Result<usize, SourceFileError> {
        match &self.content {
            Content::Parquet(_, metadata) => Ok(metadata.metadata().file_metadata().num_rows().max(0) as usize),
            Content::Arrow(_) => self.batches(usize::MAX)?.map(|batch| batch.map(|batch| batch.num_rows())).sum(),
        }
    }

    /// The rows in order, in batches. Batches of a Parquet file have at most `rows` rows; those of an Arrow file are
    /// its record batches.
    ///
    /// # Errors
    /// If the file is damaged. Each batch may report the same error.
    pub fn batches(
        &self,
        rows: usize,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, SourceFileError>>, SourceFileError> {
        self.batches_of(rows, (0..self.schema().fields().len()).collect())
    }

    /// Like [`batches`](Self::batches), of some columns: their indices in the schema, sorted.
    ///
    /// # Errors
    /// As there.
    pub fn batches_of(
        &self,
        rows: usize,
        columns: Vec<usize>,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, SourceFileError>>, SourceFileError> {
        let damaged = SourceFileError::Damaged;
        let begin = || -> Result<Batches<'_>, String> {
            Ok(match &self.content {
                Content::Parquet(input, metadata) => {
                    let input = input.front_to_back();
                    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(input, metadata.clone());
                    let mask = ProjectionMask::roots(metadata.parquet_schema(), columns);
                    let builder = builder.with_projection(mask).with_batch_size(rows);
                    Box::new(builder.build().map_err(|error| error.to_string())?)
                }
                Content::Arrow(blocks) => {
                    Box::new((0..blocks.len()).map(move |number| blocks.read(number, columns.clone())))
                }
            })
        };
        let mut batches = contain(begin).flatten().map_err(damaged)?;
        let mut ended = false;
        Ok(std::iter::from_fn(move || {
            if ended {
                return None;
            }
            let next = contain(|| batches.next()).transpose()?;
            let next = next.and_then(|batch| batch.map_err(|error| error.to_string()));
            // A reader that has panicked must not be used again.
            ended = next.is_err();
            Some(next.map_err(damaged))
        }))
    }
}

impl SourceFile {
    /// Number of rows that the file claims to have. Unlike [`rows`](Self::rows), decodes nothing.
    ///
    /// # Errors
    /// If an Arrow file is damaged.
    pub fn claimed_rows(&self) -> Result<usize, SourceFileError> {
        self.rows_before(self.parts())
    }

    /// Number of rows that the file claims to have before a part; see [`visit_bytes`](Self::visit_bytes).
    ///
    /// # Errors
    /// If an Arrow file is damaged.
    pub fn rows_before(&self, part: usize) -> Result<usize, SourceFileError> {
        let damaged = |error: ArrowError| SourceFileError::Damaged(error.to_string());
        (0..part).try_fold(0_usize, |sum, part| {
            let rows = match &self.content {
                Content::Parquet(_, metadata) => metadata.metadata().row_group(part).num_rows().max(0) as usize,
                Content::Arrow(blocks) => {
                    contain(|| blocks.claim(part)).map_err(SourceFileError::Damaged)?.map_err(damaged)?.rows
                }
            };
            Ok(sum.saturating_add(rows))
        })
    }

    /// The column of this name, if its items are bytes.
    pub fn bytes_column(&self, name: &str) -> Option<BytesColumn> {
        self.schema().index_of(name).ok().and_then(|index| BytesColumn::of(self.schema(), index))
    }

    /// Whether statistics say that no item of a column is null; false if they don't say it.
    ///
    /// # Errors
    /// If the column has another type than its schema says.
    pub fn is_never_null(&self, column: BytesColumn, piece: Piece) -> Result<bool, SourceFileError> {
        match &self.content {
            Content::Parquet(input, metadata) => {
                let map = || map(input, &self.path);
                let nulls = ParquetColumn { map: &map, metadata, column, piece }.nulls()?;
                Ok(!column.is_list && nulls == Some(0))
            }
            Content::Arrow(_) => Ok(false),
        }
    }

    /// Bytes of the items of a column that a Parquet file does not hold as they are, as its footer tells it.
    ///
    /// # Errors
    /// If the column has another type than its schema says.
    pub fn packed_bytes(&self, column: BytesColumn, piece: Piece) -> Result<u64, SourceFileError> {
        match &self.content {
            Content::Parquet(input, metadata) => {
                let map = || map(input, &self.path);
                ParquetColumn { map: &map, metadata, column, piece }.packed_bytes()
            }
            Content::Arrow(_) => Ok(0),
        }
    }

    /// Number of parts that are read on their own: row groups, or record batches.
    pub fn parts(&self) -> usize {
        match &self.content {
            Content::Parquet(_, metadata) => metadata.metadata().num_row_groups(),
            Content::Arrow(blocks) => blocks.len(),
        }
    }

    /// Calls `visit` with every item of a column of bytes in a part of the file, in the order of rows, and the row that
    /// it belongs to, from 0, until told to stop. A page of a Parquet file, or a compressed record batch, is in memory
    /// at a time.
    ///
    /// # Errors
    /// If the file is damaged, or as `visit`.
    pub fn visit_bytes<E: From<SourceFileError>>(
        &self,
        part: usize,
        column: BytesColumn,
        piece: Piece,
        mut visit: impl FnMut(usize, Value<'_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<ControlFlow<()>, E> {
        let visit: Visit<'_, E> = &mut visit;
        match &self.content {
            Content::Parquet(input, metadata) => {
                let map = || map(input, &self.path);
                ParquetColumn { map: &map, metadata, column, piece }.visit(part, visit)
            }
            Content::Arrow(blocks) => visit_arrow(blocks, part, column, piece, visit),
        }
    }
}

/// A file, mapped; or its bytes elsewhere, for whoever reads most of them in their order.
fn map(input: &Input, path: &Path) -> Result<Input, SourceFileError> {
    let Input::File(file, length) = input else { return Ok(input.front_to_back()) };
    let mut mapped = Input::Mapped(map_file(file, path).map_err(SourceFileError::Io)?);
    mapped.truncate(*length);
    Ok(mapped)
}

/// Whether a type is, or has inside, lists of length 0.
fn holds_empty_lists(data_type: &DataType) -> bool {
    match data_type {
        DataType::FixedSizeList(_, 0) => true,
        DataType::FixedSizeList(item, _) | DataType::List(item) | DataType::LargeList(item) => {
            holds_empty_lists(item.data_type())
        }
        DataType::Struct(fields) => fields.iter().any(|field| holds_empty_lists(field.data_type())),
        _ => false,
    }
}

/// The name of a codec that the parquet crate is built without, if a column uses one.
fn unknown_codec(metadata: &ArrowReaderMetadata) -> Option<String> {
    let mut columns = metadata.metadata().row_groups().iter().flat_map(RowGroupMetaData::columns);
    columns.find_map(|column| match column.compression() {
        Compression::BROTLI(_) => Some("Brotli".to_owned()),
        Compression::LZO => Some("LZO".to_owned()),
        _ => None,
    })
}

/// The footer, if no page takes more memory than its length allows.
fn open_parquet(input: &Input) -> Result<ArrowReaderMetadata, String> {
    let metadata = ArrowReaderMetadata::load(input, ArrowReaderOptions::new()).map_err(|error| error.to_string())?;
    let mut columns = metadata.metadata().row_groups().iter().flat_map(RowGroupMetaData::columns);
    if !columns.clone().all(lies_in_a_file) {
        return Err("a column chunk has a negative offset or length".to_owned());
    }
    // Elsewhere each header would be a request: they are looked at when they are read.
    if !input.is_elsewhere() {
        columns.try_for_each(|column| Chunk::find(input, column).map(drop))?;
    }
    Ok(metadata)
}

impl fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceFile").field("schema", &self.schema()).finish_non_exhaustive()
    }
}
