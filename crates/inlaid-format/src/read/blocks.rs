//! The record batches of an Arrow file or stream, as slices of its bytes if it is mapped.

use std::collections::HashSet;
use std::io;
use std::ops::Range;
use std::slice;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::{Buffer, MutableBuffer};
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{FileDecoder, read_footer_length};
use arrow_ipc::{Block, MetadataVersion, root_as_footer, root_as_message};
use arrow_schema::{ArrowError, DataType, SchemaRef};
use bytes::Bytes;

use super::input::Input;

/// Magic bytes at the start of an Arrow file.
const FILE: &[u8] = b"ARROW1";

/// Marker before the length of a message; old files and streams lack it.
const MARK: &[u8] = &[0xff; 4];

/// The record batches of an Arrow file or stream.
pub(super) struct Blocks {
    pub(super) schema: SchemaRef,
    input: Input,
    /// Decoder that holds the dictionaries.
    decoder: FileDecoder,
    has_dictionaries: bool,
    version: MetadataVersion,
    blocks: Vec<Block>,
}

/// The size of a record batch as claimed by its header.
pub(super) struct Claim {
    pub(super) rows: usize,
    /// Bytes of all its columns, decompressed.
    pub(super) bytes: usize,
    pub(super) is_compressed: bool,
}

impl Blocks {
    /// Whether these bytes begin like an Arrow file or stream.
    pub(super) fn may_be(bytes: &[u8]) -> bool {
        bytes.starts_with(FILE) || bytes.starts_with(MARK)
    }

    /// Finds the record batches and reads the dictionaries.
    pub(super) fn open(input: &Input) -> Result<Blocks, ArrowError> {
        match input.slice(0..FILE.len().min(input.len()))?.starts_with(FILE) {
            true => Blocks::of_file(input),
            false => Blocks::of_stream(input),
        }
    }

    fn of_file(input: &Input) -> Result<Blocks, ArrowError> {
        /// Bytes after the footer: its length in four bytes, and the magic word.
        const TRAILER: usize = 10;
        let short = || ArrowError::ParseError("the file is too short".to_owned());
        let end = input.len().checked_sub(TRAILER).ok_or_else(short)?;
        let mut trailer = [0; TRAILER];
        input.read(end, &mut trailer)?;
        let start = end.checked_sub(read_footer_length(trailer)?).ok_or_else(short)?;
        let bytes = input.slice(start..end)?;
        let footer = root_as_footer(&bytes).map_err(|error| ArrowError::ParseError(error.to_string()))?;
        let schema = footer.schema().ok_or_else(|| ArrowError::ParseError("the footer has no schema".to_owned()))?;
        let schema: SchemaRef = Arc::new(try_fb_to_schema(schema)?);
        let dictionaries = footer.dictionaries().map_or_else(Vec::new, |blocks| blocks.iter().copied().collect());
        let blocks = footer.recordBatches().map_or_else(Vec::new, |blocks| blocks.iter().copied().collect());
        Blocks::of_messages(schema, input, footer.version(), &dictionaries, blocks)
    }

    /// Finds the messages of a stream, which has no list of them, by walking over them one by one.
    fn of_stream(input: &Input) -> Result<Blocks, ArrowError> {
        let (first, message) = next_message(input, 0)?.ok_or_else(damaged)?;
        let message = root_as_message(&message).map_err(|_| damaged())?;
        let schema = message.header_as_schema().ok_or_else(damaged)?;
        let schema: SchemaRef = Arc::new(try_fb_to_schema(schema)?);
        let (version, mut blocks, mut dictionaries, mut ids) =
            (message.version(), Vec::new(), Vec::new(), HashSet::new());
        let mut at = end_of(&first)?;
        while let Some((block, message)) = next_message(input, at)? {
            let message = root_as_message(&message).map_err(|_| damaged())?;
            match message.header_as_dictionary_batch() {
                Some(batch) if !ids.insert(batch.id()) => {
                    return Err(ArrowError::ParseError(
                        "a dictionary is replaced in the middle of the stream".to_owned(),
                    ));
                }
                Some(_) => dictionaries.push(block),
                None => blocks.push(block),
            }
            at = end_of(&block)?;
        }
        Blocks::of_messages(schema, input, version, &dictionaries, blocks)
    }

    fn of_messages(
        schema: SchemaRef,
        input: &Input,
        version: MetadataVersion,
        dictionaries: &[Block],
        blocks: Vec<Block>,
    ) -> Result<Blocks, ArrowError> {
        let mut decoder = FileDecoder::new(schema.clone(), version);
        for block in dictionaries {
            decoder.read_dictionary(block, &checked_bytes(block, input)?)?;
        }
        let has_dictionaries = !dictionaries.is_empty();
        Ok(Blocks { schema, input: input.clone(), decoder, has_dictionaries, version, blocks })
    }

    /// Number of record batches.
    pub(super) fn len(&self) -> usize {
        self.blocks.len()
    }

    /// The claimed size of a record batch, without decompressing anything.
    pub(super) fn claim(&self, number: usize) -> Result<Claim, ArrowError> {
        claim(&self.blocks[number], &self.input)
    }

    /// Reads columns of a record batch by their indices; they are slices of the file unless they are compressed.
    pub(super) fn read(&self, number: usize, columns: Vec<usize>) -> Result<RecordBatch, ArrowError> {
        let block = &self.blocks[number];
        self.decode(number, columns, &checked_bytes(block, &self.input)?)
    }

    /// Reads columns of a record batch whose values are in these ranges of the file: nothing else of it is read.
    pub(super) fn read_parts(
        &self,
        number: usize,
        columns: Vec<usize>,
        parts: &[Range<u64>],
    ) -> Result<RecordBatch, ArrowError> {
        let block = &self.blocks[number];
        let range = range_of(block, &self.input)?;
        // Memory that is never touched elsewhere.
        let mut bytes = MutableBuffer::from_len_zeroed(range.len());
        for part in parts {
            let (start, end) = (part.start as usize, part.end as usize);
            let within = start.checked_sub(range.start).zip(end.checked_sub(range.start));
            let (first, last) = within.filter(|(_, end)| *end <= range.len()).ok_or_else(damaged)?;
            self.input.read(start, &mut bytes[first..last])?;
        }
        // Buffers of other columns claim nothing then.
        claim_of(block, &self.input, &|at, out| {
            let at = at - range.start;
            out.copy_from_slice(bytes.get(at..at + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })?;
        self.decode(number, columns, &bytes.into())
    }

    /// Where a record batch is in the file; none if it is outside.
    pub(super) fn range(&self, number: usize) -> Option<Range<usize>> {
        range_of(&self.blocks[number], &self.input).ok()
    }

    /// Reads a column without its values, which are zeros, and calls `find` with it. Returns the offset in the file of
    /// the memory that `find` returns; none if it is not there, because it is compressed or not aligned.
    pub(super) fn locate(
        &self,
        number: usize,
        column: usize,
        find: impl FnOnce(&RecordBatch) -> Option<Bytes>,
    ) -> Result<Option<usize>, ArrowError> {
        let block = &self.blocks[number];
        claim(block, &self.input)?;
        let range = range_of(block, &self.input)?;
        let bytes = match &self.input {
            Input::Mapped(bytes) => Buffer::from(bytes.slice(range.clone())),
            Input::File(..) | Input::Elsewhere(..) => {
                // Memory that is never touched: only the metadata says where values are.
                let mut bytes = MutableBuffer::from_len_zeroed(range.len());
                self.input.read(range.start, &mut bytes[..block.metaDataLength() as usize])?;
                bytes.into()
            }
        };
        let Some(found) = find(&self.decode(number, vec![column], &bytes)?) else { return Ok(None) };
        Ok(within(&found, &bytes).map(|place| range.start + place.start))
    }

    /// Reads a column of bytes without their content, which is zeros, and calls `find` with it and a function that tells
    /// where in the file memory of it is. None if it is compressed, or of a type whose content can't be left out.
    pub(super) fn locate_bytes<T>(
        &self,
        number: usize,
        column: usize,
        find: impl FnOnce(&ArrayRef, &dyn Fn(&[u8]) -> Option<u64>) -> Option<T>,
    ) -> Result<Option<T>, ArrowError> {
        let block = &self.blocks[number];
        if claim(block, &self.input)?.is_compressed {
            return Ok(None);
        }
        let range = range_of(block, &self.input)?;
        // Memory of which only offsets are ever touched.
        let decode = |parts: &[Range<usize>]| {
            let mut bytes = MutableBuffer::from_len_zeroed(range.len());
            for part in parts {
                self.input.read(range.start + part.start, &mut bytes[part.clone()])?;
            }
            let bytes = Buffer::from(bytes);
            Ok::<_, ArrowError>((self.decode(number, vec![column], &bytes)?, bytes))
        };
        // The metadata tells where the offsets are.
        let metadata = 0..block.metaDataLength() as usize;
        let (batch, bytes) = decode(slice::from_ref(&metadata))?;
        let Some(offsets) = offsets_of(batch.column(0), &bytes) else { return Ok(None) };
        drop((batch, bytes));
        let (batch, bytes) = decode(&[&[metadata], &offsets[..]].concat())?;
        let place = |value: &[u8]| Some((range.start + within(value, &bytes)?.start) as u64);
        Ok(find(batch.column(0), &place))
    }

    /// Where bytes are in the file; none if they were decompressed or copied.
    pub(super) fn offset_of(&self, bytes: &[u8]) -> Option<u64> {
        self.input.offset_of(bytes)
    }

    /// The columns of a record batch with these bytes.
    fn decode(&self, number: usize, columns: Vec<usize>, bytes: &Buffer) -> Result<RecordBatch, ArrowError> {
        let block = &self.blocks[number];
        let none = || ArrowError::ParseError("a message is not a record batch".to_owned());
        if self.has_dictionaries {
            // A decoder can't be cloned, and its projection can't be changed: it decodes all columns.
            return self.decoder.read_record_batch(block, bytes)?.ok_or_else(none)?.project(&columns);
        }
        let decoder = FileDecoder::new(self.schema.clone(), self.version).with_projection(columns);
        decoder.read_record_batch(block, bytes)?.ok_or_else(none)
    }
}

/// Where the offsets and validity of a column of bytes are in memory; none if they are not there, or it is of another type.
fn offsets_of(array: &ArrayRef, bytes: &[u8]) -> Option<Vec<Range<usize>>> {
    let mut parts = Vec::new();
    if let Some(nulls) = array.nulls() {
        parts.push(within(nulls.buffer(), bytes)?);
    }
    match array.data_type() {
        DataType::Binary => parts.push(within(array.as_binary::<i32>().offsets().inner().inner(), bytes)?),
        DataType::LargeBinary => parts.push(within(array.as_binary::<i64>().offsets().inner().inner(), bytes)?),
        DataType::Utf8 => parts.push(within(array.as_string::<i32>().offsets().inner().inner(), bytes)?),
        DataType::LargeUtf8 => parts.push(within(array.as_string::<i64>().offsets().inner().inner(), bytes)?),
        DataType::Struct(_) => {
            for field in array.as_struct().columns() {
                parts.extend(offsets_of(field, bytes)?);
            }
        }
        _ => return None,
    }
    Some(parts)
}

/// Where a part of memory is in it; none if it is elsewhere.
fn within(part: &[u8], bytes: &[u8]) -> Option<Range<usize>> {
    let at = part.as_ptr().addr().checked_sub(bytes.as_ptr().addr())?;
    let end = at.checked_add(part.len()).filter(|end| *end <= bytes.len())?;
    Some(at..end)
}

/// The message of a stream that begins at offset `at`, and its metadata; none at the end of the stream.
fn next_message(input: &Input, at: usize) -> Result<Option<(Block, Bytes)>, ArrowError> {
    if at >= input.len() {
        return Ok(None);
    }
    let within = |end: usize| Some(end).filter(|end| *end <= input.len()).ok_or_else(damaged);
    let prefix = input.slice(at..within(at + 8)?)?;
    let prefix = prefix.first_chunk::<8>().filter(|prefix| prefix.starts_with(MARK)).ok_or_else(damaged)?;
    let length = u32::from_le_bytes(prefix[4..].try_into().expect("it has four bytes")) as usize;
    if length == 0 {
        return Ok(None);
    }
    let message = input.slice(at + 8..within(at + 8 + length)?)?;
    let body = root_as_message(&message).map_err(|_| damaged())?.bodyLength();
    let block = Block::new(at as i64, i32::try_from(8 + length).map_err(|_| damaged())?, body);
    match end_of(&block)? <= input.len() {
        true => Ok(Some((block, message))),
        false => Err(ArrowError::ParseError("the stream is truncated".to_owned())),
    }
}

/// Offset of the end of a message.
fn end_of(block: &Block) -> Result<usize, ArrowError> {
    let parts = [block.offset(), i64::from(block.metaDataLength()), block.bodyLength()];
    let sum = |end: usize, part: i64| end.checked_add(usize::try_from(part).ok()?);
    parts.into_iter().try_fold(0, sum).ok_or_else(damaged)
}

/// Where the bytes of a message and its body are in the file.
fn range_of(block: &Block, input: &Input) -> Result<Range<usize>, ArrowError> {
    let outside = || ArrowError::ParseError("a record batch is outside the file".to_owned());
    let start = usize::try_from(block.offset()).map_err(|_| outside())?;
    let end = end_of(block).ok().filter(|&end| end <= input.len()).ok_or_else(outside)?;
    Ok(start..end)
}

/// The bytes of a message and its body, checked for a decoder that trusts the lengths they claim.
fn checked_bytes(block: &Block, input: &Input) -> Result<Buffer, ArrowError> {
    claim(block, input)?;
    Ok(Buffer::from(input.slice(range_of(block, input)?)?))
}

/// The claimed size of a record batch or dictionary. A compressed buffer begins with its uncompressed length, for
/// which the decoder allocates memory: a damaged buffer must not claim more than any compression could achieve.
fn claim(block: &Block, input: &Input) -> Result<Claim, ArrowError> {
    claim_of(block, input, &|at, out| input.read(at, out))
}

/// As [`claim`], with a function that reads the beginnings of buffers.
fn claim_of(
    block: &Block,
    input: &Input,
    read: &dyn Fn(usize, &mut [u8]) -> io::Result<()>,
) -> Result<Claim, ArrowError> {
    /// Highest compression ratio: zstd can store a block of 128 KiB in 4 bytes.
    const MOST_RATIO: usize = 1 << 15;
    let range = range_of(block, input)?;
    let metadata = usize::try_from(block.metaDataLength()).map_err(|_| damaged())?;
    let body = range.start + metadata..range.end;
    let message = input.slice(range.start..body.start)?;
    let prefix = if message.starts_with(MARK) { 8 } else { 4 };
    let message = root_as_message(message.get(prefix..).ok_or_else(damaged)?).map_err(|_| damaged())?;
    let dictionary = || message.header_as_dictionary_batch()?.data();
    let batch = message.header_as_record_batch().or_else(dictionary).ok_or_else(damaged)?;
    let (is_compressed, mut bytes) = (batch.compression().is_some(), 0_usize);
    for buffer in batch.buffers().iter().flatten() {
        let (start, length) = (usize::try_from(buffer.offset()), usize::try_from(buffer.length()));
        let (start, length) = start.ok().zip(length.ok()).ok_or_else(damaged)?;
        start.checked_add(length).filter(|end| *end <= body.len()).ok_or_else(damaged)?;
        let mut claimed = [0; 8];
        if is_compressed && length >= claimed.len() {
            read(body.start + start, &mut claimed)?;
        }
        // -1 marks a buffer that is not compressed.
        let claimed = match usize::try_from(i64::from_le_bytes(claimed)) {
            Ok(claimed) if is_compressed => claimed,
            _ => length,
        };
        if claimed / MOST_RATIO > length {
            return Err(damaged());
        }
        bytes = bytes.saturating_add(claimed);
    }
    Ok(Claim { rows: usize::try_from(batch.length()).map_err(|_| damaged())?, bytes, is_compressed })
}

fn damaged() -> ArrowError {
    ArrowError::ParseError("the metadata of a record batch is damaged".to_owned())
}
