//! Shards as Parquet files. The tensor column is spliced in as finished pages; the parquet crate
//! encodes the other columns and the footer.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{self, Encoding, ZstdLevel};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, KeyValue, ParquetMetaDataReader};
use parquet::file::page_index::offset_index::{OffsetIndexMetaData, PageLocation};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnDescPtr, ColumnPath};

use super::checksum::ChecksummedFile;
use super::{RowGroup, ShardInfo, ShardWriter};
use crate::columns::Columns;
use crate::error::Error;
use crate::page::Page;
use crate::spec::Compression;

pub(super) struct ParquetShard {
    path: PathBuf,
    name: String,
    columns: Columns,
    writer: SerializedFileWriter<ChecksummedFile>,
    encoders: ArrowRowGroupWriterFactory,
    rows: usize,
    row_groups: usize,
}

impl ParquetShard {
    pub(super) fn create(path: PathBuf, name: String, columns: &Columns) -> Result<ParquetShard, Error> {
        let file = ChecksummedFile::create(&path)?;
        let properties = Arc::new(properties(columns));
        let begin = || {
            let schema = ArrowSchemaConverter::new().schema_root("schema").convert(columns.schema())?;
            let writer = SerializedFileWriter::new(file, schema.root_schema_ptr(), properties)?;
            let encoders = ArrowRowGroupWriterFactory::new(&writer, columns.schema().clone());
            Ok((writer, encoders))
        };
        let (writer, encoders) = begin().map_err(|source| Error::Parquet { path: path.clone(), source })?;
        Ok(ParquetShard { path, name, columns: columns.clone(), writer, encoders, rows: 0, row_groups: 0 })
    }

    fn write(&mut self, group: &RowGroup) -> Result<(), ParquetError> {
        let dictionary = self.columns.pages().dictionary();
        let tensor_column = self.writer.schema_descr().column(0);
        let chunk = TensorChunk { dictionary: dictionary.as_ref(), pages: &group.pages };

        let encoders = self.encoders.create_column_writers(self.row_groups)?;
        let mut row_group = self.writer.next_row_group()?;
        row_group.append_column(&chunk, chunk.close_result(tensor_column, self.columns.compression())?)?;
        let others = self.columns.other_arrays(&group.rows);
        // The first field and encoder are the tensor column's.
        let fields = self.columns.schema().fields().iter().skip(1);
        for ((field, array), mut encoder) in fields.zip(&others).zip(encoders.into_iter().skip(1)) {
            for leaf in compute_leaves(field, array)? {
                encoder.write(&leaf)?;
            }
            encoder.close()?.append_to_row_group(&mut row_group)?;
        }
        row_group.close()?;
        Ok(())
    }

    /// Brings the bytes written so far to disk, so that little is left to wait for at the end.
    fn sync(&mut self) -> Result<(), ParquetError> {
        self.writer.flush()?;
        Ok(self.writer.inner().file().sync_data()?)
    }

    fn complete(mut self: Box<Self>) -> Result<ShardInfo, ParquetError> {
        self.writer.finish()?;
        let file = self.writer.inner();
        file.file().sync_all()?;
        check_footer(file.file(), self.rows, self.row_groups)?;
        Ok(ShardInfo {
            rows: self.rows,
            row_groups: self.row_groups,
            bytes: file.bytes(),
            checksum: file.checksum(),
            file: self.name,
        })
    }
}

impl ShardWriter for ParquetShard {
    fn write_row_group(&mut self, group: &mut RowGroup) -> Result<(), Error> {
        self.write(group)
            .and_then(|()| self.sync())
            .map_err(|source| Error::Parquet { path: self.path.clone(), source })?;
        self.rows += group.rows.len();
        self.row_groups += 1;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<ShardInfo, Error> {
        let path = self.path.clone();
        self.complete().map_err(|source| Error::Parquet { path, source })
    }
}

fn check_footer(file: &File, rows: usize, row_groups: usize) -> Result<(), ParquetError> {
    let metadata = ParquetMetaDataReader::new().parse_and_finish(file)?;
    let found = (metadata.file_metadata().num_rows(), metadata.num_row_groups());
    if found != (rows as i64, row_groups) {
        return Err(ParquetError::General(format!("the footer reads back as {found:?} rows and row groups")));
    }
    Ok(())
}

fn properties(columns: &Columns) -> WriterProperties {
    let small = basic::Compression::ZSTD(ZstdLevel::default());
    let key_values = columns.schema().metadata().iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    let mut key_values: Vec<KeyValue> = key_values.collect();
    key_values.sort_by(|a, b| a.key.cmp(&b.key));
    let mut properties = WriterProperties::builder()
        .set_created_by(format!("inlaid {}", env!("CARGO_PKG_VERSION")))
        .set_compression(small)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        // Hashes and paths never repeat: a dictionary of them would be dropped again.
        .set_column_dictionary_enabled(ColumnPath::from("path"), false)
        .set_column_dictionary_enabled(ColumnPath::from("sha256"), false)
        .set_column_statistics_enabled(ColumnPath::from("sha256"), EnabledStatistics::None)
        .set_key_value_metadata(Some(key_values))
        .build();
    parquet::arrow::add_encoded_arrow_schema_to_metadata(columns.schema(), &mut properties);
    properties
}

/// The tensor column of a row group, as a file that holds nothing else.
struct TensorChunk<'a> {
    dictionary: Option<&'a Page>,
    pages: &'a [Page],
}

impl TensorChunk<'_> {
    fn all_pages(&self) -> impl Iterator<Item = &Page> {
        self.dictionary.into_iter().chain(self.pages)
    }

    fn close_result(&self, column: ColumnDescPtr, compression: Compression) -> Result<ColumnCloseResult, ParquetError> {
        let mut page_locations = Vec::with_capacity(self.pages.len());
        let (mut offset, mut row) = (self.dictionary.map_or(0, Page::len), 0);
        for page in self.pages {
            page_locations.push(PageLocation {
                offset: offset as i64,
                compressed_page_size: page.len() as i32,
                first_row_index: row as i64,
            });
            offset += page.len();
            row += page.rows;
        }
        let encodings = match self.dictionary {
            Some(_) => vec![Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY],
            None => vec![Encoding::PLAIN, Encoding::RLE],
        };
        let uncompressed: usize = self.all_pages().map(|page| page.header.len() + page.uncompressed_len).sum();
        let values: usize = self.pages.iter().map(|page| page.values).sum();
        let metadata = ColumnChunkMetaData::builder(column)
            .set_encodings(encodings)
            .set_compression(match compression {
                Compression::None => basic::Compression::UNCOMPRESSED,
                Compression::Lz4 => basic::Compression::LZ4_RAW,
                Compression::Zstd => basic::Compression::ZSTD(ZstdLevel::default()),
            })
            .set_num_values(values as i64)
            .set_total_compressed_size(offset as i64)
            .set_total_uncompressed_size(uncompressed as i64)
            .set_dictionary_page_offset(self.dictionary.map(|_| 0))
            .set_data_page_offset(self.dictionary.map_or(0, Page::len) as i64)
            .build()?;
        Ok(ColumnCloseResult {
            bytes_written: offset as u64,
            rows_written: row as u64,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: Some(OffsetIndexMetaData { page_locations, unencoded_byte_array_data_bytes: None }),
        })
    }
}

impl Length for TensorChunk<'_> {
    fn len(&self) -> u64 {
        self.all_pages().map(|page| page.len() as u64).sum()
    }
}

impl<'a> ChunkReader for TensorChunk<'a> {
    type T = Parts<'a>;

    fn get_read(&self, start: u64) -> Result<Parts<'a>, ParquetError> {
        assert_eq!(start, 0, "a chunk is appended from its first byte");
        let pages = self.dictionary.into_iter().chain(self.pages);
        Ok(Parts(pages.flat_map(|page| [&page.header[..], page.body()]).collect()))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let mut bytes = Vec::with_capacity(length);
        self.get_read(start)?.take(length as u64).read_to_end(&mut bytes)?;
        Ok(bytes.into())
    }
}

/// Slices that are read one after the other.
struct Parts<'a>(VecDeque<&'a [u8]>);

impl Read for Parts<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.0.front().is_some_and(|part| part.is_empty()) {
            self.0.pop_front();
        }
        self.0.front_mut().map_or(Ok(0), |part| part.read(buf))
    }
}
