//! Pages whose bytes are the tensors: rows lie in the buffer that becomes the page, contiguous and
//! verbatim, so encoding them costs a checksum and no copy.
//!
//! A tensor column is a Parquet list of INT32. Its pages hold repetition levels (each row: one 0,
//! then 1s), definition levels (all 2), and dictionary indices of 8 bits as one bit-packed run. The
//! dictionary is 0..=255 in order, so an index is its value. A binary column is a required
//! FIXED_LEN_BYTE_ARRAY: its pages hold the values and nothing else.
//!
//! Source: the Parquet format, `Encodings.md` (RLE / bit-packing hybrid) and `parquet.thrift`. Page
//! headers are written here because the parquet crate can't put a checksum into them.

mod header;

use std::borrow::Cow;
use std::ops::Range;

use crate::spec::{Compression, Storage};
use crate::tensor::TensorShape;

pub(crate) use header::PageHeader;
use header::{PageKind, header};

/// Level of a value that is there: the list is required, its item is optional.
const PRESENT: u8 = 2;

/// Bits of a dictionary index of a `u8` tensor.
const INDEX_BITS: u8 = 8;

/// How the rows of a page are laid out.
#[derive(Clone, Copy, Debug)]
pub struct PageLayout {
    storage: Storage,
    compression: Compression,
    elements: usize,
    row_bytes: usize,
    max_rows: usize,
}

/// A page being filled: one slot a row.
#[derive(Debug)]
pub struct PageBuffer {
    layout: PageLayout,
    bytes: Vec<u8>,
    rows: usize,
}

/// A finished page, as it will lie in the file.
#[derive(Debug)]
pub struct Page {
    /// The Thrift header.
    pub header: Vec<u8>,
    /// What follows the header: `body[range]`.
    body: Vec<u8>,
    range: Range<usize>,
    /// Where the pixels are in an uncompressed body.
    pixels: Range<usize>,
    /// How many rows it has.
    pub rows: usize,
    /// How many values Parquet counts in it: elements of lists, or rows.
    pub values: usize,
    /// Length of the body before compression.
    pub uncompressed_len: usize,
}

impl PageLayout {
    /// The layout of pages of at most `max_rows` rows.
    pub fn new(shape: &TensorShape, storage: Storage, compression: Compression, max_rows: usize) -> PageLayout {
        PageLayout { storage, compression, elements: shape.elements(), row_bytes: shape.bytes(), max_rows }
    }

    /// Bytes of the tensor of a row.
    pub fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    /// The layout of pages that are read, of tensors of so many 8-bit elements.
    pub(crate) fn of_elements(elements: usize, storage: Storage, compression: Compression) -> PageLayout {
        PageLayout { storage, compression, elements, row_bytes: elements, max_rows: 0 }
    }

    /// The same layout, of pages of at most so many rows.
    pub(crate) fn with_max_rows(self, max_rows: usize) -> PageLayout {
        PageLayout { max_rows, ..self }
    }

    /// The memory of a page, not used before.
    pub fn zeroed(&self) -> Vec<u8> {
        vec![0; self.buffer_bytes()]
    }

    /// An empty page in `bytes`, a buffer that may have been used before.
    pub fn buffer(self, mut bytes: Vec<u8>) -> PageBuffer {
        bytes.resize(self.buffer_bytes(), 0);
        PageBuffer { layout: self, bytes, rows: 0 }
    }

    fn buffer_bytes(&self) -> usize {
        self.first_pixel() + self.max_rows * self.row_bytes + usize::from(INDEX_BITS)
    }

    /// Where the pixels begin: room for the longest levels comes before them.
    fn first_pixel(&self) -> usize {
        self.levels(self.max_rows).len()
    }

    /// The bytes before the pixels of a page of `rows` rows.
    fn levels(&self, rows: usize) -> Vec<u8> {
        if self.storage == Storage::Binary {
            return Vec::new();
        }
        let mut repetition = Vec::new();
        if self.elements == 1 {
            push_run(&mut repetition, rows, 0);
        } else {
            for _ in 0..rows {
                push_run(&mut repetition, 1, 0);
                push_run(&mut repetition, self.elements - 1, 1);
            }
        }
        let mut definition = Vec::new();
        push_run(&mut definition, rows * self.elements, PRESENT);

        let mut levels = Vec::new();
        for encoded in [repetition, definition] {
            levels.extend_from_slice(&(encoded.len() as u32).to_le_bytes());
            levels.extend_from_slice(&encoded);
        }
        levels.push(INDEX_BITS);
        let groups = (rows * self.elements).div_ceil(8);
        push_varint(&mut levels, (groups as u64) << 1 | 1);
        levels
    }

    /// Zeros after the pixels: a bit-packed run holds a multiple of 8 values.
    fn padding(&self, rows: usize) -> usize {
        match self.storage {
            Storage::Tensor => (rows * self.elements).next_multiple_of(8) - rows * self.elements,
            Storage::Binary => 0,
        }
    }

    /// Says what is wrong with the bytes of a page of `rows` rows, its header included: it must be what
    /// [`PageBuffer::finish`] makes of its pixels.
    pub fn check(&self, page: &[u8], rows: usize) -> Result<(), &'static str> {
        if !(1..=self.max_rows).contains(&rows) {
            return Err("it has no rows, or too many");
        }
        let levels = self.levels(rows);
        let uncompressed_len = levels.len() + rows * self.row_bytes + self.padding(rows);
        let (_, header_len) = PageHeader::parse(page).ok_or("its header is damaged")?;
        let (found, stored) = page.split_at(header_len);
        let (kind, values) = self.kind(rows);
        if found != header(kind, values, uncompressed_len, stored) {
            return Err("its header or checksum does not match");
        }
        let body = decompress(self.compression, stored, uncompressed_len).ok_or("it can't be decompressed")?;
        match body.starts_with(&levels) && body[levels.len() + rows * self.row_bytes..].iter().all(|byte| *byte == 0) {
            true => Ok(()),
            false => Err("its levels are not those of whole rows"),
        }
    }

    /// Where the pixels lie in the body of a stored page, and of how many rows, at most `most`: none if
    /// they do not lie there row after row, verbatim. Bytes that are not pixels are compared with what
    /// [`PageBuffer::finish`] would write, and a compressed page with its checksum, as one wrong bit in it
    /// may change any row. Takes no more memory than such a page.
    pub(crate) fn find_pixels<'b>(
        &self,
        header: &PageHeader,
        stored: &'b [u8],
        most: usize,
    ) -> Option<(usize, Cow<'b, [u8]>, Range<usize>)> {
        let values = usize::try_from(header.values).ok()?;
        let rows = match self.storage {
            Storage::Tensor if values % self.elements == 0 => values / self.elements,
            Storage::Tensor => return None,
            Storage::Binary => values,
        };
        let length = usize::try_from(header.uncompressed_len).ok()?;
        let has_room = (1..=most).contains(&rows) && rows.checked_mul(self.row_bytes)? <= length;
        if !has_room || !header.is(self.kind(rows).0) {
            return None;
        }
        if !self.is_uncompressed() && !header.fits(stored) {
            return None;
        }
        let levels = self.levels(rows);
        let pixels = levels.len()..levels.len() + rows * self.row_bytes;
        if length != pixels.end + self.padding(rows) {
            return None;
        }
        let body = decompress(self.compression, stored, length)?;
        body.starts_with(&levels).then_some((rows, body, pixels))
    }

    /// Whether the pages are stored as they are.
    pub(crate) fn is_uncompressed(&self) -> bool {
        self.compression == Compression::None
    }

    /// Whether the stored page is the dictionary in which every index is its value.
    pub(crate) fn is_identity(&self, header: &PageHeader, stored: &[u8]) -> bool {
        let values: Vec<u8> = (0..=i32::from(u8::MAX)).flat_map(i32::to_le_bytes).collect();
        header.is(PageKind::Dictionary)
            && header.values == 256
            && decompress(self.compression, stored, values.len()).is_some_and(|body| *body == values)
    }

    /// The kind of a data page, and how many values Parquet counts in so many rows.
    fn kind(&self, rows: usize) -> (PageKind, usize) {
        match self.storage {
            Storage::Tensor => (PageKind::DictionaryIndices, rows * self.elements),
            Storage::Binary => (PageKind::Plain, rows),
        }
    }

    /// The dictionary page that every chunk of these pages begins with; none for binary storage.
    pub fn dictionary(&self) -> Option<Page> {
        if self.storage == Storage::Binary {
            return None;
        }
        let values: Vec<u8> = (0..=i32::from(u8::MAX)).flat_map(i32::to_le_bytes).collect();
        let uncompressed_len = values.len();
        let body = compress(self.compression, &values).unwrap_or(values);
        let header = header(PageKind::Dictionary, 256, uncompressed_len, &body);
        Some(Page { header, range: 0..body.len(), pixels: 0..0, body, rows: 0, values: 256, uncompressed_len })
    }
}

impl PageBuffer {
    /// The place of the next row; it counts once [`PageBuffer::keep`] is called.
    pub fn slot(&mut self) -> &mut [u8] {
        let start = self.layout.first_pixel() + self.rows * self.layout.row_bytes;
        &mut self.bytes[start..start + self.layout.row_bytes]
    }

    /// Keeps the row that was written to [`PageBuffer::slot`].
    pub fn keep(&mut self) {
        assert!(self.rows < self.layout.max_rows, "a page is never asked to hold more rows than planned");
        self.rows += 1;
    }

    /// How many rows it has.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Completes the page. A page that lost rows begins later in its buffer, as its levels are shorter.
    pub fn finish(mut self) -> Page {
        let PageLayout { compression, row_bytes, .. } = self.layout;
        let levels = self.layout.levels(self.rows);
        let first = self.layout.first_pixel();
        let start = first - levels.len();
        self.bytes[start..first].copy_from_slice(&levels);
        let pixels = first..first + self.rows * row_bytes;
        let end = pixels.end + self.layout.padding(self.rows);
        self.bytes[pixels.end..end].fill(0);

        let uncompressed_len = end - start;
        let (body, range) = match compress(compression, &self.bytes[start..end]) {
            Some(compressed) => {
                let range = 0..compressed.len();
                (compressed, range)
            }
            None => (self.bytes, start..end),
        };
        let (kind, values) = self.layout.kind(self.rows);
        let header = header(kind, values, uncompressed_len, &body[range.clone()]);
        Page { header, body, range, pixels, rows: self.rows, values, uncompressed_len }
    }
}

impl Page {
    /// What follows the header in the file.
    pub fn body(&self) -> &[u8] {
        &self.body[self.range.clone()]
    }

    /// The tensors of an uncompressed page, row after row.
    pub fn pixels(&self) -> &[u8] {
        &self.body[self.pixels.clone()]
    }

    /// Length in the file.
    pub fn len(&self) -> usize {
        self.header.len() + self.range.len()
    }

    /// Whether the page takes no room, which no page does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The buffer, to be used again.
    pub fn into_buffer(self) -> Vec<u8> {
        self.body
    }
}

/// The body of a page in another coding; none if it stays as it is.
fn compress(compression: Compression, body: &[u8]) -> Option<Vec<u8>> {
    /// The default of the reference implementation.
    const ZSTD_LEVEL: i32 = 3;
    match compression {
        Compression::None => None,
        Compression::Lz4 => Some(lz4_flex::block::compress(body)),
        Compression::Zstd => Some(
            zstd::bulk::compress(body, ZSTD_LEVEL).expect("memory is the only thing compressing in memory can lack"),
        ),
    }
}

/// The body of a page in its first coding; none if that fails or has another length.
fn decompress(compression: Compression, stored: &[u8], length: usize) -> Option<Cow<'_, [u8]>> {
    let body = match compression {
        Compression::None => Cow::Borrowed(stored),
        Compression::Lz4 => Cow::Owned(lz4_flex::block::decompress(stored, length).ok()?),
        Compression::Zstd => Cow::Owned(zstd::bulk::decompress(stored, length).ok()?),
    };
    (body.len() == length).then_some(body)
}

/// Adds a run of the RLE / bit-packing hybrid: `count` times a level of at most 8 bits.
fn push_run(out: &mut Vec<u8>, count: usize, level: u8) {
    push_varint(out, (count as u64) << 1);
    out.push(level);
}

/// Adds an unsigned LEB128 number.
fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Size, Spec};

    fn layout(size: &str, storage: Storage, max_rows: usize) -> PageLayout {
        let mut spec = Spec::new(size.parse::<Size>().unwrap());
        spec.channels = crate::spec::Channels::Gray;
        PageLayout::new(&TensorShape::of(&spec).unwrap(), storage, Compression::None, max_rows)
    }

    fn page(layout: PageLayout, rows: &[&[u8]]) -> Page {
        let mut buffer = layout.buffer(Vec::new());
        for row in rows {
            buffer.slot().copy_from_slice(row);
            buffer.keep();
        }
        buffer.finish()
    }

    #[test]
    fn pixels_lie_verbatim_after_the_levels() {
        let page = page(layout("1x3", Storage::Tensor, 2), &[&[7, 8, 9], &[10, 11, 12]]);
        #[rustfmt::skip]
        assert_eq!(page.body(), [
            8, 0, 0, 0,             // repetition levels: 8 bytes
            2, 0, 4, 1, 2, 0, 4, 1, // each row: a run of one 0, a run of two 1
            2, 0, 0, 0,             // definition levels: 2 bytes
            12, 2,                  // a run of six 2
            8,                      // indices have 8 bits
            3,                      // one bit-packed run of one group of eight
            7, 8, 9, 10, 11, 12,    // the pixels
            0, 0,                   // the group is full
        ]);
        assert_eq!((page.rows, page.values, page.uncompressed_len), (2, 6, 28));
        #[rustfmt::skip]
        assert_eq!(page.header[..6], [
            0x15, 0,    // type: data page
            0x15, 56,   // 28 bytes
            0x15, 56,   // 28 bytes
        ]);
    }

    #[test]
    fn lost_row_shortens_the_page() {
        let page = page(layout("1x3", Storage::Tensor, 8), &[&[7, 8, 9]]);
        assert_eq!(page.body(), [4, 0, 0, 0, 2, 0, 4, 1, 2, 0, 0, 0, 6, 2, 8, 3, 7, 8, 9, 0, 0, 0, 0, 0]);
        assert_eq!(page.pixels(), [7, 8, 9]);
    }

    #[test]
    fn one_element_has_no_continuation() {
        let page = page(layout("1", Storage::Tensor, 8), &[&[5], &[6]]);
        assert_eq!(page.body(), [2, 0, 0, 0, 4, 0, 2, 0, 0, 0, 4, 2, 8, 3, 5, 6, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn binary_pages_are_pixels_alone() {
        let page = page(layout("1x3", Storage::Binary, 2), &[&[7, 8, 9], &[10, 11, 12]]);
        assert_eq!(page.body(), [7, 8, 9, 10, 11, 12]);
        assert_eq!((page.rows, page.values), (2, 2));
    }

    #[test]
    fn used_buffer_leaves_no_trace() {
        let layout = layout("1x3", Storage::Tensor, 2);
        let fresh = page(layout, &[&[1, 2, 3]]);
        let mut buffer = layout.buffer(vec![0xAA; 100]);
        buffer.slot().copy_from_slice(&[1, 2, 3]);
        buffer.keep();
        let again = buffer.finish();
        assert_eq!((fresh.body(), &fresh.header), (again.body(), &again.header));
    }
}
