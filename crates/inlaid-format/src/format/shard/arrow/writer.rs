//! Shards as Arrow IPC files: each row group is a record batch, with buffers aligned to 64 bytes, so that
//! readers can map them without a copy.

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::MutableBuffer;
use arrow_ipc::convert::{IpcSchemaEncoder, metadata_to_fb};
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_ipc::{Block, CompressionType, FooterBuilder, MetadataVersion, root_as_footer};
use arrow_schema::{ArrowError, Field};
use flatbuffers::FlatBufferBuilder;

use super::footer::{ArrowFooter, Message, footer_bytes};
use crate::format::shard::file::ShardFile;
use crate::format::shard::footer::{Content, Footer};
use crate::format::shard::row_group::joined;
use crate::format::shard::{RowGroup, ShardInfo, ShardWriter};

use crate::error::Error;
use crate::format::columns::Columns;
use crate::format::keys::ROW_GROUPS;
use crate::format::page::Page;
use crate::format::ranges::Stored;
use crate::format::tensor::tensor_array;
use crate::spec::Compression;

/// Alignment of buffers, in bytes: the larger of Arrow's two recommendations, as vector instructions prefer.
const ALIGNMENT: usize = 64;

const VERSION: MetadataVersion = MetadataVersion::V5;

pub(in crate::format::shard) struct ArrowShard {
    path: PathBuf,
    name: String,
    columns: Columns,
    /// Writer of the record batches. The footer is written here, because it may list copied record batches too.
    writer: FileWriter<ShardFile>,
    blocks: Vec<Block>,
    rows: usize,
}

impl ArrowShard {
    /// Begins a shard in a file that is empty or begins with all bytes of the shard `from`.
    pub(in crate::format::shard) fn begin(
        file: ShardFile,
        name: String,
        columns: &Columns,
        from: Option<&Footer>,
    ) -> Result<ArrowShard, ArrowError> {
        let path = file.path().to_owned();
        let options = IpcWriteOptions::try_new(ALIGNMENT, false, VERSION)?;
        let options = options.try_with_compression(match columns.compression() {
            Compression::None => None,
            Compression::Lz4 => Some(CompressionType::LZ4_FRAME),
            Compression::Zstd => Some(CompressionType::ZSTD),
        })?;
        let writer = FileWriter::try_new_with_options(file, columns.schema(), options)?;
        let mut shard = ArrowShard { path, name, columns: columns.clone(), writer, blocks: Vec::new(), rows: 0 };
        from.map_or(Ok(()), |from| shard.pass_over(from))?;
        Ok(shard)
    }

    /// Registers the record batches that the file began with.
    fn pass_over(&mut self, from: &Footer) -> Result<(), ArrowError> {
        self.writer.get_mut().go_on();
        self.blocks.clone_from(&arrow_footer(from).blocks);
        self.rows = from.row_groups().iter().map(|row_group| row_group.rows).sum();
        self.align()
    }

    /// Pads the file to the next aligned offset.
    fn align(&mut self) -> Result<(), ArrowError> {
        let file = self.writer.get_mut();
        let padding = file.bytes().next_multiple_of(ALIGNMENT as u64) - file.bytes();
        Ok(file.write_all(&[0; ALIGNMENT][..padding as usize])?)
    }

    fn write(&mut self, group: &RowGroup) -> Result<(), ArrowError> {
        let arrays = group.others.iter().map(|pieces| joined(pieces));
        let mut arrays = arrays.collect::<Result<Vec<_>, _>>()?;
        for (column, pages) in self.columns.tensors().iter().zip(&group.tensors) {
            arrays.insert(column.index, tensors(self.columns.schema().field(column.index), pages)?);
        }
        let batch = RecordBatch::try_new(self.columns.schema().clone(), arrays)?;
        let start = self.writer.get_ref().bytes();
        self.writer.get_mut().begin_row_group();
        self.writer.write(&batch)?;
        let file = self.writer.get_mut();
        let all = file.end_row_group();
        let message = Message::find(&file.written()?, start, file.bytes() - start, self.columns.schema())?;
        file.add_row_group(file.checksums(all, &message.without_tensors())?);
        self.blocks.push(message.block);
        self.rows += batch.num_rows();
        // Syncing now leaves little to wait for at the end.
        Ok(file.sync()?)
    }

    fn complete(mut self: Box<Self>) -> Result<ShardInfo, ArrowError> {
        let footer = self.footer();
        let file = self.writer.get_mut();
        file.write_all(&END_OF_STREAM)?;
        file.write_all(&footer)?;
        file.write_all(&(footer.len() as u32).to_le_bytes())?;
        file.write_all(MAGIC)?;
        file.finish()?;
        check_footer(&file.written()?, self.blocks.len())?;
        Ok(ShardInfo {
            rows: self.rows,
            row_groups: self.blocks.len(),
            bytes: file.bytes(),
            checksum: file.checksum(),
            file: self.name,
        })
    }

    /// `Footer` of Arrow's `File.fbs`.
    fn footer(&self) -> Vec<u8> {
        let row_groups = self.writer.get_ref().row_groups();
        let checksums = serde_json::to_string(row_groups).expect("checksums are strings");
        let mut builder = FlatBufferBuilder::new();
        let dictionaries = builder.create_vector::<Block>(&[]);
        let blocks = builder.create_vector(&self.blocks);
        let schema = IpcSchemaEncoder::new().schema_to_fb_offset(&mut builder, self.columns.schema());
        let metadata = metadata_to_fb(&mut builder, &HashMap::from([(ROW_GROUPS.to_owned(), checksums)]).into());
        let mut footer = FooterBuilder::new(&mut builder);
        footer.add_version(VERSION);
        footer.add_schema(schema);
        footer.add_dictionaries(dictionaries);
        footer.add_recordBatches(blocks);
        footer.add_custom_metadata(metadata);
        let footer = footer.finish();
        builder.finish(footer, None);
        builder.finished_data().to_vec()
    }
}

impl ShardWriter for ArrowShard {
    fn write_row_group(&mut self, group: &mut RowGroup) -> Result<(), Error> {
        self.write(group).map_err(Error::write(&self.path))
    }

    fn copy_row_group(&mut self, from: &Footer, number: usize) -> Result<(), Error> {
        let (block, row_group) = (arrow_footer(from).blocks[number], &from.row_groups()[number]);
        let file = self.writer.get_mut();
        self.blocks.push(Block::new(file.bytes() as i64, block.metaDataLength(), block.bodyLength()));
        self.rows += row_group.rows;
        file.begin_row_group();
        file.copy(from, row_group.range.clone(), false)?;
        let all = file.end_row_group();
        file.add_copy(from, number, all)
    }

    fn finish(self: Box<Self>) -> Result<ShardInfo, Error> {
        let path = self.path.clone();
        self.complete().map_err(Error::write(&path))
    }
}

/// The tensors of these pages, as an array of the field's type.
fn tensors(field: &Field, pages: &[Page]) -> Result<ArrayRef, ArrowError> {
    let mut pixels = MutableBuffer::new(pages.iter().map(|page| page.pixels().len()).sum());
    pages.iter().for_each(|page| pixels.extend_from_slice(page.pixels()));
    tensor_array(field, pixels.into())
}

/// The empty message that precedes the footer.
const END_OF_STREAM: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

const MAGIC: &[u8] = b"ARROW1";

fn arrow_footer(shard: &Footer) -> &ArrowFooter {
    match &shard.content {
        Content::Arrow(footer) => footer,
        Content::Parquet(_) => unreachable!("a dataset has shards of one format"),
    }
}

fn check_footer(file: &Stored, batches: usize) -> Result<(), ArrowError> {
    let bytes = footer_bytes(file)?;
    let footer = root_as_footer(&bytes).map_err(|error| ArrowError::IpcError(error.to_string()))?;
    let found = footer.recordBatches().map_or(0, |all| all.len());
    if found != batches {
        return Err(ArrowError::IpcError(format!("the footer reads back as {found} record batches")));
    }
    Ok(())
}
