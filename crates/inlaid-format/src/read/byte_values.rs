//! The values of a column of bytes, one after another: encoded images in the tables of other tools. A value that a file
//! holds as it is has an offset in that file; others are decompressed, a page or a record batch at a time.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, downcast_integer_array};
use arrow_buffer::ArrowNativeType;
use arrow_schema::{DataType, Schema};
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::basic::{Compression, Repetition};
use parquet::column::reader::{ColumnReader, get_column_reader};
use parquet::data_type::ByteArray;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor, Type};

use super::blocks::Blocks;
use super::input::Input;
use super::source_file::SourceFileError;
use crate::format::catch_panic::contain;

/// Rows that are read at a time. Their values keep their pages in memory.
const ROWS: usize = 16;

/// A column of bytes, or of lists of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BytesColumn {
    /// Index among the columns of the schema.
    pub index: usize,
    /// What an item is.
    pub item: Item,
    /// Whether a row is a list of items.
    pub is_list: bool,
}

/// An item of a column of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// Bytes.
    Bytes,
    /// A struct of `bytes`, the content of a file, and `path`, its name, as Hugging Face `datasets` stores files.
    File,
}

/// The part of an item that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// The bytes, or the field `bytes`.
    Content,
    /// The field `path`.
    Name,
}

/// An item as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Bytes.
    Bytes {
        /// The bytes.
        bytes: &'a [u8],
        /// Where they are in the file; none if the file holds them compressed or encoded.
        offset: Option<u64>,
        /// Whether the file may hold them once for several items.
        is_shared: bool,
    },
    /// A null.
    Null,
    /// A row without items: a list that is null or empty.
    NoItem,
}

/// What is called with the row of every value in its part of the file, and the value.
pub type Visit<'a, E> = &'a mut dyn FnMut(usize, Value<'_>) -> Result<ControlFlow<()>, E>;

impl BytesColumn {
    /// The column at this index; none if it holds no bytes.
    pub fn of(schema: &Schema, index: usize) -> Option<BytesColumn> {
        let kind = schema.field(index).data_type();
        let (item, is_list) = match kind {
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                (item.data_type(), true)
            }
            kind => (kind, false),
        };
        Some(BytesColumn { index, item: Item::of(item)?, is_list })
    }
}

impl Item {
    fn of(kind: &DataType) -> Option<Item> {
        match kind {
            DataType::Struct(fields) => {
                let (_, bytes) = fields.find("bytes")?;
                let (_, path) = fields.find("path")?;
                (is_bytes(bytes.data_type()) && is_text(path.data_type())).then_some(Item::File)
            }
            kind => is_bytes(kind).then_some(Item::Bytes),
        }
    }
}

fn is_bytes(kind: &DataType) -> bool {
    match kind {
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => true,
        DataType::Dictionary(_, values) => is_bytes(values),
        _ => false,
    }
}

fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// A column of a Parquet file.
pub(super) struct ParquetColumn<'a> {
    /// Maps the file. Values that are stored as they are need not be read then; and a map for each row group bounds how
    /// much of the file is in memory.
    pub(super) map: &'a dyn Fn() -> Result<Input, SourceFileError>,
    pub(super) metadata: &'a ArrowReaderMetadata,
    pub(super) column: BytesColumn,
    pub(super) piece: Piece,
}

impl ParquetColumn<'_> {
    /// Number of nulls as the statistics tell it; none if they don't.
    pub(super) fn nulls(&self) -> Result<Option<u64>, SourceFileError> {
        let leaf = self.leaf()?;
        let groups = self.metadata.metadata().row_groups().iter();
        let mut nulls = groups.map(|group| group.column(leaf).statistics()?.null_count_opt());
        Ok(nulls.try_fold(0, |sum: u64, nulls| sum.checked_add(nulls?)))
    }

    /// Uncompressed size of the column chunks that are compressed or dictionary-encoded, page headers included.
    pub(super) fn packed_bytes(&self) -> Result<u64, SourceFileError> {
        let leaf = self.leaf()?;
        let chunks = self.metadata.metadata().row_groups().iter().map(|group| group.column(leaf));
        let is_packed = |chunk: &&ColumnChunkMetaData| {
            chunk.compression() != Compression::UNCOMPRESSED || chunk.dictionary_page_offset().is_some()
        };
        Ok(chunks.filter(is_packed).map(|chunk| chunk.uncompressed_size().max(0) as u64).sum())
    }

    /// Visits all values of a row group until told to stop. Rows are counted from that of the row group.
    pub(super) fn visit<E: From<SourceFileError>>(
        &self,
        group: usize,
        visit: Visit<'_, E>,
    ) -> Result<ControlFlow<()>, E> {
        let leaf = self.leaf()?;
        let group = self.metadata.metadata().row_group(group);
        let rows = usize::try_from(group.num_rows()).map_err(|_| damaged("a row group has a negative length"))?;
        self.visit_chunk(group.column(leaf), leaf, rows, visit)
    }

    fn visit_chunk<E: From<SourceFileError>>(
        &self,
        chunk: &ColumnChunkMetaData,
        leaf: usize,
        rows: usize,
        visit: Visit<'_, E>,
    ) -> Result<ControlFlow<()>, E> {
        let text = |error: parquet::errors::ParquetError| SourceFileError::Damaged(error.to_string());
        let schema = self.metadata.parquet_schema();
        let levels = Levels::of(schema, leaf);
        let input = (self.map)()?;
        let is_shared = chunk.dictionary_page_offset().is_some();
        let open = || {
            let pages = SerializedPageReader::new(Arc::new(input.clone()), chunk, rows, None)?;
            Ok(get_column_reader(schema.column(leaf), Box::new(pages)))
        };
        let reader = contain(open).map_err(SourceFileError::Damaged)?.map_err(text)?;
        let ColumnReader::ByteArrayColumnReader(mut reader) = reader else {
            return Err(damaged("a column of bytes has another type").into());
        };
        let (mut values, mut definition, mut repetition) = (Vec::new(), Vec::new(), Vec::new());
        let mut row = 0;
        while row < rows {
            values.clear();
            definition.clear();
            repetition.clear();
            let asked = ROWS.min(rows - row);
            let read =
                || reader.read_records(asked, Some(&mut definition), Some(&mut repetition), &mut values).map_err(text);
            let (records, _, levels_read) = contain(read).map_err(SourceFileError::Damaged)??;
            if records == 0 {
                return Err(damaged("a column has fewer rows than its row group").into());
            }
            let mut bytes = values.iter();
            let mut at = row;
            for place in 0..levels_read {
                if place > 0 && repetition.get(place).is_none_or(|level| *level == 0) {
                    at += 1;
                }
                let value = match definition.get(place).map_or(Found::Value, |level| levels.found(*level)) {
                    Found::Value => {
                        let value = bytes.next().ok_or_else(|| damaged("a column has fewer values than levels"))?;
                        located(value, &input, is_shared)
                    }
                    Found::Null => Value::Null,
                    Found::NoItem => Value::NoItem,
                };
                if visit(at, value)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            row += records;
            if at + 1 != row {
                return Err(damaged("a column has other rows than its row group").into());
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The leaf that holds the part.
    pub(super) fn leaf(&self) -> Result<usize, SourceFileError> {
        let schema = self.metadata.parquet_schema();
        let is_piece = |column: &ColumnDescriptor| match (self.column.item, self.piece) {
            (Item::Bytes, _) => true,
            (Item::File, Piece::Content) => column.path().parts().last().is_some_and(|name| name == "bytes"),
            (Item::File, Piece::Name) => column.path().parts().last().is_some_and(|name| name == "path"),
        };
        let deepest = i16::from(self.column.is_list);
        let leaves = schema.columns().iter().enumerate().filter(|(leaf, column)| {
            schema.get_column_root_idx(*leaf) == self.column.index
                && is_piece(column)
                && column.max_rep_level() == deepest
        });
        leaves.map(|(leaf, _)| leaf).next().ok_or_else(|| damaged("a column of bytes has another type"))
    }
}

fn located<'a>(value: &'a ByteArray, input: &Input, is_shared: bool) -> Value<'a> {
    let bytes = value.data();
    Value::Bytes { bytes, offset: input.offset_of(bytes), is_shared }
}

/// What the definition levels of a column mean.
struct Levels {
    /// Level of an item that has a value.
    value: i16,
    /// Least level of an item of a list.
    item: i16,
}

enum Found {
    Value,
    Null,
    NoItem,
}

impl Levels {
    fn of(schema: &SchemaDescriptor, leaf: usize) -> Levels {
        let column = schema.column(leaf);
        let (mut level, mut item, mut here) = (0, 0, schema.root_schema());
        for name in column.path().parts() {
            let Some(next) = fields(here).iter().find(|field| field.name() == name) else { break };
            here = next;
            if here.get_basic_info().has_repetition() {
                match here.get_basic_info().repetition() {
                    Repetition::REQUIRED => {}
                    Repetition::OPTIONAL => level += 1,
                    Repetition::REPEATED => {
                        level += 1;
                        item = level;
                    }
                }
            }
        }
        Levels { value: column.max_def_level(), item }
    }

    fn found(&self, level: i16) -> Found {
        match level {
            level if level == self.value => Found::Value,
            level if level >= self.item => Found::Null,
            _ => Found::NoItem,
        }
    }
}

fn fields(group: &Type) -> &[parquet::schema::types::TypePtr] {
    if group.is_group() { group.get_fields() } else { &[] }
}

/// Visits all values of a column of a record batch until told to stop.
pub(super) fn visit_arrow<E: From<SourceFileError>>(
    blocks: &Blocks,
    number: usize,
    column: BytesColumn,
    piece: Piece,
    visit: Visit<'_, E>,
) -> Result<ControlFlow<()>, E> {
    let read = || blocks.read(number, vec![column.index]).map_err(|error| error.to_string());
    let batch = contain(read).flatten().map_err(SourceFileError::Damaged)?;
    let array = batch.columns().first().ok_or_else(|| damaged("a record batch lacks a column"))?;
    for row in 0..array.len() {
        let flow = match column.is_list {
            false => visit(row, value_of(blocks, array, row, piece))?,
            true => match items_of(array, row).filter(|items| !items.is_empty()) {
                None => visit(row, Value::NoItem)?,
                Some(items) => {
                    let mut values = (0..items.len()).map(|item| value_of(blocks, &items, item, piece));
                    let stop = values.try_fold((), |(), value| match visit(row, value) {
                        Ok(ControlFlow::Continue(())) => ControlFlow::Continue(()),
                        other => ControlFlow::Break(other),
                    });
                    stop.break_value().unwrap_or(Ok(ControlFlow::Continue(())))?
                }
            },
        };
        if flow.is_break() {
            return Ok(flow);
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn value_of<'a>(blocks: &Blocks, items: &'a dyn Array, at: usize, piece: Piece) -> Value<'a> {
    match bytes_of(items, at, piece) {
        Some((bytes, is_shared)) => Value::Bytes { bytes, offset: blocks.offset_of(bytes), is_shared },
        None => Value::Null,
    }
}

/// The items of a row; none if it is null.
fn items_of(array: &ArrayRef, row: usize) -> Option<ArrayRef> {
    if array.is_null(row) {
        return None;
    }
    match array.data_type() {
        DataType::List(_) => Some(array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => Some(array.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => Some(array.as_fixed_size_list().value(row)),
        _ => None,
    }
}

/// The bytes of an item, and whether other items may share them; none if it is null.
pub(super) fn bytes_of(array: &dyn Array, row: usize, piece: Piece) -> Option<(&[u8], bool)> {
    if array.is_null(row) {
        return None;
    }
    let own = |bytes| Some((bytes, false));
    match array.data_type() {
        DataType::Binary => own(array.as_binary::<i32>().value(row)),
        DataType::LargeBinary => own(array.as_binary::<i64>().value(row)),
        DataType::Utf8 => own(array.as_string::<i32>().value(row).as_bytes()),
        DataType::LargeUtf8 => own(array.as_string::<i64>().value(row).as_bytes()),
        // Views of several items may be of the same bytes.
        DataType::BinaryView => Some((array.as_binary_view().value(row), true)),
        DataType::Utf8View => Some((array.as_string_view().value(row).as_bytes(), true)),
        DataType::Dictionary(..) => {
            let array = array.as_any_dictionary();
            let keys = array.keys();
            let key = downcast_integer_array!(keys => keys.value(row).to_usize(), _ => None)?;
            if key >= array.values().len() {
                return None;
            }
            bytes_of(array.values(), key, piece).map(|(bytes, _)| (bytes, true))
        }
        DataType::Struct(_) => {
            let field = if piece == Piece::Content { "bytes" } else { "path" };
            bytes_of(array.as_struct().column_by_name(field)?, row, piece)
        }
        _ => None,
    }
}

fn damaged(reason: &str) -> SourceFileError {
    SourceFileError::Damaged(reason.to_owned())
}
