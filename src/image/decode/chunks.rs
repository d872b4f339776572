//! Walks over the parts that files consist of, without copying any: chunks of a PNG or a WebP, segments of a JPEG,
//! fields of a TIFF. A walk ends where the file ends or is broken.

use std::ops::Range;

const START_OF_SCAN: u8 = 0xDA;

/// Bytes at the start of a PNG.
pub(super) const PNG_SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// Chunk of a PNG.
pub(super) struct PngChunk<'a> {
    pub(super) kind: [u8; 4],
    pub(super) data: &'a [u8],
    /// Offset of the next chunk.
    pub(super) end: usize,
    /// Checksum of the kind and the data, as it is in the file.
    checksum: u32,
}

impl<'a> PngChunk<'a> {
    /// The whole chunk at an offset.
    pub(super) fn at(file: &'a [u8], at: usize) -> Option<PngChunk<'a>> {
        let (head, rest) = file.get(at..)?.split_at_checked(8)?;
        let length = be_u32(head)? as usize;
        let (data, rest) = rest.split_at_checked(length)?;
        let checksum = be_u32(rest)?;
        Some(PngChunk { kind: head[4..].try_into().ok()?, data, end: at + 12 + length, checksum })
    }

    /// Whether the data are metadata, which have no limit.
    pub(super) fn is_metadata(&self) -> bool {
        matches!(&self.kind, b"eXIf" | b"iCCP" | b"tEXt" | b"zTXt" | b"iTXt")
    }

    /// Whether the data are what was written.
    pub(super) fn is_sound(&self) -> bool {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.kind);
        hasher.update(self.data);
        hasher.finalize() == self.checksum
    }
}

/// The chunks of a PNG before its pixels.
pub(super) fn png_chunks(file: &[u8]) -> impl Iterator<Item = PngChunk<'_>> {
    let mut at = PNG_SIGNATURE.len();
    let next = move || {
        let chunk = PngChunk::at(file, at)?;
        at = chunk.end;
        Some(chunk)
    };
    std::iter::from_fn(next).take_while(|chunk| chunk.kind != *b"IDAT")
}

/// Segment of a JPEG.
pub(super) struct Segment<'a> {
    pub(super) marker: u8,
    /// Content after the length; cut off if the file ends within it.
    pub(super) data: &'a [u8],
    /// Offsets of the marker and of what follows, which is past the end of a file that is cut off.
    pub(super) range: Range<usize>,
}

impl Segment<'_> {
    pub(super) fn is_scan(&self) -> bool {
        self.marker == START_OF_SCAN
    }
}

/// The next segment of a JPEG at or after an offset. Bytes between segments are passed over.
pub(super) fn segment(file: &[u8], mut at: usize) -> Option<Segment<'_>> {
    while *file.get(at)? != 0xFF || matches!(*file.get(at + 1)?, 0xFF | 0x00 | 0x01 | 0xD0..=0xD8) {
        at += 1;
    }
    let length = usize::from(u16::from_be_bytes([*file.get(at + 2)?, *file.get(at + 3)?]));
    let end = at + 2 + length;
    let data = file.get(at + 4..end.min(file.len())).unwrap_or_default();
    Some(Segment { marker: file[at + 1], data, range: at..end })
}

/// The segments of a JPEG up to its first scan.
pub(super) fn segments(file: &[u8]) -> impl Iterator<Item = Segment<'_>> {
    let mut at = Some(2);
    std::iter::from_fn(move || {
        let segment = segment(file, at?)?;
        at = (!segment.is_scan()).then_some(segment.range.end);
        Some(segment)
    })
}

/// The chunks of a WebP: name and content. Those of its first frame follow the frame.
pub(super) fn webp_chunks(file: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    // Of a frame: its place, size, duration and flags.
    const FRAME_HEADER: usize = 16;
    let (mut at, mut is_first_frame) = (12, true);
    std::iter::from_fn(move || {
        let (head, rest) = file.get(at..)?.split_at_checked(8)?;
        let name = head[..4].try_into().ok()?;
        let length = u32::from_le_bytes(head[4..].try_into().ok()?) as usize;
        let content = rest.get(..length)?;
        at += match name == *b"ANMF" && std::mem::take(&mut is_first_frame) {
            true => 8 + FRAME_HEADER,
            false => 8 + length + length % 2,
        };
        Some((name, content))
    })
}

/// Field of a TIFF's first directory.
pub(super) struct TiffField<'a> {
    pub(super) tag: u16,
    pub(super) kind: u16,
    /// Number of values.
    pub(super) count: u64,
    /// Offset of the values, or of their offset.
    pub(super) place: usize,
    /// The value, if it is one integer.
    pub(super) number: u64,
    /// The file from the values on, if they are not stored in the field itself.
    pub(super) values: &'a [u8],
}

/// The fields of a TIFF's first directory, of either version.
pub(super) fn tiff_fields(file: &[u8]) -> impl Iterator<Item = TiffField<'_>> {
    let directory = || {
        let is_little = file.starts_with(b"II");
        let is_big_tiff = number(file, 2, 2, is_little)? == 43;
        let (offset, size) = if is_big_tiff { (8, 8) } else { (4, 4) };
        let start = usize::try_from(number(file, offset, size, is_little)?).ok()?;
        let length = if is_big_tiff { 8 } else { 2 };
        let fields = number(file, start, length, is_little)?;
        Some((is_little, size, start.checked_add(length)?, fields))
    };
    let (is_little, size, start, fields) = directory().unwrap_or_default();
    // Tag, type, count, and the values or their offset.
    let fields = usize::try_from(fields).unwrap_or(usize::MAX).min(file.len());
    (0..fields).map_while(move |field| {
        let at = start.checked_add(field * (4 + 2 * size))?;
        let values = usize::try_from(number(file, at + 4 + size, size, is_little)?).ok();
        let kind = number(file, at + 2, 2, is_little)? as u16;
        Some(TiffField {
            tag: number(file, at, 2, is_little)? as u16,
            kind,
            count: number(file, at + 4, size, is_little)?,
            place: at + 4 + size,
            // A 16-bit integer is at the start of its place.
            number: number(file, at + 4 + size, if kind == 3 { 2 } else { size }, is_little)?,
            values: values.and_then(|values| file.get(values..)).unwrap_or_default(),
        })
    })
}

/// An unsigned integer of 2, 4 or 8 bytes.
fn number(file: &[u8], at: usize, size: usize, is_little: bool) -> Option<u64> {
    let bytes = file.get(at..at.checked_add(size)?)?;
    let push = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    Some(if is_little { bytes.iter().rev().fold(0, push) } else { bytes.iter().fold(0, push) })
}

/// The first four bytes as a big-endian number.
fn be_u32(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.first_chunk()?))
}
