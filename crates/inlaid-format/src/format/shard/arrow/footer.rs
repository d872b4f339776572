//! The footer of an Arrow shard, read back: the places of its record batches, and their checksums.

use std::ops::Range;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{FileDecoder, read_footer_length};
use arrow_ipc::{Block, MetadataVersion, root_as_footer, root_as_message};
use arrow_schema::{ArrowError, DataType, FieldRef, Schema, SchemaRef};

use crate::format::keys::ROW_GROUPS;
use crate::format::ranges::Stored;
use crate::format::shard::checksum::RowGroupChecksums;
use crate::format::shard::row_group::StoredRowGroup;
use crate::format::tensor_column::leading_tensors;

/// The footer of an Arrow shard.
pub(in crate::format::shard) struct ArrowFooter {
    schema: SchemaRef,
    version: MetadataVersion,
    pub(super) blocks: Vec<Block>,
}

impl ArrowFooter {
    /// Reads the footer and the record batches that it lists.
    ///
    /// # Errors
    /// A description of the damage.
    pub(in crate::format::shard) fn read(stored: &Stored) -> Result<(ArrowFooter, Vec<StoredRowGroup>), String> {
        let bytes = footer_bytes(stored).map_err(|error| error.to_string())?;
        let footer = root_as_footer(&bytes).map_err(|error| error.to_string())?;
        let schema = footer.schema().ok_or("its footer has no schema")?;
        let schema = try_fb_to_schema(schema).map_err(|error| error.to_string())?;
        let text = footer.custom_metadata().and_then(|all| all.iter().find(|entry| entry.key() == Some(ROW_GROUPS)));
        let text = text.and_then(|entry| entry.value()).ok_or_else(|| format!("its footer has no `{ROW_GROUPS}`"))?;
        let checksums: Vec<RowGroupChecksums> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let blocks: Vec<Block> = footer.recordBatches().map_or_else(Vec::new, |all| all.iter().copied().collect());
        if checksums.len() != blocks.len() {
            let (batches, checksums) = (blocks.len(), checksums.len());
            return Err(format!("its footer has {batches} record batches and {checksums} checksums"));
        }
        let row_group = |(number, (block, checksums)): (usize, (&Block, RowGroupChecksums))| {
            let message =
                Message::read(stored, block, &schema).map_err(|error| format!("row group {number}: {error}"))?;
            let (rows, range) = (message.rows, message.range());
            Ok(StoredRowGroup { rows, range, without_tensors: message.without_tensors(), checksums })
        };
        let row_groups = blocks.iter().zip(checksums).enumerate().map(row_group);
        let row_groups = row_groups.collect::<Result<_, String>>()?;
        Ok((ArrowFooter { schema: schema.into(), version: footer.version(), blocks }, row_groups))
    }

    pub(in crate::format::shard) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Reads columns of a record batch, by their indices in the schema. `bytes` is the whole record batch, or
    /// everything in it except the tensors.
    pub(in crate::format::shard) fn read_columns(
        &self,
        number: usize,
        row_group: &StoredRowGroup,
        bytes: Vec<u8>,
        columns: Vec<usize>,
    ) -> Result<RecordBatch, ArrowError> {
        let decoder = FileDecoder::new(self.schema.clone(), self.version).with_projection(columns);
        let length = (row_group.range.end - row_group.range.start) as usize;
        let bytes = if bytes.len() == length { bytes } else { with_tensors_of_zeros(row_group, &bytes) };
        let batch = decoder.read_record_batch(&self.blocks[number], &Buffer::from(bytes))?;
        batch.ok_or_else(|| ArrowError::ParseError("it is not a record batch".to_owned()))
    }
}

/// A record batch with zeros in place of the tensors. The zeros take no memory, because they are never read.
fn with_tensors_of_zeros(row_group: &StoredRowGroup, without_tensors: &[u8]) -> Vec<u8> {
    let mut whole = vec![0; (row_group.range.end - row_group.range.start) as usize];
    let mut rest = without_tensors;
    for part in &row_group.without_tensors {
        let at = |offset: u64| (offset - row_group.range.start) as usize;
        let (here, later) = rest.split_at((part.end - part.start) as usize);
        whole[at(part.start)..at(part.end)].copy_from_slice(here);
        rest = later;
    }
    whole
}

/// The place of a record batch in the file, from its metadata.
pub(super) struct Message {
    pub(super) block: Block,
    rows: usize,
    /// Offset in the body of the first buffer after the tensors.
    tensors_end: u64,
}

impl Message {
    /// Reads the metadata of the record batch of `length` bytes that begins at `start`.
    pub(super) fn find(stored: &Stored, start: u64, length: u64, schema: &Schema) -> Result<Message, ArrowError> {
        /// Bytes before the metadata: a marker, and the length of the metadata.
        const PREFIX: u64 = 8;
        let mut prefix = [0; PREFIX as usize];
        stored.read_at(start, &mut prefix)?;
        let metadata = PREFIX + u64::from(u32::from_le_bytes(prefix[4..].try_into().expect("it has four bytes")));
        let body = length.checked_sub(metadata).ok_or_else(damaged)?;
        Message::read(stored, &Block::new(start as i64, metadata as i32, body as i64), schema)
    }

    /// Reads the metadata of a record batch.
    fn read(stored: &Stored, block: &Block, schema: &Schema) -> Result<Message, ArrowError> {
        let (start, length) = (u64::try_from(block.offset()), usize::try_from(block.metaDataLength()));
        let (start, length) = start.ok().zip(length.ok()).ok_or_else(damaged)?;
        let body = u64::try_from(block.bodyLength()).map_err(|_| damaged())?;
        let bytes = stored.len();
        let end = start.checked_add(length as u64).and_then(|end| end.checked_add(body));
        end.filter(|end| *end <= bytes).ok_or_else(damaged)?;
        let mut metadata = vec![0; length];
        stored.read_at(start, &mut metadata)?;
        let message = metadata.get(8..).and_then(|message| root_as_message(message).ok());
        let batch = message.and_then(|message| message.header_as_record_batch()).ok_or_else(damaged)?;
        // A bitmap and values; a list's values and a struct's fields have bitmaps too, and variable-length bytes
        // have offsets.
        let buffers = |field: &FieldRef| match field.data_type() {
            DataType::FixedSizeList(..) => 3,
            DataType::Struct(..) => 4,
            _ => 2,
        };
        let buffers = schema.fields().iter().take(leading_tensors(schema).max(1)).map(buffers).sum();
        let next = batch.buffers().filter(|all| all.len() > buffers).map(|all| all.get(buffers).offset());
        let tensors_end = next.and_then(|offset| u64::try_from(offset).ok()).filter(|end| *end <= body);
        let rows = usize::try_from(batch.length()).map_err(|_| damaged())?;
        Ok(Message { block: *block, rows, tensors_end: tensors_end.ok_or_else(damaged)? })
    }

    fn body(&self) -> u64 {
        self.block.offset() as u64 + self.block.metaDataLength() as u64
    }

    /// Byte range of the record batch in the file.
    fn range(&self) -> Range<u64> {
        self.block.offset() as u64..self.body() + self.block.bodyLength() as u64
    }

    /// Byte ranges in the file of the metadata, and of the buffers after the tensors, which come first.
    pub(super) fn without_tensors(&self) -> Vec<Range<u64>> {
        let Range { start, end } = self.range();
        vec![start..self.body(), self.body() + self.tensors_end..end]
    }
}

fn damaged() -> ArrowError {
    ArrowError::ParseError("its metadata is damaged".to_owned())
}

/// The bytes of the footer. A file ends with the footer, its length in four bytes, and the magic word.
pub(super) fn footer_bytes(stored: &Stored) -> Result<Vec<u8>, ArrowError> {
    const TRAILER: u64 = 10;
    let short = || ArrowError::ParseError("the file is too short".to_owned());
    let end = stored.len().checked_sub(TRAILER).ok_or_else(short)?;
    let mut trailer = [0; TRAILER as usize];
    stored.read_at(end, &mut trailer)?;
    let length = read_footer_length(trailer)?;
    let start = end.checked_sub(length as u64).ok_or_else(short)?;
    let mut bytes = vec![0; length];
    stored.read_at(start, &mut bytes)?;
    Ok(bytes)
}
