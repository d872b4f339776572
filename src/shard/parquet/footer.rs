//! The end of a Parquet shard, read back: where its row groups are, and their checksums.

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader,
    RowGroupMetaData,
};

use crate::error::Error;
use crate::page::PageLayout;
use crate::shard::row::{ROWS_AT_A_TIME, StoredRow};
use crate::shard::{CHECKSUMS, Checksum};

/// The end of a shard: what is where in it.
pub(crate) struct ParquetFooter {
    pub(super) file: File,
    pub(super) metadata: Arc<ParquetMetaData>,
    /// Of every row group.
    pub(in crate::shard) checksums: Vec<Checksum>,
}

impl ParquetFooter {
    pub(in crate::shard) fn read(path: &Path) -> Result<ParquetFooter, Error> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let damaged = |reason: String| Error::damaged(path, reason);
        // Whole, so that a row group's part of the footer can go on into another file.
        let options = ParquetMetaDataOptions::new().with_encoding_stats_as_mask(false);
        let reader = ParquetMetaDataReader::new().with_metadata_options(Some(options));
        let reader = reader.with_page_index_policy(PageIndexPolicy::Optional);
        let metadata = reader.parse_and_finish(&file).map_err(|error| damaged(error.to_string()))?;
        let mut columns = metadata.row_groups().iter().flat_map(RowGroupMetaData::columns);
        if !columns.all(lies_in_a_file) {
            return Err(damaged("its footer has a column at no place in a file".to_owned()));
        }
        let key_values = metadata.file_metadata().key_value_metadata();
        let text = key_values.and_then(|all| all.iter().find(|entry| entry.key == CHECKSUMS)?.value.as_deref());
        let text = text.ok_or_else(|| damaged(format!("its footer has no `{CHECKSUMS}`")))?;
        let checksums: Vec<Checksum> = serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
        if checksums.len() != metadata.num_row_groups() {
            let (row_groups, checksums) = (metadata.num_row_groups(), checksums.len());
            return Err(damaged(format!("its footer has {row_groups} row groups and {checksums} checksums")));
        }
        Ok(ParquetFooter { file, metadata: Arc::new(metadata), checksums })
    }

    /// Where every row group lies in the file.
    pub(in crate::shard) fn row_group_ranges(&self) -> Vec<Range<u64>> {
        let range = |row_group: &RowGroupMetaData| {
            let ranges = row_group.columns().iter().map(|column| column.byte_range());
            let ends = ranges.clone().map(|(start, length)| start + length);
            ranges.map(|(start, _)| start).min().unwrap_or(0)..ends.max().unwrap_or(0)
        };
        self.metadata.row_groups().iter().map(range).collect()
    }

    /// Says what is wrong with the pages of the tensor column in the `bytes` of a row group.
    pub(in crate::shard) fn check_pages(
        &self,
        row_group: usize,
        bytes: &[u8],
        pages: PageLayout,
    ) -> Result<(), String> {
        let metadata = self.metadata.row_group(row_group);
        let page_index = self.metadata.page_index_for_row_group(row_group);
        let locations = page_index.offset_index(0).map_or(&[][..], |index| &index.page_locations);
        let begin = metadata.columns().iter().map(|column| column.byte_range().0).min().unwrap_or(0);
        let (start, length) = metadata.column(0).byte_range();
        let column = bytes.get((start - begin) as usize..(start - begin + length) as usize);
        let column = column.ok_or("the tensor column lies outside of its row group")?;
        let mut end = 0;
        if let Some(dictionary) = pages.dictionary() {
            end = dictionary.len();
            if column.get(..end) != Some(&[&dictionary.header, dictionary.body()].concat()) {
                return Err("the dictionary of the tensor column is not 0..=255".to_owned());
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
            false => Err("the offset index does not name all pages of the tensor column".to_owned()),
        }
    }

    /// Calls `visit` with what the append of a dataset must know of every row, in order.
    pub(in crate::shard) fn visit_rows(&self, visit: &mut dyn FnMut(StoredRow<'_>)) -> Result<(), ParquetError> {
        let metadata = ArrowReaderMetadata::try_new(self.metadata.clone(), ArrowReaderOptions::new())?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.try_clone()?, metadata);
        let columns = ProjectionMask::columns(builder.parquet_schema(), StoredRow::COLUMNS);
        for batch in builder.with_projection(columns).with_batch_size(ROWS_AT_A_TIME).build()? {
            StoredRow::visit(&batch?, visit)?;
        }
        Ok(())
    }
}

/// Whether the crate can say where a column chunk lies: it panics at negative numbers.
fn lies_in_a_file(column: &ColumnChunkMetaData) -> bool {
    let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
    start >= 0 && column.compressed_size() >= 0
}
