//! Shards as Parquet files. Tensor columns are spliced in as finished pages; the parquet crate
//! encodes the other columns and the footer.

use std::collections::VecDeque;
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
use parquet::file::statistics::Statistics;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnDescPtr, ColumnPath};

use super::footer;
use super::types::needs_coercion;
use crate::format::shard::checksum::Checksum;
use crate::format::shard::file::ShardFile;
use crate::format::shard::footer::{Content, Footer};
use crate::format::shard::row_group::joined;
use crate::format::shard::{RowGroup, ShardInfo, ShardWriter};

use crate::error::Error;
use crate::format::columns::{Columns, Origin, TENSOR_COLUMN};
use crate::format::keys::ROW_GROUPS;
use crate::format::page::Page;
use crate::format::ranges::Stored;
use crate::spec::Compression;

pub(in crate::format::shard) struct ParquetShard {
    path: PathBuf,
    name: String,
    columns: Columns,
    writer: SerializedFileWriter<ShardFile>,
    encoders: ArrowRowGroupWriterFactory,
    /// Indices of the leaf columns of tensors, or of the bytes of images stored as files.
    images: Vec<usize>,
    rows: usize,
}

impl ParquetShard {
    /// Begins a shard in a file that is empty or begins with all bytes of the shard `from`.
    pub(in crate::format::shard) fn begin(
        file: ShardFile,
        name: String,
        columns: &Columns,
        from: Option<&Footer>,
    ) -> Result<ParquetShard, ParquetError> {
        let path = file.path().to_owned();
        let properties = Arc::new(properties(columns));
        let schema = ArrowSchemaConverter::new()
            .with_coerce_types(needs_coercion(columns.schema()))
            .schema_root("schema")
            .convert(columns.schema())?;
        let writer = SerializedFileWriter::new(file, schema.root_schema_ptr(), properties)?;
        let encoders = ArrowRowGroupWriterFactory::new(&writer, columns.schema().clone());
        let leaves = writer.schema_descr();
        let leaf_of = |root: usize| (0..leaves.num_columns()).find(|leaf| leaves.get_column_root_idx(*leaf) == root);
        let roots: Vec<usize> = match columns.tensors() {
            [] => vec![0],
            tensors => tensors.iter().map(|column| column.index).collect(),
        };
        let images = roots.into_iter().map(|root| leaf_of(root).expect("lists and structs have a leaf")).collect();
        let mut shard = ParquetShard { path, name, columns: columns.clone(), writer, encoders, images, rows: 0 };
        from.map_or(Ok(()), |from| shard.pass_over(from))?;
        Ok(shard)
    }

    /// Registers the row groups that the file began with, and their offsets.
    fn pass_over(&mut self, from: &Footer) -> Result<(), ParquetError> {
        for (number, row_group) in from.row_groups().iter().enumerate() {
            self.pass_over_until(row_group.range.start)?;
            self.append(from, number, true)?;
        }
        self.pass_over_until(from.bytes())?;
        self.writer.flush()?;
        self.writer.inner_mut().go_on();
        Ok(())
    }

    fn pass_over_until(&mut self, end: u64) -> Result<(), ParquetError> {
        let gap = end.checked_sub(self.writer.bytes_written() as u64);
        let gap = gap.ok_or_else(|| ParquetError::General("its row groups are out of order".to_owned()))?;
        Ok(self.writer.write_all(&vec![0; gap as usize])?)
    }

    /// Adds a row group of another shard. Its bytes are copied, unless they are in place already.
    fn append(&mut self, from: &Footer, number: usize, in_place: bool) -> Result<(), ParquetError> {
        let Content::Parquet(footer) = &from.content else { unreachable!("a dataset has shards of one format") };
        let metadata = footer.metadata().row_group(number);
        let page_index = footer.metadata().page_index_for_row_group(number);
        let mut row_group = self.writer.next_row_group()?;
        for (index, column) in metadata.columns().iter().enumerate() {
            let close = ColumnCloseResult {
                bytes_written: column.compressed_size() as u64,
                rows_written: metadata.num_rows() as u64,
                metadata: as_written(column)?,
                bloom_filter: None,
                column_index: page_index.column_index(index).cloned(),
                offset_index: page_index.offset_index(index).cloned(),
            };
            match in_place {
                true => row_group.append_column(&InPlace(column.compressed_size() as u64), close)?,
                false => row_group.append_column(from.stored(), close)?,
            }
        }
        row_group.close()?;
        self.rows += metadata.num_rows() as usize;
        Ok(())
    }

    /// Begins a row group at an offset that aligns the pixels of its first page to the element size.
    fn begin_row_group(&mut self) -> Result<(), ParquetError> {
        let first = self.columns.tensors().first().map(|first| first.pages);
        if let Some(pages) = first.filter(|pages| pages.alignment() > 1) {
            let dictionary = pages.dictionary().map_or(0, |dictionary| dictionary.len());
            let first_page = self.writer.bytes_written() + dictionary;
            let gap = first_page.next_multiple_of(pages.alignment()) - first_page;
            self.writer.write_all(&vec![0; gap])?;
        }
        self.writer.flush()?;
        self.writer.inner_mut().begin_row_group();
        Ok(())
    }

    fn end_row_group(&mut self) -> Result<Checksum, ParquetError> {
        self.writer.flush()?;
        Ok(self.writer.inner_mut().end_row_group())
    }

    fn write(&mut self, group: &RowGroup) -> Result<(), ParquetError> {
        self.begin_row_group()?;
        let tensors = self.columns.tensors();
        let dictionaries: Vec<Option<Page>> = tensors.iter().map(|column| column.pages.dictionary()).collect();
        let chunks = dictionaries.iter().zip(&group.tensors);
        let chunks: Vec<TensorChunk<'_>> =
            chunks.map(|(dictionary, pages)| TensorChunk { dictionary: dictionary.as_ref(), pages }).collect();
        let is_ahead = tensors.iter().enumerate().all(|(place, column)| column.index == place);
        if is_ahead {
            // The crate would copy the tensors to write them in pieces of 8 KiB.
            self.writer.inner_mut().write_ahead(chunks.iter().flat_map(TensorChunk::parts))?;
        }

        let encoders = self.encoders.create_column_writers(self.writer.flushed_row_groups().len())?;
        let leaves = self.writer.schema_descr();
        let leaves: Vec<ColumnDescPtr> = self.images.iter().map(|leaf| leaves.column(*leaf)).collect();
        let mut row_group = self.writer.next_row_group()?;
        let (mut encoders, mut others) = (encoders.into_iter(), group.others.iter());
        let mut chunks = chunks.iter().zip(leaves);
        for (index, field) in self.columns.schema().fields().iter().enumerate() {
            if self.columns.is_tensors(index) {
                encoders.next();
                let (chunk, leaf) = chunks.next().expect("there are pages for every tensor column");
                let close = chunk.close_result(leaf, self.columns.compression())?;
                if is_ahead {
                    row_group.append_column(&InPlace(chunk.len()), close)?;
                } else {
                    row_group.append_column(chunk, close)?;
                }
                continue;
            }
            let array = joined(others.next().expect("there are values for every other column"))?;
            for (leaf, mut encoder) in compute_leaves(field, &array)?.iter().zip(&mut encoders) {
                encoder.write(leaf)?;
                encoder.close()?.append_to_row_group(&mut row_group)?;
            }
        }
        let metadata = row_group.close()?;
        self.rows += metadata.num_rows() as usize;
        let all = self.end_row_group()?;
        let file = self.writer.inner_mut();
        file.add_row_group(file.checksums(all, &footer::without(&metadata, &self.images))?);
        // Syncing now leaves little to wait for at the end.
        Ok(file.sync()?)
    }

    fn complete(mut self: Box<Self>) -> Result<ShardInfo, ParquetError> {
        let row_groups = self.writer.inner().row_groups().to_vec();
        let checksums = serde_json::to_string(&row_groups).expect("checksums are strings");
        self.writer.append_key_value_metadata(KeyValue::new(ROW_GROUPS.to_owned(), checksums));
        self.writer.finish()?;
        let file = self.writer.inner_mut();
        file.finish()?;
        check_footer(&file.written()?, self.rows, row_groups.len())?;
        Ok(ShardInfo {
            rows: self.rows,
            row_groups: row_groups.len(),
            bytes: file.bytes(),
            checksum: file.checksum(),
            file: self.name,
        })
    }
}

impl ShardWriter for ParquetShard {
    fn write_row_group(&mut self, group: &mut RowGroup) -> Result<(), Error> {
        self.write(group).map_err(Error::write(&self.path))
    }

    fn copy_row_group(&mut self, from: &Footer, number: usize) -> Result<(), Error> {
        let mut copy = || -> Result<_, ParquetError> {
            self.begin_row_group()?;
            self.append(from, number, false)?;
            self.end_row_group()
        };
        let all = copy().map_err(Error::write(&self.path))?;
        self.writer.inner_mut().add_copy(from, number, all)
    }

    fn finish(self: Box<Self>) -> Result<ShardInfo, Error> {
        let path = self.path.clone();
        self.complete().map_err(Error::write(&path))
    }
}

/// Stands for a number of bytes that are in the file already and are not read.
struct InPlace(u64);

impl Length for InPlace {
    fn len(&self) -> u64 {
        self.0
    }
}

impl ChunkReader for InPlace {
    type T = io::Take<io::Repeat>;

    fn get_read(&self, _start: u64) -> Result<Self::T, ParquetError> {
        Ok(io::repeat(0).take(self.0))
    }

    fn get_bytes(&self, _start: u64, length: usize) -> Result<Bytes, ParquetError> {
        Ok(vec![0; length].into())
    }
}

/// The metadata of a column chunk as originally written. The parquet crate also writes the bounds of numbers
/// to the deprecated fields that old readers use, but loses that setting when it reads the metadata back.
fn as_written(column: &ColumnChunkMetaData) -> Result<ColumnChunkMetaData, ParquetError> {
    let statistics = match column.statistics().cloned() {
        Some(Statistics::Int32(bounds)) => Statistics::Int32(bounds.with_backwards_compatible_min_max(true)),
        Some(Statistics::Int64(bounds)) => Statistics::Int64(bounds.with_backwards_compatible_min_max(true)),
        _ => return Ok(column.clone()),
    };
    column.clone().into_builder().set_statistics(statistics).build()
}

fn check_footer(file: &Stored, rows: usize, row_groups: usize) -> Result<(), ParquetError> {
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
    let builder = WriterProperties::builder()
        .set_created_by(format!("inlaid {}", env!("CARGO_PKG_VERSION")))
        .set_compression(small)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_key_value_metadata(Some(key_values));
    let mut properties = match columns.origin() {
        Origin::Images => builder
            // Hashes and paths never repeat, so a dictionary would only be discarded.
            .set_column_dictionary_enabled(ColumnPath::from("path"), false)
            .set_column_dictionary_enabled(ColumnPath::from("sha256"), false)
            .set_column_statistics_enabled(ColumnPath::from("sha256"), EnabledStatistics::None)
            .set_column_dictionary_enabled(encoded_bytes(), false)
            .set_column_statistics_enabled(encoded_bytes(), EnabledStatistics::None)
            .set_column_compression(encoded_bytes(), codec(columns.compression()))
            .build(),
        Origin::Table => builder.set_coerce_types(needs_coercion(columns.schema())).build(),
    };
    parquet::arrow::add_encoded_arrow_schema_to_metadata(columns.schema(), &mut properties);
    properties
}

/// The leaf column of the bytes of encoded images.
fn encoded_bytes() -> ColumnPath {
    ColumnPath::new(vec![TENSOR_COLUMN.to_owned(), "bytes".to_owned()])
}

fn codec(compression: Compression) -> basic::Compression {
    match compression {
        Compression::None => basic::Compression::UNCOMPRESSED,
        Compression::Lz4 => basic::Compression::LZ4_RAW,
        Compression::Zstd => basic::Compression::ZSTD(ZstdLevel::default()),
    }
}

/// The tensor column of a row group, presented to the parquet crate as a file of its own.
struct TensorChunk<'a> {
    dictionary: Option<&'a Page>,
    pages: &'a [Page],
}

impl<'a> TensorChunk<'a> {
    fn all_pages(&self) -> impl Iterator<Item = &'a Page> {
        self.dictionary.into_iter().chain(self.pages)
    }

    fn parts(&self) -> impl Iterator<Item = &'a [u8]> {
        self.all_pages().flat_map(|page| [&page.header[..], page.body()])
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
            .set_compression(codec(compression))
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
        Ok(Parts(self.parts().collect()))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let mut bytes = Vec::with_capacity(length);
        self.get_read(start)?.take(length as u64).read_to_end(&mut bytes)?;
        Ok(bytes.into())
    }
}

/// A reader over consecutive slices.
struct Parts<'a>(VecDeque<&'a [u8]>);

impl Read for Parts<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.0.front().is_some_and(|part| part.is_empty()) {
            self.0.pop_front();
        }
        self.0.front_mut().map_or(Ok(0), |part| part.read(buf))
    }
}
