//! Image files that are not in the file as they are: the rows of a page, or of a record batch, are decoded together. The
//! files of a page share its memory, and that of its dictionary, so that no file can ask for more than its pages allow.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::ArrayRef;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::column::reader::{ColumnReader, get_column_reader};
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;

use super::byte_values::{Piece, bytes_of};
use super::cache::Decoded;
use super::chunk::{Chunk, MOST_PAGE, check_page};
use super::input::Input;
use super::present::Present;

/// Maximum number of rows of a part: a page may claim any number of rows without a value, or with the same one.
const MOST_ROWS: usize = 1 << 16;

/// Rows that are read at a time.
const ROWS: usize = 1024;

/// Memory of a part from which on its files are copied, so that one of them does not keep the others alive.
const LONG: usize = 16 << 20;

/// Memory that a value takes besides its bytes.
const OF_VALUE: usize = 96;

/// Encodings as numbered in `parquet.thrift`: numbers of the dictionary, and values that share beginnings.
const DICTIONARY: [i32; 2] = [2, 8];
const DELTA_BYTE_ARRAY: i32 = 7;

/// The files of some rows of a row group, or their names.
#[derive(Clone)]
pub(super) enum ImagePart {
    /// Values of the rows of a page.
    Values(Arc<Values>),
    /// A column of a record batch, and the memory that it takes.
    Batch(ArrayRef, usize),
}

pub(super) struct Values {
    /// The first row.
    first: usize,
    values: Present<Bytes>,
    weight: usize,
}

impl Decoded for ImagePart {
    fn weight(&self) -> usize {
        match self {
            ImagePart::Values(values) => values.weight,
            ImagePart::Batch(_, weight) => *weight,
        }
    }
}

impl ImagePart {
    /// The value of a row of the row group; none if it is null.
    pub(super) fn get(&self, row: usize, piece: Piece) -> Option<Bytes> {
        match self {
            ImagePart::Values(part) => {
                let value = part.values.get(row.checked_sub(part.first)?)?;
                Some(if part.weight > LONG { Bytes::copy_from_slice(value) } else { value.clone() })
            }
            ImagePart::Batch(array, _) => bytes_of(array, row, piece).map(|(bytes, _)| Bytes::copy_from_slice(bytes)),
        }
    }
}

/// The pages of a column of bytes.
pub(super) struct Pages<'a> {
    pub(super) input: &'a Input,
    pub(super) metadata: &'a ArrowReaderMetadata,
    pub(super) row_group: usize,
    pub(super) leaf: usize,
    pub(super) chunk: &'a Chunk,
}

impl Pages<'_> {
    /// Number of the page with a row, and the rows that are decoded together with it.
    pub(super) fn part_of(&self, row: usize) -> (usize, Range<usize>) {
        let page = self.chunk.page_of(row);
        let (first, _) = self.chunk.pages[page];
        let end = self.chunk.pages.get(page + 1).map_or(self.chunk.values, |(first, _)| *first);
        let start = first + (row - first) / MOST_ROWS * MOST_ROWS;
        (page, start..end.min(start + MOST_ROWS))
    }

    /// Decodes rows of a page.
    pub(super) fn decode(&self, page: usize, rows: Range<usize>) -> Result<Values, String> {
        let text = |error: ParquetError| error.to_string();
        let Pages { input, chunk, .. } = self;
        let whole = self.metadata.metadata().row_group(self.row_group).column(self.leaf);
        let (mut row, at) = chunk.pages[page];
        let (span, _) = check_page(input, at..input.len())?;
        let dictionary = match DICTIONARY.contains(&span.encoding) {
            true => chunk.dictionary(input, whole).map_err(text)?,
            false => None,
        };
        let memory = span.uncompressed_len + dictionary.as_ref().map_or(0, |page| page.buffer().len());
        let pages = chunk.read(input, whole, dictionary, page..page + 1, chunk.values).map_err(text)?;
        let column = self.metadata.parquet_schema().column(self.leaf);
        let (most_level, is_delta) = (column.max_def_level(), span.encoding == DELTA_BYTE_ARRAY);
        let ColumnReader::ByteArrayColumnReader(mut reader) = get_column_reader(column, pages) else {
            return Err("a column of bytes has another type".to_owned());
        };
        let (mut values, mut levels) = (Vec::new(), Vec::new());
        let mut part = Part { input, values: Present::default(), own: 0 };
        while row < rows.end {
            values.clear();
            levels.clear();
            let left = if row < rows.start { rows.start - row } else { rows.end - row };
            let asked = left.min(if is_delta { 1 } else { ROWS });
            let read = reader.read_records(asked, Some(&mut levels), None, &mut values);
            let (records, ..) = read.map_err(text)?;
            if records == 0 {
                return Err("a page has fewer images than it claims".to_owned());
            }
            if row >= rows.start {
                let is_null = |at: usize| levels.get(at).is_some_and(|level| *level < most_level);
                part.add(row - rows.start, records, is_null, &mut values)?;
                if is_delta && part.own > memory.max(MOST_PAGE) {
                    return Err("the images of a page take more memory than it".to_owned());
                }
            }
            row += records;
        }
        let own = match part.own {
            0 => 0,
            own if is_delta => own,
            _ => memory,
        };
        let weight = own + part.values.len() * OF_VALUE;
        Ok(Values { first: rows.start, values: part.values, weight })
    }
}

/// A part while it is decoded.
struct Part<'a> {
    input: &'a Input,
    values: Present<Bytes>,
    /// Length of all values that are not in the map of the file.
    own: usize,
}

impl Part<'_> {
    /// Adds the values of `records` rows from `first` on, and leaves none in `values`.
    fn add(
        &mut self,
        first: usize,
        records: usize,
        is_null: impl Fn(usize) -> bool,
        values: &mut Vec<ByteArray>,
    ) -> Result<(), String> {
        let mut found = values.drain(..);
        for at in (0..records).filter(|at| !is_null(*at)) {
            let value = found.next().ok_or("a page has fewer images than it claims")?;
            let length = value.data().len();
            let bytes = match self.input.offset_of(value.data()) {
                Some(at) => self.input.slice(at as usize..at as usize + length).map_err(|error| error.to_string())?,
                None => {
                    self.own = self.own.saturating_add(length);
                    Bytes::from_owner(OfPage(value))
                }
            };
            self.values.push(first + at, bytes);
        }
        Ok(())
    }
}

/// A value that shares the memory of its page.
struct OfPage(ByteArray);

impl AsRef<[u8]> for OfPage {
    fn as_ref(&self) -> &[u8] {
        self.0.data()
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{BinaryArray, RecordBatch};
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::arrow_reader::ArrowReaderOptions;
    use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};

    use super::*;

    /// Calls `check` with the pages of a file with these values.
    fn with_pages(values: &[Option<&[u8]>], properties: WriterPropertiesBuilder, check: impl FnOnce(&Pages<'_>)) {
        let array: ArrayRef = Arc::new(values.iter().copied().collect::<BinaryArray>());
        let batch = RecordBatch::try_from_iter_with_nullable([("image", array, true)]).unwrap();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties.build())).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let input = Input::Mapped(bytes.into());
        let metadata = ArrowReaderMetadata::load(&input, ArrowReaderOptions::new()).unwrap();
        let chunk = Chunk::find(&input, metadata.metadata().row_group(0).column(0)).unwrap();
        check(&Pages { input: &input, metadata: &metadata, row_group: 0, leaf: 0, chunk: &chunk });
    }

    #[test]
    fn values_of_a_dictionary_share_its_memory() {
        let image = vec![7; 30_000];
        let zstd = parquet::basic::Compression::ZSTD(Default::default());
        with_pages(&vec![Some(&image[..]); 5_000], WriterProperties::builder().set_compression(zstd), |pages| {
            let (page, rows) = pages.part_of(4_999);
            let values = pages.decode(page, rows).unwrap();
            assert!(values.weight < 1_000_000, "{}", values.weight);
            let part = ImagePart::Values(Arc::new(values));
            let images = [4_998, 4_999].map(|row| part.get(row, Piece::Content).unwrap());
            assert_eq!(images[0].as_ptr(), images[1].as_ptr());
            assert_eq!(images[0], image[..]);
        });
    }

    #[test]
    fn values_that_repeat_beginnings_take_no_more_memory_than_allowed() {
        let image = vec![7; 1 << 20];
        let delta = WriterProperties::builder()
            .set_dictionary_enabled(false)
            .set_writer_version(WriterVersion::PARQUET_2_0)
            .set_data_page_size_limit(usize::MAX);
        with_pages(&[Some(&image[..]); 200], delta.clone(), |pages| {
            let (page, rows) = pages.part_of(0);
            let error = pages.decode(page, rows).err().unwrap();
            assert_eq!(error, "the images of a page take more memory than it");
        });
        with_pages(&[Some(&image[..]); 20], delta, |pages| {
            let (page, rows) = pages.part_of(0);
            assert_eq!(pages.decode(page, rows).unwrap().weight, (20 << 20) + 20 * OF_VALUE);
        });
    }

    #[test]
    fn a_page_of_many_rows_is_several_parts() {
        let values: Vec<Option<&[u8]>> = (0..200_000).map(|row| (row % 50_000 == 3).then_some(&b"x"[..])).collect();
        let one_page = WriterProperties::builder()
            .set_data_page_row_count_limit(usize::MAX)
            .set_write_batch_size(usize::MAX)
            .set_dictionary_enabled(false);
        with_pages(&values, one_page, |pages| {
            assert_eq!(pages.chunk.pages.len(), 1);
            let parts = [0, MOST_ROWS - 1, MOST_ROWS, 199_999].map(|row| pages.part_of(row));
            let second = MOST_ROWS..2 * MOST_ROWS;
            assert_eq!(parts[..3], [(0, 0..MOST_ROWS), (0, 0..MOST_ROWS), (0, second.clone())]);
            assert_eq!(parts[3], (0, 3 * MOST_ROWS..200_000));
            let values = pages.decode(0, second).unwrap();
            assert_eq!((values.values.len(), values.first), (1, MOST_ROWS));
            let part = ImagePart::Values(Arc::new(values));
            assert_eq!(part.get(100_003, Piece::Content).unwrap(), &b"x"[..]);
            assert_eq!(part.get(100_004, Piece::Content), None);
        });
    }

    #[test]
    fn plain_values_in_the_map_take_no_memory_of_their_own() {
        let image = vec![7; 100_000];
        with_pages(&[Some(&image[..]), None], WriterProperties::builder().set_dictionary_enabled(false), |pages| {
            let (page, rows) = pages.part_of(1);
            let values = pages.decode(page, rows).unwrap();
            assert_eq!(values.weight, OF_VALUE);
        });
    }
}
