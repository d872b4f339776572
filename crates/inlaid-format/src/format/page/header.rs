//! The header that precedes the bytes of a page in the file.
//!
//! Source: `PageHeader` of `parquet.thrift`, in Thrift's compact protocol.

use super::levels::push_varint;

/// The kind of a page.
#[derive(Clone, Copy)]
pub(super) enum PageKind {
    Dictionary,
    DictionaryIndices,
    Plain,
}

impl PageKind {
    /// Page type and value encoding, as numbered in `parquet.thrift`.
    fn numbers(self) -> (i32, i32) {
        const DATA_PAGE: i32 = 0;
        const DICTIONARY_PAGE: i32 = 2;
        const PLAIN: i32 = 0;
        const RLE_DICTIONARY: i32 = 8;
        match self {
            PageKind::Dictionary => (DICTIONARY_PAGE, PLAIN),
            PageKind::DictionaryIndices => (DATA_PAGE, RLE_DICTIONARY),
            PageKind::Plain => (DATA_PAGE, PLAIN),
        }
    }
}

/// Encoding of levels, as numbered in `parquet.thrift`.
const RLE: i32 = 3;

/// The fields of a page header that matter for verbatim pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageHeader {
    page_type: i32,
    pub(super) uncompressed_len: i32,
    /// Length of the page's body in the file, in bytes.
    pub stored_len: i32,
    crc32: Option<i32>,
    pub(super) values: i32,
    encoding: i32,
    level_encodings: [i32; 2],
}

impl PageHeader {
    /// Reads the header at the start of `bytes` and returns it with its length in bytes. None if it is damaged, or
    /// of a kind that is never verbatim (a version 2 page, or one with statistics).
    pub fn parse(bytes: &[u8]) -> Option<(PageHeader, usize)> {
        let mut thrift = ThriftReader { bytes, at: 0 };
        let mut header = PageHeader::default();
        let mut field = 0;
        while let Some(kind) = thrift.next_field(&mut field)? {
            match (field, kind) {
                (1, ThriftReader::I32) => header.page_type = thrift.i32()?,
                (2, ThriftReader::I32) => header.uncompressed_len = thrift.i32()?,
                (3, ThriftReader::I32) => header.stored_len = thrift.i32()?,
                (4, ThriftReader::I32) => header.crc32 = Some(thrift.i32()?),
                (5 | 7, ThriftReader::STRUCT) => {
                    let mut inner = 0;
                    while let Some(kind) = thrift.next_field(&mut inner)? {
                        match (inner, kind) {
                            (1, ThriftReader::I32) => header.values = thrift.i32()?,
                            (2, ThriftReader::I32) => header.encoding = thrift.i32()?,
                            (3, ThriftReader::I32) => header.level_encodings[0] = thrift.i32()?,
                            (4, ThriftReader::I32) => header.level_encodings[1] = thrift.i32()?,
                            // Whether a dictionary is sorted: the type of a boolean field is its value.
                            (3, 1 | 2) => {}
                            _ => return None,
                        }
                    }
                }
                _ => return None,
            }
        }
        (header.stored_len >= 0 && header.uncompressed_len >= 0 && header.values >= 0).then_some((header, thrift.at))
    }

    /// Whether the stored body matches the header's checksum. True if the header has none.
    pub(super) fn fits(&self, stored: &[u8]) -> bool {
        self.crc32.is_none_or(|crc32| crc32 == crc32fast::hash(stored) as i32)
    }

    pub(super) fn is(&self, kind: PageKind) -> bool {
        let levels_fit = self.level_encodings == [RLE; 2] || matches!(kind, PageKind::Dictionary);
        (self.page_type, self.encoding) == kind.numbers() && levels_fit
    }
}

/// What the header of a page by any writer says about its place among the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageSpan {
    /// Whether it is a data page, of version 1 or 2.
    pub is_data: bool,
    /// Length of the page's body in the file, in bytes.
    pub stored_len: usize,
    /// Length of the body after decompression, in bytes.
    pub uncompressed_len: usize,
    /// Number of values as Parquet counts them; for a data page only.
    pub values: usize,
    /// Encoding of the values as numbered in `parquet.thrift`; for a data page only.
    pub encoding: i32,
}

impl PageSpan {
    /// Reads the header at the start of `bytes` and returns it with its length in bytes. None if it is damaged, or
    /// longer than `bytes`.
    pub fn parse(bytes: &[u8]) -> Option<(PageSpan, usize)> {
        const DATA_PAGES: [i32; 2] = [0, 3];
        let mut thrift = ThriftReader { bytes, at: 0 };
        let (mut kind, mut lengths, mut values, mut encoding, mut field) = (-1, [-1, -1], -1, -1, 0);
        while let Some(found) = thrift.next_field(&mut field)? {
            match (field, found) {
                (1, ThriftReader::I32) => kind = thrift.i32()?,
                (2 | 3, ThriftReader::I32) => lengths[usize::from(field) - 2] = thrift.i32()?,
                (5 | 8, ThriftReader::STRUCT) => {
                    let mut inner = 0;
                    while let Some(found) = thrift.next_field(&mut inner)? {
                        match (inner, found) {
                            (1, ThriftReader::I32) => values = thrift.i32()?,
                            // Of a page of version 1 or 2.
                            (2, ThriftReader::I32) if field == 5 => encoding = thrift.i32()?,
                            (4, ThriftReader::I32) if field == 8 => encoding = thrift.i32()?,
                            _ => thrift.skip(found, 2)?,
                        }
                    }
                }
                _ => thrift.skip(found, 3)?,
            }
        }
        let [uncompressed_len, stored_len] = lengths.map(usize::try_from);
        let is_data = DATA_PAGES.contains(&kind);
        let values = if is_data { usize::try_from(values).ok()? } else { 0 };
        let (stored_len, uncompressed_len) = (stored_len.ok()?, uncompressed_len.ok()?);
        Some((PageSpan { is_data, stored_len, uncompressed_len, values, encoding }, thrift.at))
    }
}

/// A reader for the subset of Thrift's compact protocol that page headers use.
struct ThriftReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl ThriftReader<'_> {
    const I32: u8 = 5;
    const STRUCT: u8 = 12;

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// Type of the next field, whose number is stored in `field`; `Some(None)` at the end of the struct.
    fn next_field(&mut self, field: &mut u8) -> Option<Option<u8>> {
        let byte = self.byte()?;
        if byte == 0 {
            return Some(None);
        }
        *field = field.checked_add(byte >> 4).filter(|_| byte >> 4 > 0)?;
        Some(Some(byte & 15))
    }

    fn i32(&mut self) -> Option<i32> {
        let value = u32::try_from(self.varint(35)?).ok()?;
        Some((value >> 1) as i32 ^ -((value & 1) as i32))
    }

    /// An unsigned LEB128 number of fewer than `most` bits, rounded up to whole groups of 7.
    fn varint(&mut self, most: u32) -> Option<u64> {
        let (mut value, mut shift) = (0_u64, 0);
        loop {
            let byte = self.byte().filter(|_| shift < most)?;
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return Some(value);
            }
        }
    }

    /// Passes over the value of a field, with structs nested up to `depth` times.
    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        let length = match kind {
            // The type of a boolean is its value.
            1 | 2 => 0,
            3 => 1,
            4..=6 => self.varint(64).map(|_| 0)?,
            7 => 8,
            8 => usize::try_from(self.varint(35)?).ok()?,
            Self::STRUCT => {
                let (depth, mut field) = (depth.checked_sub(1)?, 0);
                while let Some(kind) = self.next_field(&mut field)? {
                    self.skip(kind, depth)?;
                }
                0
            }
            // Page headers have no lists, sets or maps.
            _ => return None,
        };
        self.at = self.at.checked_add(length).filter(|at| *at <= self.bytes.len())?;
        Some(())
    }
}

/// A `PageHeader` of `parquet.thrift` in the compact protocol, with the CRC-32 of the stored body.
pub(super) fn header(kind: PageKind, values: usize, uncompressed_len: usize, stored: &[u8]) -> Vec<u8> {
    with_checksum(kind, values, uncompressed_len, stored.len(), crc32fast::hash(stored) as i32)
}

/// Length of the header of an uncompressed body of `len` bytes. It holds for fifteen of sixteen checksums; the
/// header of the others is shorter.
pub(super) fn usual_len(kind: PageKind, values: usize, len: usize) -> usize {
    with_checksum(kind, values, len, len, i32::MAX).len()
}

fn with_checksum(kind: PageKind, values: usize, uncompressed_len: usize, stored_len: usize, crc32: i32) -> Vec<u8> {
    let (page_type, encoding) = kind.numbers();
    let mut out = ThriftStruct::default();
    out.i32(1, page_type);
    out.i32(2, uncompressed_len as i32);
    out.i32(3, stored_len as i32);
    out.i32(4, crc32);
    let mut inner = ThriftStruct::default();
    inner.i32(1, values as i32);
    inner.i32(2, encoding);
    match kind {
        PageKind::Dictionary => out.nested(7, inner),
        PageKind::DictionaryIndices | PageKind::Plain => {
            inner.i32(3, RLE);
            inner.i32(4, RLE);
            out.nested(5, inner);
        }
    }
    out.finish()
}

/// A writer for the subset of Thrift's compact protocol that page headers use.
#[derive(Default)]
struct ThriftStruct {
    bytes: Vec<u8>,
    last_field: u8,
}

impl ThriftStruct {
    fn field(&mut self, id: u8, kind: u8) {
        self.bytes.push((id - self.last_field) << 4 | kind);
        self.last_field = id;
    }

    fn i32(&mut self, id: u8, value: i32) {
        const I32: u8 = 5;
        self.field(id, I32);
        let zigzag = (value << 1) ^ (value >> 31);
        push_varint(&mut self.bytes, u64::from(zigzag as u32));
    }

    fn nested(&mut self, id: u8, inner: ThriftStruct) {
        const STRUCT: u8 = 12;
        self.field(id, STRUCT);
        self.bytes.extend(inner.finish());
    }

    fn finish(mut self) -> Vec<u8> {
        const STOP: u8 = 0;
        self.bytes.push(STOP);
        self.bytes
    }
}
