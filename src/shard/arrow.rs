//! Shards as Arrow IPC files: a record batch a row group, buffers aligned to 64 bytes, so that
//! readers map them without a copy.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::{ArrayRef, FixedSizeBinaryArray, FixedSizeListArray, RecordBatch, UInt8Array};
use arrow_buffer::{Buffer, MutableBuffer, ScalarBuffer};
use arrow_ipc::reader::FileReader;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_ipc::{CompressionType, MetadataVersion};
use arrow_schema::{ArrowError, DataType};

use super::checksum::ChecksummedFile;
use super::{RowGroup, ShardInfo, ShardWriter};
use crate::columns::Columns;
use crate::error::Error;
use crate::spec::Compression;

/// What readers with vector instructions want, and the most that Arrow recommends.
const ALIGNMENT: usize = 64;

pub(super) struct ArrowShard {
    path: PathBuf,
    name: String,
    columns: Columns,
    writer: FileWriter<ChecksummedFile>,
    rows: usize,
    row_groups: usize,
}

impl ArrowShard {
    pub(super) fn create(path: PathBuf, name: String, columns: &Columns) -> Result<ArrowShard, Error> {
        let file = ChecksummedFile::create(&path)?;
        let begin = || {
            let options = IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5)?;
            let options = options.try_with_compression(match columns.compression() {
                Compression::None => None,
                Compression::Lz4 => Some(CompressionType::LZ4_FRAME),
                Compression::Zstd => Some(CompressionType::ZSTD),
            })?;
            FileWriter::try_new_with_options(file, columns.schema(), options)
        };
        let writer = begin().map_err(|source| Error::Arrow { path: path.clone(), source })?;
        Ok(ArrowShard { path, name, columns: columns.clone(), writer, rows: 0, row_groups: 0 })
    }

    fn write(&mut self, group: &RowGroup) -> Result<(), ArrowError> {
        let mut arrays = vec![self.tensors(group)?];
        arrays.extend(self.columns.other_arrays(&group.rows));
        self.writer.write(&RecordBatch::try_new(self.columns.schema().clone(), arrays)?)?;
        Ok(self.writer.get_ref().file().sync_data()?)
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
        self.writer.finish()?;
        let file = self.writer.get_ref();
        file.file().sync_all()?;
        check_footer(file.file(), self.row_groups)?;
        Ok(ShardInfo {
            rows: self.rows,
            row_groups: self.row_groups,
            bytes: file.bytes(),
            checksum: file.checksum(),
            file: self.name,
        })
    }
}

impl ShardWriter for ArrowShard {
    fn write_row_group(&mut self, group: &mut RowGroup) -> Result<(), Error> {
        self.write(group).map_err(|source| Error::Arrow { path: self.path.clone(), source })?;
        self.rows += group.rows.len();
        self.row_groups += 1;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<ShardInfo, Error> {
        let path = self.path.clone();
        self.complete().map_err(|source| Error::Arrow { path, source })
    }
}

fn check_footer(file: &File, batches: usize) -> Result<(), ArrowError> {
    let found = FileReader::try_new(file, None)?.num_batches();
    if found != batches {
        return Err(ArrowError::IpcError(format!("the footer reads back as {found} record batches")));
    }
    Ok(())
}
