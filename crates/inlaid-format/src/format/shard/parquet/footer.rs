//! The footer of a Parquet shard, read back: the places of its row groups, and their checksums.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};
use bytes::buf::Reader;
use bytes::{Buf, Bytes};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader,
    RowGroupMetaData,
};
use parquet::file::reader::{ChunkReader, Length};

use crate::format::keys::ROW_GROUPS;
use crate::format::page::PageLayout;
use crate::format::ranges::Stored;
use crate::format::shard::checksum::RowGroupChecksums;
use crate::format::shard::row_group::StoredRowGroup;
use crate::format::shard::stored_row::ROWS_AT_A_TIME;
use crate::format::tensor_column::leading_tensors;

/// The footer of a Parquet shard.
pub(in crate::format::shard) struct ParquetFooter {
    metadata: ArrowReaderMetadata,
}

impl ParquetFooter {
    /// Reads the footer and the row groups that it lists.
    ///
    /// # Errors
    /// A description of the damage.
    pub(in crate::format::shard) fn read(stored: &Stored) -> Result<(ParquetFooter, Vec<StoredRowGroup>), String> {
        // Complete, so that a row group's part of the footer can be copied to another file.
        let options = ParquetMetaDataOptions::new().with_encoding_stats_as_mask(false);
        let reader = ParquetMetaDataReader::new().with_metadata_options(Some(options));
        let reader = reader.with_page_index_policy(PageIndexPolicy::Optional);
        let metadata = reader.parse_and_finish(stored).map_err(|error| error.to_string())?;
        let mut columns = metadata.row_groups().iter().flat_map(RowGroupMetaData::columns);
        if !columns.all(lies_in_a_file) {
            return Err("its footer has a column chunk with a negative offset or length".to_owned());
        }
        let key_values = metadata.file_metadata().key_value_metadata();
        let text = key_values.and_then(|all| all.iter().find(|entry| entry.key == ROW_GROUPS)?.value.as_deref());
        let text = text.ok_or_else(|| format!("its footer has no `{ROW_GROUPS}`"))?;
        let checksums: Vec<RowGroupChecksums> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if checksums.len() != metadata.num_row_groups() {
            let (row_groups, checksums) = (metadata.num_row_groups(), checksums.len());
            return Err(format!("its footer has {row_groups} row groups and {checksums} checksums"));
        }
        let metadata = ArrowReaderMetadata::try_new(Arc::new(metadata), ArrowReaderOptions::new());
        let metadata = metadata.map_err(|error| error.to_string())?;
        let images: Vec<usize> = (0..leading_tensors(metadata.schema()).max(1)).collect();
        let row_groups = metadata.metadata().row_groups().iter().zip(checksums);
        let row_groups = row_groups.map(|(row_group, checksums)| StoredRowGroup {
            rows: usize::try_from(row_group.num_rows()).unwrap_or(0),
            range: range_of(row_group.columns()),
            without_tensors: without(row_group, &images),
            checksums,
        });
        let row_groups = row_groups.collect();
        Ok((ParquetFooter { metadata }, row_groups))
    }

    pub(in crate::format::shard) fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    /// The metadata of the whole file.
    pub(super) fn metadata(&self) -> &ParquetMetaData {
        self.metadata.metadata()
    }

    /// Checks the pages of the tensor column with the index `leaf` among leaf columns, in the `bytes` of a row group.
    ///
    /// # Errors
    /// A description of the first problem.
    pub(in crate::format::shard) fn check_pages(
        &self,
        row_group: usize,
        bytes: &[u8],
        leaf: usize,
        pages: PageLayout,
    ) -> Result<(), String> {
        let metadata = self.metadata().row_group(row_group);
        let page_index = self.metadata().page_index_for_row_group(row_group);
        let locations = page_index.offset_index(leaf).map_or(&[][..], |index| &index.page_locations);
        let begin = range_of(metadata.columns()).start;
        let (start, length) = metadata.column(leaf).byte_range();
        let column = bytes.get((start - begin) as usize..(start - begin + length) as usize);
        let column = column.ok_or("the tensor column is outside its row group")?;
        let mut end = 0;
        if let Some(dictionary) = pages.dictionary() {
            end = dictionary.len();
            if column.get(..end) != Some(&[&dictionary.header, dictionary.body()].concat()) {
                let last = dictionary.values - 1;
                return Err(format!("the dictionary of the tensor column is not 0..={last}"));
            }
        }
        let ends = locations.iter().skip(1).map(|page| page.first_row_index).chain([metadata.num_rows()]);
        for (number, (page, end_row)) in locations.iter().zip(ends).enumerate() {
            let at = (page.offset as u64).checked_sub(start).filter(|&at| at == end as u64);
            end += usize::try_from(page.compressed_page_size).unwrap_or(0);
            let page_bytes = at.and_then(|at| column.get(at as usize..end));
            let page_bytes = page_bytes.ok_or_else(|| format!("page {number} is not where the offset index says"))?;
            pages
                .check(page_bytes, end_row.wrapping_sub(page.first_row_index) as usize)
                .map_err(|why| format!("page {number}: {why}"))?;
        }
        match end == column.len() {
            true => Ok(()),
            false => Err("the offset index does not list all pages of the tensor column".to_owned()),
        }
    }

    /// Calls `visit` with columns of a row group, by their indices in the schema, one batch at a time. `bytes` begins
    /// at offset `start` of the file and holds at least these columns.
    pub(in crate::format::shard) fn read_columns(
        &self,
        number: usize,
        start: u64,
        bytes: Vec<u8>,
        columns: Vec<usize>,
        visit: &mut dyn FnMut(RecordBatch) -> Result<(), ArrowError>,
    ) -> Result<(), ParquetError> {
        let part = FilePart { start, bytes: bytes.into() };
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(part, self.metadata.clone());
        let columns = ProjectionMask::roots(builder.parquet_schema(), columns);
        let builder = builder.with_projection(columns).with_row_groups(vec![number]);
        for batch in builder.with_batch_size(ROWS_AT_A_TIME).build()? {
            visit(batch?)?;
        }
        Ok(())
    }
}

/// Part of a file, addressed by offsets in the file.
struct FilePart {
    start: u64,
    bytes: Bytes,
}

impl Length for FilePart {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for FilePart {
    type T = Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        self.get_bytes(start, (self.len().saturating_sub(start)) as usize).map(Buf::reader)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let at = start.checked_sub(self.start).map(|at| at as usize);
        let range = at.and_then(|at| Some(at..at.checked_add(length)?)).filter(|range| range.end <= self.bytes.len());
        let range = range.ok_or_else(|| ParquetError::EOF("a column is outside its row group".to_owned()))?;
        Ok(self.bytes.slice(range))
    }
}

/// Byte ranges in the file of all leaf columns except `leaves`. Adjacent columns share a range.
pub(super) fn without(row_group: &RowGroupMetaData, leaves: &[usize]) -> Vec<Range<u64>> {
    let columns = row_group.columns();
    let (mut parts, mut begin) = (Vec::new(), 0);
    for end in leaves.iter().copied().chain([columns.len()]) {
        if begin < end {
            parts.push(range_of(&columns[begin..end]));
        }
        begin = end + 1;
    }
    parts
}

/// Byte range of these columns in the file.
fn range_of(columns: &[ColumnChunkMetaData]) -> Range<u64> {
    let ranges = columns.iter().map(ColumnChunkMetaData::byte_range);
    let ends = ranges.clone().map(|(start, length)| start + length);
    ranges.map(|(start, _)| start).min().unwrap_or(0)..ends.max().unwrap_or(0)
}

/// Whether a column chunk has an offset and length that are not negative. The parquet crate panics on negative
/// numbers.
pub fn lies_in_a_file(column: &ColumnChunkMetaData) -> bool {
    let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
    start >= 0 && column.compressed_size() >= 0
}
