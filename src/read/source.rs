//! A file that others wrote, read once from its beginning to its end.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;

use super::blocks::Blocks;
use super::map::map;
use crate::error::{Error, RepackError};
use crate::format::catch_panic::contain;
use crate::format::shard::lies_in_a_file;

/// A Parquet or Arrow file.
pub(crate) struct SourceFile {
    path: PathBuf,
    content: Content,
}

enum Content {
    /// Read page by page, so that memory does not grow with the file.
    Parquet(File, ArrowReaderMetadata),
    /// Mapped.
    Arrow(Blocks),
}

/// The rows of a file, batch by batch.
type Batches<'a> = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + 'a>;

impl SourceFile {
    /// Opens a file; what it begins with tells its format.
    ///
    /// # Errors
    /// If it can't be read, is of another format or damaged.
    pub(crate) fn open(path: &Path) -> Result<SourceFile, Error> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let mut begin = Vec::new();
        (&file).take(6).read_to_end(&mut begin).map_err(Error::io("read", path))?;
        let content = if begin.starts_with(b"PAR1") {
            contain(|| open_parquet(&file).map_err(|error| error.to_string()))
                .flatten()
                .map(|metadata| Content::Parquet(file, metadata))
        } else if Blocks::may_be(&begin) {
            let bytes = map(path)?;
            contain(|| Blocks::open(&bytes).map_err(|error| error.to_string())).flatten().map(Content::Arrow)
        } else {
            return Err(Error::repack(path)(RepackError::UnknownFormat));
        };
        let content = content.map_err(|reason| Error::repack(path)(RepackError::Damaged(reason)))?;
        if let Content::Parquet(_, metadata) = &content
            && let Some(codec) = unknown_codec(metadata)
        {
            return Err(Error::repack(path)(RepackError::Codec(codec)));
        }
        Ok(SourceFile { path: path.to_owned(), content })
    }

    /// The columns, and what is known of them.
    pub(crate) fn schema(&self) -> &SchemaRef {
        match &self.content {
            Content::Parquet(_, metadata) => metadata.schema(),
            Content::Arrow(blocks) => &blocks.schema,
        }
    }

    /// How many rows it has.
    ///
    /// # Errors
    /// If an Arrow file is damaged.
    pub(crate) fn rows(&self) -> Result<usize, Error> {
        match &self.content {
            Content::Parquet(_, metadata) => Ok(metadata.metadata().file_metadata().num_rows().max(0) as usize),
            Content::Arrow(_) => self.batches(usize::MAX)?.map(|batch| batch.map(|batch| batch.num_rows())).sum(),
        }
    }

    /// Its rows in order, in batches; of a Parquet file they have at most `rows`.
    ///
    /// # Errors
    /// If it is damaged; so does every batch.
    pub(crate) fn batches(&self, rows: usize) -> Result<impl Iterator<Item = Result<RecordBatch, Error>>, Error> {
        let damaged = |reason: String| Error::repack(&self.path)(RepackError::Damaged(reason));
        let begin = || -> Result<Batches<'_>, String> {
            Ok(match &self.content {
                Content::Parquet(file, metadata) => {
                    let file = file.try_clone().map_err(|error| error.to_string())?;
                    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone());
                    Box::new(builder.with_batch_size(rows).build().map_err(|error| error.to_string())?)
                }
                Content::Arrow(blocks) => {
                    let columns = blocks.schema.fields().len();
                    Box::new((0..blocks.len()).map(move |number| blocks.read(number, (0..columns).collect())))
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
            // What has panicked must not be used again.
            ended = next.is_err();
            Some(next.map_err(damaged))
        }))
    }
}

/// The compression that the crate is built without, if a column uses one.
fn unknown_codec(metadata: &ArrowReaderMetadata) -> Option<String> {
    let mut columns = metadata.metadata().row_groups().iter().flat_map(RowGroupMetaData::columns);
    columns.find_map(|column| match column.compression() {
        Compression::BROTLI(_) => Some("Brotli".to_owned()),
        Compression::LZO => Some("LZO".to_owned()),
        _ => None,
    })
}

fn open_parquet(file: &File) -> Result<ArrowReaderMetadata, ParquetError> {
    let metadata = ArrowReaderMetadata::load(file, ArrowReaderOptions::new())?;
    let mut columns = metadata.metadata().row_groups().iter().flat_map(RowGroupMetaData::columns);
    match columns.all(lies_in_a_file) {
        true => Ok(metadata),
        false => Err(ParquetError::General("a column is at no place in a file".to_owned())),
    }
}
