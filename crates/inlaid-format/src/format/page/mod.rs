//! Pages whose bytes are the tensors: rows are written, contiguous and verbatim, into the buffer that becomes
//! the page, so encoding them costs a checksum and no copy.
//!
//! A tensor column is a Parquet list. Its pages hold repetition levels (each row: one 0, then 1s),
//! definition levels (all 2), and the elements, little-endian:
//!
//! - u8 and u16 have the Parquet type INT32. Their pages hold dictionary indices of 8 or 16 bits as one
//!   bit-packed run; the dictionary is 0..=255 or 0..=65535 in order, so an index is its value;
//! - f32 is FLOAT and f16 is FIXED_LEN_BYTE_ARRAY(2) with the logical type FLOAT16, both PLAIN.
//!
//! A binary column is a required FIXED_LEN_BYTE_ARRAY: its pages hold the values and nothing else.
//!
//! In an uncompressed data page of a tensor column, both the offset of the pixels in the page and the length of
//! the page are multiples of the element size. So all pixels of a chunk are aligned if its first data page is
//! (see [`PageLayout::alignment`]). The exception is a page with so few elements that its levels can't be cut.
//!
//! Source: the Parquet format, `Encodings.md` (RLE / bit-packing hybrid) and `parquet.thrift`. Page
//! headers are written here because the parquet crate can't write a checksum into them.

mod codec;
mod header;
mod levels;

use std::borrow::Cow;
use std::ops::Range;

use crate::format::tensor::TensorShape;
use crate::spec::{Compression, Dtype, Storage};

use codec::{compress, decompress};
pub use header::{PageHeader, PageSpan};
use header::{PageKind, header, usual_len};
use levels::{MAX_EXTRA, levels, push_varint};

/// Number of values in a group of a bit-packed run.
const GROUP: usize = 8;

/// How the rows of a page are laid out.
#[derive(Clone, Copy, Debug)]
pub struct PageLayout {
    /// Whether tensors are Parquet lists rather than binary values.
    lists: bool,
    compression: Compression,
    dtype: Dtype,
    elements: usize,
    row_bytes: usize,
    max_rows: usize,
}

/// A page being filled, with one slot for each row.
#[derive(Debug)]
pub struct PageBuffer {
    layout: PageLayout,
    bytes: Vec<u8>,
    /// Offset of the pixels.
    first: usize,
    rows: usize,
}

/// A finished page, as it is stored in the file.
#[derive(Debug)]
pub struct Page {
    /// Thrift header, encoded.
    pub header: Vec<u8>,
    /// Buffer whose `range` is the body, which follows the header.
    body: Vec<u8>,
    range: Range<usize>,
    /// Range of the pixels in an uncompressed body.
    pixels: Range<usize>,
    /// Number of rows.
    pub rows: usize,
    /// Number of values as Parquet counts them: elements of lists, or rows of a binary column.
    pub values: usize,
    /// Length of the body before compression, in bytes.
    pub uncompressed_len: usize,
}

impl PageLayout {
    /// The layout of pages of at most `max_rows` rows.
    pub fn new(shape: &TensorShape, storage: Storage, compression: Compression, max_rows: usize) -> PageLayout {
        PageLayout { max_rows, ..PageLayout::of_elements(shape.elements(), shape.dtype(), storage, compression) }
    }

    /// Bytes in one row's tensor.
    pub fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    /// The layout of pages of tensors with this number of elements, with no limit on rows yet: enough to read pages.
    /// To write them, add [`PageLayout::with_max_rows`].
    pub fn of_elements(elements: usize, dtype: Dtype, storage: Storage, compression: Compression) -> PageLayout {
        PageLayout {
            lists: storage == Storage::Tensor,
            compression,
            dtype,
            elements,
            row_bytes: elements * dtype.bytes(),
            max_rows: 0,
        }
    }

    /// Required alignment of the first data page's file offset, in bytes, so that pixels are aligned to the element
    /// size. 1 if there is nothing to align: a compressed page is not mapped, and in a page of binary storage the
    /// pixels directly follow a header of varying length.
    pub fn alignment(&self) -> usize {
        match (self.lists, self.compression) {
            (true, Compression::None) => self.dtype.bytes(),
            _ => 1,
        }
    }

    /// Bits of a dictionary index; none if elements are not stored as indices.
    fn index_bits(&self) -> Option<u8> {
        match (self.lists, self.dtype) {
            (true, Dtype::U8) => Some(8),
            (true, Dtype::U16) => Some(16),
            _ => None,
        }
    }

    /// The same layout for pages of at most `max_rows` rows.
    pub fn with_max_rows(self, max_rows: usize) -> PageLayout {
        PageLayout { max_rows, ..self }
    }

    /// A new, zeroed buffer for a page.
    pub fn zeroed(&self) -> Vec<u8> {
        vec![0; self.buffer_bytes(self.first_pixel())]
    }

    /// An empty page in `bytes`, a buffer that may be reused.
    pub fn buffer(self, mut bytes: Vec<u8>) -> PageBuffer {
        let first = self.first_pixel();
        bytes.resize(self.buffer_bytes(first), 0);
        PageBuffer { layout: self, bytes, first, rows: 0 }
    }

    /// Length of a buffer whose pixels begin here.
    fn buffer_bytes(&self, first_pixel: usize) -> usize {
        first_pixel + self.max_rows * self.row_bytes + GROUP * self.dtype.bytes()
    }

    /// Offset of the pixels in the buffer, which leaves room for the longest levels before them.
    fn first_pixel(&self) -> usize {
        self.levels(self.max_rows).len() + if self.alignment() > 1 { MAX_EXTRA } else { 0 }
    }

    /// The fewest bytes before the pixels of a page of `rows` rows.
    fn levels(&self, rows: usize) -> Vec<u8> {
        self.longer_levels(rows, 0).expect("no run is cut for nothing")
    }

    /// The bytes before the pixels, `extra` bytes longer than the minimum; none if that is impossible.
    fn longer_levels(&self, rows: usize, extra: usize) -> Option<Vec<u8>> {
        if !self.lists {
            return (extra == 0).then(Vec::new);
        }
        let mut levels = levels(rows, self.elements, extra)?;
        if let Some(bits) = self.index_bits() {
            let groups = (rows * self.elements).div_ceil(GROUP);
            levels.push(bits);
            push_varint(&mut levels, (groups as u64) << 1 | 1);
        }
        Some(levels)
    }

    /// The bytes before the pixels of a page whose body has this length; none if no page has it.
    fn levels_in(&self, rows: usize, length: usize) -> Option<Vec<u8>> {
        let others = self.levels(rows).len() + rows * self.row_bytes + self.padding(rows);
        let most = if self.alignment() > 1 { MAX_EXTRA } else { 0 };
        let extra = length.checked_sub(others).filter(|extra| *extra <= most)?;
        self.longer_levels(rows, extra)
    }

    /// Number of zero bytes after the pixels: a bit-packed run holds a multiple of 8 values.
    fn padding(&self, rows: usize) -> usize {
        let values = rows * self.elements;
        match self.index_bits() {
            Some(_) => (values.next_multiple_of(GROUP) - values) * self.dtype.bytes(),
            None => 0,
        }
    }

    /// Checks the bytes of a page of `rows` rows, including its header: they must be exactly what
    /// [`PageBuffer::finish`] makes from its pixels.
    ///
    /// # Errors
    /// A description of the first mismatch.
    pub fn check(&self, page: &[u8], rows: usize) -> Result<(), &'static str> {
        if !(1..=self.max_rows).contains(&rows) {
            return Err("it has no rows, or too many");
        }
        let (parsed, header_len) = PageHeader::parse(page).ok_or("its header is damaged")?;
        let uncompressed_len = usize::try_from(parsed.uncompressed_len).unwrap_or(0);
        let levels = self.levels_in(rows, uncompressed_len).ok_or("its length does not match its rows")?;
        let (found, stored) = page.split_at(header_len);
        let (kind, values) = self.kind(rows);
        if found != header(kind, values, uncompressed_len, stored) {
            return Err("its header or checksum does not match");
        }
        let body = decompress(self.compression, stored, uncompressed_len).ok_or("it can't be decompressed")?;
        match body.starts_with(&levels) && body[levels.len() + rows * self.row_bytes..].iter().all(|byte| *byte == 0) {
            true => Ok(()),
            false => Err("its levels do not describe whole rows"),
        }
    }

    /// The number of rows (at most `most`) of a page with this header, and the bytes before the pixels in its
    /// decompressed body. None if no page whose rows are stored verbatim has this header.
    pub fn rows_and_levels(&self, header: &PageHeader, most: usize) -> Option<(usize, Vec<u8>)> {
        let values = usize::try_from(header.values).ok()?;
        let rows = match self.lists {
            true if values % self.elements == 0 => values / self.elements,
            true => return None,
            false => values,
        };
        let length = usize::try_from(header.uncompressed_len).ok()?;
        let has_room = (1..=most).contains(&rows) && rows.checked_mul(self.row_bytes)? <= length;
        if !has_room || !header.is(self.kind(rows).0) {
            return None;
        }
        if self.is_uncompressed() && header.stored_len != header.uncompressed_len {
            return None;
        }
        Some((rows, self.levels_in(rows, length)?))
    }

    /// Finds the pixels in a stored page: the number of rows (at most `most`), the decompressed body, and the range of
    /// the pixels in it. None if the rows are not stored there verbatim, one after another. Bytes other than pixels
    /// are compared with what [`PageBuffer::finish`] would write, and a compressed page with its checksum, because one
    /// wrong bit in it may change any row. Takes no more memory than such a page.
    pub fn find_pixels<'b>(
        &self,
        header: &PageHeader,
        stored: &'b [u8],
        most: usize,
    ) -> Option<(usize, Cow<'b, [u8]>, Range<usize>)> {
        let (rows, levels) = self.rows_and_levels(header, most)?;
        if !self.is_uncompressed() && !header.fits(stored) {
            return None;
        }
        let pixels = levels.len()..levels.len() + rows * self.row_bytes;
        let body = decompress(self.compression, stored, usize::try_from(header.uncompressed_len).ok()?)?;
        body.starts_with(&levels).then_some((rows, body, pixels))
    }

    /// Whether the pages are stored without compression.
    pub fn is_uncompressed(&self) -> bool {
        self.compression == Compression::None
    }

    /// Whether the stored page is the identity dictionary, in which every index equals its value.
    pub fn is_identity(&self, header: &PageHeader, stored: &[u8]) -> bool {
        let Some(values) = self.index_values() else { return false };
        header.is(PageKind::Dictionary)
            && header.values as usize == values.len() / size_of::<i32>()
            && decompress(self.compression, stored, values.len()).is_some_and(|body| *body == values)
    }

    /// Whether every column chunk of these pages begins with a dictionary.
    pub fn has_dictionary(&self) -> bool {
        self.index_bits().is_some()
    }

    /// The values of the identity dictionary, as little-endian INT32; none if elements are not stored as indices.
    fn index_values(&self) -> Option<Vec<u8>> {
        let count = 1 << self.index_bits()?;
        Some((0..count).flat_map(i32::to_le_bytes).collect())
    }

    /// The kind of a data page, and the number of values that Parquet counts in `rows` rows.
    fn kind(&self, rows: usize) -> (PageKind, usize) {
        match self.lists {
            true if self.has_dictionary() => (PageKind::DictionaryIndices, rows * self.elements),
            true => (PageKind::Plain, rows * self.elements),
            false => (PageKind::Plain, rows),
        }
    }

    /// The dictionary page at the start of every column chunk; none if elements are not stored as indices.
    pub fn dictionary(&self) -> Option<Page> {
        let bytes = self.index_values()?;
        let (uncompressed_len, values) = (bytes.len(), bytes.len() / size_of::<i32>());
        let body = compress(self.compression, &bytes).unwrap_or(bytes);
        let header = header(PageKind::Dictionary, values, uncompressed_len, &body);
        Some(Page { header, range: 0..body.len(), pixels: 0..0, body, rows: 0, values, uncompressed_len })
    }
}

impl PageBuffer {
    /// The slot of the next row, to be written to. It becomes part of the page once [`PageBuffer::keep`] is called.
    pub fn slot(&mut self) -> &mut [u8] {
        let start = self.first + self.rows * self.layout.row_bytes;
        &mut self.bytes[start..start + self.layout.row_bytes]
    }

    /// Keeps the row that was written to [`PageBuffer::slot`].
    ///
    /// # Panics
    /// If the page is full.
    pub fn keep(&mut self) {
        assert!(self.rows < self.layout.max_rows, "a page is never asked to hold more rows than planned");
        self.rows += 1;
    }

    /// Number of rows kept.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Completes the page. A page with fewer rows than planned has shorter levels, so it begins later in its buffer.
    pub fn finish(mut self) -> Page {
        let first = self.first;
        let pixels = first..first + self.rows * self.layout.row_bytes;
        let end = pixels.end + self.layout.padding(self.rows);
        self.bytes[pixels.end..end].fill(0);
        let (start, header) = match self.layout.alignment() {
            1 => (self.put_levels(0).expect("no run is cut for nothing"), None),
            alignment => self.put_aligned_levels(end, alignment),
        };

        let uncompressed_len = end - start;
        let (kind, values) = self.layout.kind(self.rows);
        let (body, range) = match compress(self.layout.compression, &self.bytes[start..end]) {
            Some(compressed) => {
                let range = 0..compressed.len();
                (compressed, range)
            }
            None => (self.bytes, start..end),
        };
        let header = header.unwrap_or_else(|| header::header(kind, values, uncompressed_len, &body[range.clone()]));
        Page { header, body, range, pixels, rows: self.rows, values, uncompressed_len }
    }

    /// Writes levels that are `extra` bytes longer than the minimum before the pixels, and returns where they begin.
    fn put_levels(&mut self, extra: usize) -> Option<usize> {
        let levels = self.layout.longer_levels(self.rows, extra)?;
        let first = self.first;
        let start = first - levels.len();
        self.bytes[start..first].copy_from_slice(&levels);
        Some(start)
    }

    /// Writes levels that make the pixels begin at a multiple of `alignment` from the start of the page, if
    /// possible, and returns where the levels begin, and the header. The length of the header depends on the
    /// checksum, which includes the levels: one in sixteen is shorter than the rest, and then the next
    /// longer levels are tried.
    fn put_aligned_levels(&mut self, end: usize, alignment: usize) -> (usize, Option<Vec<u8>>) {
        let (kind, values) = self.layout.kind(self.rows);
        let first = self.first;
        for extra in 0..=MAX_EXTRA {
            let Some(start) = self.put_levels(extra) else { continue };
            if !(usual_len(kind, values, end - start) + first - start).is_multiple_of(alignment) {
                continue;
            }
            let header = header(kind, values, end - start, &self.bytes[start..end]);
            if (header.len() + first - start).is_multiple_of(alignment) {
                return (start, Some(header));
            }
        }
        (self.put_levels(0).expect("no run is cut for nothing"), None)
    }
}

impl Page {
    /// The bytes that follow the header in the file.
    pub fn body(&self) -> &[u8] {
        &self.body[self.range.clone()]
    }

    /// The tensors of an uncompressed page, one row after another.
    pub fn pixels(&self) -> &[u8] {
        &self.body[self.pixels.clone()]
    }

    /// Length in the file, header included, in bytes.
    pub fn len(&self) -> usize {
        self.header.len() + self.range.len()
    }

    /// Whether the page has no bytes, which is never the case.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The page's buffer, for reuse.
    pub fn into_buffer(self) -> Vec<u8> {
        self.body
    }
}

#[cfg(test)]
mod tests;
