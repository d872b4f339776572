//! The pages of a column chunk, by whatever writer: some of its rows are decoded without those before them.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::ArrayRef;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReader, RowGroups, RowSelection, RowSelector,
};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::SerializedPageReader;

use super::input::Input;
use crate::format::page::PageSpan;

/// Number of elements decoded at a time, though always at least one row. Decoding takes about ten bytes for each element,
/// and they should still be in the cache when they are copied.
const ELEMENTS_AT_A_TIME: usize = 1 << 18;

/// Length in bytes up to which a page may decompress to anything. A longer one may be `MOST_RATIO` times as long as in
/// the file, which no photo comes near: so a small file can't ask for much memory.
pub(super) const MOST_PAGE: usize = 64 << 20;
const MOST_RATIO: usize = 1000;

/// The encoding of values that follow each other, as numbered in `parquet.thrift`.
const PLAIN: i32 = 0;

/// A column chunk: where its pages are, and which values they hold.
pub(super) struct Chunk {
    /// For every data page: the number of its first value in the chunk, and the offset of its header in the file.
    pub(super) pages: Vec<(usize, usize)>,
    /// Number of values as Parquet counts them: a list that is null or empty has one.
    pub(super) values: usize,
    /// Whether the values of all data pages are stored one after the other.
    pub(super) is_plain: bool,
    end: usize,
}

/// The rows to decode of a column chunk.
pub(super) struct Decoding<'a> {
    pub(super) input: &'a Input,
    pub(super) metadata: &'a ArrowReaderMetadata,
    pub(super) row_group: usize,
    /// Indices of the column among the roots and the leaves of the schema.
    pub(super) root: usize,
    pub(super) leaf: usize,
    /// Number of values of every row.
    pub(super) row_values: usize,
    /// Number of elements of every row.
    pub(super) elements: usize,
    pub(super) rows: Range<usize>,
}

impl Chunk {
    /// Finds the pages by their headers.
    pub(super) fn find(input: &Input, chunk: &ColumnChunkMetaData) -> Result<Chunk, String> {
        let (start, length) = chunk.byte_range();
        let outside = || "a column chunk is outside the file".to_owned();
        let end = start.checked_add(length).filter(|end| *end <= input.len() as u64).ok_or_else(outside)?;
        let (mut at, end) = (start as usize, end as usize);
        let (mut pages, mut values, mut is_plain) = (Vec::new(), 0_usize, true);
        while at < end {
            let (page, header) = check_page(input, at..end)?;
            if page.is_data {
                pages.push((values, at));
                is_plain &= page.encoding == PLAIN;
                values = values.checked_add(page.values).ok_or_else(outside)?;
            }
            let next = (at + header).checked_add(page.stored_len);
            at = next.filter(|next| *next <= end).ok_or_else(outside)?;
        }
        Ok(Chunk { pages, values, is_plain, end })
    }

    /// Decodes rows, which must be in pages that were found, and calls `visit` for arrays of consecutive ones.
    pub(super) fn decode(
        &self,
        decoding: &Decoding<'_>,
        mut visit: impl FnMut(&ArrayRef) -> Result<(), String>,
    ) -> Result<(), String> {
        let text = |error: ParquetError| error.to_string();
        let Decoding { metadata, rows, row_values, .. } = decoding;
        let schema = metadata.parquet_schema();
        let mask = ProjectionMask::roots(schema, [decoding.root]);
        let levels = parquet_to_arrow_field_levels(schema, mask, Some(metadata.schema().fields())).map_err(text)?;
        let first = self.page_of(rows.start * row_values);
        // Values before the first row that begins in a page are the rest of a row, which Parquet skips as one.
        let skipped = rows.start - self.pages[first].0 / row_values;
        let selection = RowSelection::from(vec![RowSelector::skip(skipped), RowSelector::select(rows.len())]);
        let batch_size = (ELEMENTS_AT_A_TIME / decoding.elements.max(1)).clamp(1, rows.len().max(1));
        let pages = Pages { decoding, chunk: self, first, rows: skipped + rows.len() };
        let reader = ParquetRecordBatchReader::try_new_with_row_groups(&levels, &pages, batch_size, Some(selection));
        for batch in reader.map_err(text)? {
            visit(batch.map_err(|error| error.to_string())?.column(0))?;
        }
        Ok(())
    }

    /// The dictionary, decompressed; none if there is none.
    pub(super) fn dictionary(&self, input: &Input, whole: &ColumnChunkMetaData) -> ParquetResult<Option<Page>> {
        // What is before the first data page can only be a dictionary.
        if self.pages.first().is_none_or(|(_, at)| *at as u64 <= whole.byte_range().0) {
            return Ok(None);
        }
        let mut pages = SerializedPageReader::new(Arc::new(input.clone()), whole, self.values, None)?;
        Ok(pages.get_next_page()?.filter(Page::is_dictionary_page))
    }

    /// A dictionary and these pages, as the parquet crate reads them. Their values are of some of `rows` rows.
    pub(super) fn read(
        &self,
        input: &Input,
        whole: &ColumnChunkMetaData,
        dictionary: Option<Page>,
        pages: Range<usize>,
        rows: usize,
    ) -> ParquetResult<Box<dyn PageReader>> {
        let start = self.pages[pages.start].1;
        let end = self.pages.get(pages.end).map_or(self.end, |(_, at)| *at);
        let part = whole
            .clone()
            .into_builder()
            .set_dictionary_page_offset(None)
            .set_data_page_offset(start as i64)
            .set_total_compressed_size((end - start) as i64)
            .build()?;
        let pages = SerializedPageReader::new(Arc::new(input.clone()), &part, rows, None)?;
        Ok(Box::new(PagesFrom { dictionary, pages }))
    }

    /// The number of the page that holds a value.
    pub(super) fn page_of(&self, value: usize) -> usize {
        self.pages.partition_point(|(first, _)| *first <= value).saturating_sub(1)
    }
}

/// The header of the page at the start of a range, and its length, if it takes no more memory than its length allows.
pub(super) fn check_page(input: &Input, range: Range<usize>) -> Result<(PageSpan, usize), String> {
    let (page, bytes) = header(input, range)?;
    let (stored, length) = (page.stored_len, page.uncompressed_len);
    match length > MOST_PAGE && length / MOST_RATIO > stored {
        true => Err(format!("a page of {stored} bytes decompresses to {length}, more than {MOST_RATIO} times as many")),
        false => Ok((page, bytes)),
    }
}

/// The header of the page at the start of a range, and its length.
fn header(input: &Input, range: Range<usize>) -> Result<(PageSpan, usize), String> {
    /// Enough for most headers; statistics may make them longer.
    const USUAL: usize = 256;
    // What follows may be a part of the file that is fetched on its own, and that nobody needs.
    let mut length = USUAL.min(input.part_end(range.start) - range.start);
    loop {
        let end = range.end.min(range.start.saturating_add(length));
        let bytes = input.slice(range.start..end).map_err(|error| error.to_string())?;
        match PageSpan::parse(&bytes) {
            Some(header) => return Ok(header),
            None if end == range.end => return Err("the header of a page is damaged".to_owned()),
            None => length = length.saturating_mul(16).max(USUAL),
        }
    }
}

/// The pages from one on, as the parquet crate asks for them.
struct Pages<'a> {
    decoding: &'a Decoding<'a>,
    chunk: &'a Chunk,
    first: usize,
    rows: usize,
}

impl RowGroups for Pages<'_> {
    fn num_rows(&self) -> usize {
        self.rows
    }

    fn column_chunks(&self, leaf: usize) -> ParquetResult<Box<dyn PageIterator>> {
        let Decoding { input, metadata, row_group, rows, row_values, .. } = self.decoding;
        if leaf != self.decoding.leaf {
            return Err(ParquetError::General("tensors have one column of values".to_owned()));
        }
        let whole = metadata.metadata().row_group(*row_group).column(leaf);
        let last = self.chunk.page_of((rows.end * row_values).saturating_sub(1));
        let dictionary = self.chunk.dictionary(input, whole)?;
        let pages = self.chunk.read(input, whole, dictionary, self.first..last + 1, self.rows)?;
        Ok(Box::new(OneChunk(Some(pages))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.decoding.metadata.metadata().row_group(self.decoding.row_group)))
    }

    fn metadata(&self) -> &ParquetMetaData {
        self.decoding.metadata.metadata()
    }
}

/// The pages of one column chunk.
struct OneChunk(Option<Box<dyn PageReader>>);

impl Iterator for OneChunk {
    type Item = ParquetResult<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(Ok)
    }
}

impl PageIterator for OneChunk {}

/// The dictionary, if there is one, then pages from one on.
struct PagesFrom {
    dictionary: Option<Page>,
    pages: SerializedPageReader<Input>,
}

impl Iterator for PagesFrom {
    type Item = ParquetResult<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for PagesFrom {
    fn get_next_page(&mut self) -> ParquetResult<Option<Page>> {
        match self.dictionary.take() {
            Some(dictionary) => Ok(Some(dictionary)),
            None => self.pages.get_next_page(),
        }
    }

    fn peek_next_page(&mut self) -> ParquetResult<Option<PageMetadata>> {
        match &self.dictionary {
            Some(_) => Ok(Some(PageMetadata { num_rows: None, num_levels: None, is_dict: true })),
            None => self.pages.peek_next_page(),
        }
    }

    fn skip_next_page(&mut self) -> ParquetResult<()> {
        match self.dictionary.take() {
            Some(_) => Ok(()),
            None => self.pages.skip_next_page(),
        }
    }

    fn at_record_boundary(&mut self) -> ParquetResult<bool> {
        match &self.dictionary {
            Some(_) => Ok(true),
            None => self.pages.at_record_boundary(),
        }
    }
}
