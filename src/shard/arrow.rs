//! Shards as Arrow IPC files: a record batch a row group, buffers aligned to 64 bytes, so that
//! readers map them without a copy.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, FixedSizeBinaryArray, FixedSizeListArray, RecordBatch, UInt8Array};
use arrow_buffer::{Buffer, MutableBuffer, ScalarBuffer};
use arrow_ipc::reader::{FileReader, read_footer_length};
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_ipc::{Block, CompressionType, MetadataVersion, root_as_footer};
use arrow_schema::{ArrowError, DataType};

use super::checksum::Checksum;
use super::file::ShardFile;
use super::row::StoredRow;
use super::{CHECKSUMS, RowGroup, ShardInfo, ShardWriter};
use crate::columns::Columns;
use crate::disk;
use crate::error::Error;
use crate::spec::Compression;

/// What readers with vector instructions want, and the most that Arrow recommends.
const ALIGNMENT: usize = 64;

pub(super) struct ArrowShard {
    path: PathBuf,
    name: String,
    columns: Columns,
    writer: FileWriter<ShardFile>,
    rows: usize,
}

impl ArrowShard {
    pub(super) fn create(path: PathBuf, name: String, columns: &Columns) -> Result<ArrowShard, Error> {
        let file = ShardFile::create(&path)?;
        let begin = || -> Result<_, ArrowError> {
            let options = IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5)?;
            let options = options.try_with_compression(match columns.compression() {
                Compression::None => None,
                Compression::Lz4 => Some(CompressionType::LZ4_FRAME),
                Compression::Zstd => Some(CompressionType::ZSTD),
            })?;
            FileWriter::try_new_with_options(file, columns.schema(), options)
        };
        let writer = begin().map_err(Error::write(&path))?;
        Ok(ArrowShard { path, name, columns: columns.clone(), writer, rows: 0 })
    }

    fn write(&mut self, group: &RowGroup) -> Result<(), ArrowError> {
        let mut arrays = vec![self.tensors(group)?];
        arrays.extend(self.columns.other_arrays(&group.rows));
        self.write_batch(&RecordBatch::try_new(self.columns.schema().clone(), arrays)?)?;
        // Little is left to wait for at the end.
        Ok(disk::sync(self.writer.get_ref().file())?)
    }

    fn write_batch(&mut self, batch: &RecordBatch) -> Result<Checksum, ArrowError> {
        self.writer.get_mut().begin_row_group();
        self.writer.write(batch)?;
        self.rows += batch.num_rows();
        Ok(self.writer.get_mut().end_row_group())
    }

    fn tensors(&self, group: &RowGroup) -> Result<ArrayRef, ArrowError> {
        let len = group.pages.iter().map(|page| page.pixels().len()).sum();
        let mut pixels = MutableBuffer::new(len);
        for page in &group.pages {
            pixels.extend_from_slice(page.pixels());
        }
        let pixels = Buffer::from(pixels);
        match self.columns.schema().field(0).data_type() {
            DataType::FixedSizeList(item, length) => {
                let values = UInt8Array::new(ScalarBuffer::from(pixels), None);
                Ok(Arc::new(FixedSizeListArray::try_new(item.clone(), *length, Arc::new(values), None)?))
            }
            DataType::FixedSizeBinary(length) => Ok(Arc::new(FixedSizeBinaryArray::try_new(*length, pixels, None)?)),
            other => unreachable!("no tensor column has the type {other}"),
        }
    }

    fn complete(mut self: Box<Self>) -> Result<ShardInfo, ArrowError> {
        let row_groups = self.writer.get_ref().row_groups().to_vec();
        self.writer.write_metadata(CHECKSUMS, serde_json::to_string(&row_groups).expect("checksums are strings"));
        self.writer.finish()?;
        let file = self.writer.get_ref();
        disk::sync(file.file())?;
        check_footer(file.file(), row_groups.len())?;
        Ok(ShardInfo {
            rows: self.rows,
            row_groups: row_groups.len(),
            bytes: file.bytes(),
            checksum: file.checksum(),
            file: self.name,
        })
    }
}

impl ShardWriter for ArrowShard {
    fn write_row_group(&mut self, group: &mut RowGroup) -> Result<(), Error> {
        self.write(group).map_err(Error::write(&self.path))
    }

    fn copy_row_groups(&mut self, shard: &Path, row_groups: usize) -> Result<(), Error> {
        let mut footer = ArrowFooter::read(shard)?;
        let damaged = |error: ArrowError| Error::damaged(shard, error.to_string());
        for (index, checksum) in footer.checksums.iter().take(row_groups).enumerate() {
            let batch = footer.reader.next().expect("there is a checksum for it").map_err(damaged)?;
            // The metadata of the schema may have changed since: it names the classes.
            let schema = self.columns.schema().clone();
            let batch = RecordBatch::try_new(schema, batch.columns().to_vec()).map_err(damaged)?;
            if self.write_batch(&batch).map_err(Error::write(&self.path))? != *checksum {
                return Err(Error::damaged(shard, format!("record batch {index} does not match its checksum")));
            }
        }
        disk::sync(self.writer.get_ref().file()).map_err(Error::io("write", &self.path))
    }

    fn finish(self: Box<Self>) -> Result<ShardInfo, Error> {
        let path = self.path.clone();
        self.complete().map_err(Error::write(&path))
    }
}

/// The end of a shard: what is where in it.
pub(crate) struct ArrowFooter {
    path: PathBuf,
    reader: FileReader<BufReader<File>>,
    ranges: Vec<Range<u64>>,
    /// Of every record batch.
    pub(super) checksums: Vec<Checksum>,
}

impl ArrowFooter {
    pub(super) fn read(path: &Path) -> Result<ArrowFooter, Error> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let damaged = |reason: String| Error::damaged(path, reason);
        let ranges = block_ranges(&file).map_err(|error| damaged(error.to_string()))?;
        let reader = FileReader::try_new_buffered(file, None).map_err(|error| damaged(error.to_string()))?;
        let text = reader.custom_metadata().get(CHECKSUMS);
        let text = text.ok_or_else(|| damaged(format!("its footer has no `{CHECKSUMS}`")))?;
        let checksums: Vec<Checksum> = serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
        if checksums.len() != reader.num_batches() {
            let (batches, checksums) = (reader.num_batches(), checksums.len());
            return Err(damaged(format!("its footer has {batches} record batches and {checksums} checksums")));
        }
        Ok(ArrowFooter { path: path.to_owned(), reader, ranges, checksums })
    }

    /// Where every record batch lies in the file.
    pub(super) fn row_group_ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// Calls `visit` with what the append of a dataset must know of every row, in order.
    pub(super) fn visit_rows(&self, visit: &mut dyn FnMut(StoredRow<'_>)) -> Result<(), ArrowError> {
        let columns = StoredRow::COLUMNS.iter().map(|name| self.reader.schema().index_of(name));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        for batch in FileReader::try_new_buffered(File::open(&self.path)?, Some(columns))? {
            StoredRow::visit(&batch?, visit)?;
        }
        Ok(())
    }
}

/// Where every record batch lies in the file, as its footer says.
fn block_ranges(mut file: &File) -> Result<Vec<Range<u64>>, ArrowError> {
    /// The length of the footer in four bytes, and the magic word.
    const TRAILER: usize = 10;
    let mut trailer = [0; TRAILER];
    file.seek(SeekFrom::End(-(TRAILER as i64)))?;
    file.read_exact(&mut trailer)?;
    let length = read_footer_length(trailer)?;
    file.seek(SeekFrom::End(-((TRAILER + length) as i64)))?;
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes)?;
    file.rewind()?;
    let footer = root_as_footer(&bytes).map_err(|error| ArrowError::IpcError(error.to_string()))?;
    let range = |block: &Block| {
        let start = block.offset() as u64;
        start..start + block.metaDataLength() as u64 + block.bodyLength() as u64
    };
    Ok(footer.recordBatches().map_or_else(Vec::new, |blocks| blocks.iter().map(range).collect()))
}

fn check_footer(file: &File, batches: usize) -> Result<(), ArrowError> {
    let found = FileReader::try_new(file, None)?.num_batches();
    if found != batches {
        return Err(ArrowError::IpcError(format!("the footer reads back as {found} record batches")));
    }
    Ok(())
}
