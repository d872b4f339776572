//! The metadata that are used, orientation and color profile, read from the file itself: decoders read all metadata,
//! and keep several copies, whether or not they are asked for. What is not used is not inflated, and what is used has a
//! limit; beyond it, it is ignored like metadata that are broken.

use std::borrow::Cow;
use std::io::{self, BufRead, Read, Seek, SeekFrom};

use fdeflate::BoundedDecompressionError;
use image::metadata::Orientation;
use image::{ImageDecoder, ImageFormat};

use super::Format;
use super::chunks::{PNG_SIGNATURE, PngChunk, png_chunks, segment, segments, tiff_fields, webp_chunks};

/// Most bytes of EXIF data.
const MOST_EXIF: usize = 1 << 20;

/// Most bytes of a color profile, inflated. Those of printers, the largest, take 1 to 3 MB.
const MOST_PROFILE: usize = 4 << 20;

/// The orientation that a file's EXIF data state.
pub(super) fn orientation(format: Format, file: &[u8], decoder: &mut dyn ImageDecoder) -> Orientation {
    const ORIENTATION: u16 = 274;
    let exif = match format {
        Format::Image(ImageFormat::Png) => png_chunk(file, b"eXIf"),
        Format::Image(ImageFormat::Jpeg) => jpeg_exif(file),
        Format::Image(ImageFormat::WebP) => webp_chunk(file, b"EXIF"),
        Format::Image(ImageFormat::Tiff)
            if tiff_fields(file).any(|field| field.tag == ORIENTATION && field.count != 1) =>
        {
            None
        }
        // A field of the directory itself; other formats have none.
        _ => return decoder.orientation().unwrap_or(Orientation::NoTransforms),
    };
    let exif = exif.filter(|exif| exif.len() <= MOST_EXIF);
    exif.and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms)
}

/// The color profile in a file.
pub(super) fn color_profile<'a>(
    format: Format,
    file: &'a [u8],
    decoder: &mut dyn ImageDecoder,
) -> Option<Cow<'a, [u8]>> {
    let profile = match format {
        Format::Image(ImageFormat::Png) => Cow::Owned(inflate_profile(png_chunk(file, b"iCCP")?)?),
        Format::Image(ImageFormat::Jpeg) => Cow::Owned(jpeg_profile(file)?),
        Format::Image(ImageFormat::WebP) => Cow::Borrowed(webp_chunk(file, b"ICCP")?),
        Format::Image(ImageFormat::Tiff) => Cow::Borrowed(tiff_profile(file)?),
        // Icons; other formats have none.
        _ => Cow::Owned(decoder.icc_profile().ok()??),
    };
    Some(profile).filter(|profile| profile.len() <= MOST_PROFILE)
}

/// The first chunk of a PNG with this name that is as it was written.
fn png_chunk<'a>(file: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    let mut chunks = png_chunks(file).filter(|chunk| chunk.kind == *name);
    chunks.find(PngChunk::is_sound).map(|chunk| chunk.data)
}

/// The profile of a PNG's chunk.
fn inflate_profile(chunk: &[u8]) -> Option<Vec<u8>> {
    fdeflate::decompress_to_vec_bounded(profile_stream(chunk)?, MOST_PROFILE).ok()
}

/// Whether the profile of a PNG's chunk inflates beyond the limit.
pub(super) fn is_large_profile(chunk: &[u8]) -> bool {
    let inflate = |stream| fdeflate::decompress_to_vec_bounded(stream, MOST_PROFILE);
    matches!(profile_stream(chunk).map(inflate), Some(Err(BoundedDecompressionError::OutputTooLarge { .. })))
}

/// The zlib stream of a PNG's color profile, after a name of 1 to 79 bytes, a zero, and the compression method 0.
fn profile_stream(chunk: &[u8]) -> Option<&[u8]> {
    let name = chunk.iter().take(80).position(|byte| *byte == 0).filter(|length| *length > 0)?;
    match chunk.get(name + 1..)? {
        [0, stream @ ..] => Some(stream),
        _ => None,
    }
}

/// The last EXIF data of a JPEG.
fn jpeg_exif(file: &[u8]) -> Option<&[u8]> {
    const APP1: u8 = 0xE1;
    let segments = segments(file).filter(|segment| segment.marker == APP1);
    segments.filter_map(|segment| segment.data.strip_prefix(b"Exif\0\0")).filter(|exif| !exif.is_empty()).last()
}

/// The profile of a JPEG, which may be divided among segments: each says its number, from 1 on, and how many there are.
fn jpeg_profile(file: &[u8]) -> Option<Vec<u8>> {
    const APP2: u8 = 0xE2;
    let segments = segments(file).filter(|segment| segment.marker == APP2);
    let parts = segments.filter_map(|segment| match segment.data.strip_prefix(b"ICC_PROFILE\0")? {
        [number, count, part @ ..] => Some((*number, usize::from(*count), part)),
        _ => None,
    });
    let mut parts: Vec<_> = parts.take(usize::from(u8::MAX)).collect();
    parts.sort_by_key(|(number, ..)| *number);
    let is_whole = (1..).zip(&parts).all(|(at, (number, count, _))| *number == at && *count == parts.len());
    let length: usize = parts.iter().map(|(.., part)| part.len()).sum();
    let is_usable = !parts.is_empty() && parts.len() < usize::from(u8::MAX) && is_whole && length <= MOST_PROFILE;
    is_usable.then(|| parts.iter().flat_map(|(.., part)| part.iter().copied()).collect())
}

/// A chunk of an extended WebP.
fn webp_chunk<'a>(file: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    let mut chunks = webp_chunks(file);
    chunks.next().filter(|(first, _)| first == b"VP8X")?;
    chunks.find(|(found, _)| found == name).map(|(_, content)| content)
}

fn tiff_profile(file: &[u8]) -> Option<&[u8]> {
    const PROFILE: u16 = 34_675;
    const BYTES: [u16; 2] = [1, 7];
    let field = tiff_fields(file).find(|field| field.tag == PROFILE && BYTES.contains(&field.kind))?;
    field.values.get(..usize::try_from(field.count).ok()?)
}

/// A file as its decoder is to see it: without metadata, if the format is PNG or JPEG, whose decoders would copy and
/// inflate them. It is read from the start to the end.
pub(super) struct WithoutMetadata<'a> {
    file: &'a [u8],
    /// Offset of the next byte, and of the end of the visible bytes from there on.
    at: usize,
    end: usize,
    /// The range of the visible bytes at or after an offset that does not follow hidden ones.
    visible: fn(&[u8], usize) -> (usize, usize),
}

impl<'a> WithoutMetadata<'a> {
    pub(super) fn png(file: &'a [u8]) -> WithoutMetadata<'a> {
        // The header has to come first.
        let header = PngChunk::at(file, PNG_SIGNATURE.len()).map_or(file.len(), |chunk| chunk.end);
        WithoutMetadata { file, at: 0, end: header, visible: visible_of_png }
    }

    pub(super) fn jpeg(file: &'a [u8]) -> WithoutMetadata<'a> {
        WithoutMetadata { file, at: 0, end: file.len().min(2), visible: visible_of_jpeg }
    }
}

fn visible_of_png(file: &[u8], mut at: usize) -> (usize, usize) {
    loop {
        match PngChunk::at(file, at) {
            Some(chunk) if chunk.is_metadata() => at = chunk.end,
            Some(chunk) if chunk.kind != *b"IDAT" => return (at, chunk.end),
            _ => return (at, file.len()),
        }
    }
}

fn visible_of_jpeg(file: &[u8], mut at: usize) -> (usize, usize) {
    loop {
        let Some(segment) = segment(file, at).filter(|segment| !segment.is_scan() && segment.range.end <= file.len())
        else {
            return (at, file.len());
        };
        // APP0 and APP14 decide how samples are decoded.
        let is_metadata = matches!(segment.marker, 0xE1..=0xED | 0xEF | 0xFE);
        match is_metadata {
            true if segment.range.start > at => return (at, segment.range.start),
            true => at = segment.range.end,
            false => return (at, segment.range.end),
        }
    }
}

impl Read for WithoutMetadata<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }

    fn read_to_end(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let before = buffer.len();
        buffer.reserve_exact(self.file.len() - self.at);
        loop {
            let bytes = self.fill_buf()?;
            let count = bytes.len();
            if count == 0 {
                return Ok(buffer.len() - before);
            }
            buffer.extend_from_slice(bytes);
            self.consume(count);
        }
    }
}

impl BufRead for WithoutMetadata<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.end && self.end < self.file.len() {
            (self.at, self.end) = (self.visible)(self.file, self.at);
        }
        Ok(&self.file[self.at..self.end])
    }

    fn consume(&mut self, count: usize) {
        self.at = self.end.min(self.at + count);
    }
}

impl Seek for WithoutMetadata<'_> {
    /// The decoders of these formats read from the start to the end.
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
        let checksum = crc32fast::hash(&[kind, data].concat());
        [&(data.len() as u32).to_be_bytes(), &kind[..], data, &checksum.to_be_bytes()].concat()
    }

    fn read(mut file: WithoutMetadata<'_>) -> Vec<u8> {
        let mut read = Vec::new();
        let count = file.read_to_end(&mut read).unwrap();
        assert_eq!(count, read.len());
        read
    }

    #[test]
    fn png_is_shown_without_metadata() {
        let (header, palette) = (chunk(b"IHDR", &[1; 13]), chunk(b"PLTE", &[2; 3]));
        let metadata = [chunk(b"iCCP", b"name\0\0"), chunk(b"zTXt", b"a"), chunk(b"eXIf", b"II")].concat();
        let pixels = [chunk(b"IDAT", &[3; 9]), chunk(b"tEXt", b"after"), chunk(b"IEND", &[])].concat();
        let file = |parts: &[&[u8]]| [&PNG_SIGNATURE[..], &parts.concat()].concat();
        let whole = file(&[&header, &metadata, &palette, &metadata, &pixels]);
        let shown = file(&[&header, &palette, &pixels]);
        assert_eq!(read(WithoutMetadata::png(&whole)), shown);
        assert_eq!(read(WithoutMetadata::png(&shown)), shown);
        // Nothing is hidden where chunks are broken, or before the header.
        let broken = [file(&[&header, &metadata]), metadata[..5].to_vec()].concat();
        assert_eq!(read(WithoutMetadata::png(&broken)), [file(&[&header]), metadata[..5].to_vec()].concat());
        assert_eq!(read(WithoutMetadata::png(&file(&[&metadata[..]]))), file(&[&chunk(b"iCCP", b"name\0\0")]));
        assert_eq!(read(WithoutMetadata::png(b"short")), b"short");
    }

    #[test]
    fn jpeg_is_shown_without_metadata() {
        let start = [0xFF, 0xD8, 0xFF, 0xE0, 0, 3, 7];
        let metadata = [0xFF, 0xE1, 0, 4, 0xFF, 0xDA, 0xFF, 0xFE, 0, 2];
        let adobe = [0xFF, 0xEE, 0, 3, 1];
        let scan = [0xFF, 0xDA, 0, 2, 1, 0xFF, 0xE1, 0, 2, 0xFF, 0xD9];
        let whole = [&start[..], &metadata, &[9], &metadata, &adobe, &metadata, &scan].concat();
        assert_eq!(read(WithoutMetadata::jpeg(&whole)), [&start[..], &[9], &adobe, &scan].concat());
        // A segment that the file cuts off is shown.
        let cut = [&start[..], &metadata[..5]].concat();
        assert_eq!(read(WithoutMetadata::jpeg(&cut)), cut);
        assert_eq!(read(WithoutMetadata::jpeg(&[0xFF])), [0xFF]);
    }

    #[test]
    fn profiles_divided_among_segments_are_joined() {
        let part = |number: u8, count: u8, part: &[u8]| {
            let data = [b"ICC_PROFILE\0", &[number, count][..], part].concat();
            [&[0xFF, 0xE2, 0, data.len() as u8 + 2][..], &data].concat()
        };
        let jpeg = |parts: &[Vec<u8>]| [&[0xFF, 0xD8][..], &parts.concat(), &[0xFF, 0xDA, 0, 2]].concat();
        let of = |parts: &[Vec<u8>]| jpeg_profile(&jpeg(parts));
        assert_eq!(of(&[part(2, 2, b"cd"), part(1, 2, b"ab")]).unwrap(), b"abcd");
        assert_eq!(of(&[part(1, 2, b"ab")]), None);
        assert_eq!(of(&[part(1, 2, b"ab"), part(1, 2, b"cd")]), None);
        assert_eq!(of(&[part(0, 1, b"ab")]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn profiles_of_png_are_inflated_up_to_a_limit() {
        // A stored block, then its checksum.
        let zlib = [&b"\x78\x01\x01\x03\x00\xfc\xff"[..], b"icc", &[0x02, 0x67, 0x01, 0x30]].concat();
        let stream = |name: &[u8], method: u8| [name, &[0, method], &zlib].concat();
        assert_eq!(inflate_profile(&stream(b"name", 0)).unwrap(), b"icc");
        assert_eq!(inflate_profile(&stream(b"name", 1)), None);
        assert_eq!(inflate_profile(&stream(b"", 0)), None);
        assert_eq!(inflate_profile(&stream(&[b'n'; 80], 0)), None);
        assert_eq!(inflate_profile(b"name"), None);
    }
}
