//! Decodes JPEG 2000: JP2 files and bare codestreams. The home of `hayro-jpeg2000`.
//!
//! CMYK becomes RGB as in JPEGs; CIE Lab is refused. A file that ends within the data of a tile is truncated: the
//! decoder would make a coarser image of it.

use hayro_jpeg2000::{ColorSpace, DecodeSettings, DecoderContext, Image};
use image::{ColorType, ImageDecoder, ImageResult};

use super::sample::Sample;
use crate::error::RecordError;

const CODESTREAM: [u8; 4] = [0xFF, 0x4F, 0xFF, 0x51];

/// A JPEG 2000 image whose header was read.
pub(super) struct Jpeg2000<'a> {
    image: Image<'a>,
    color: ColorType,
}

impl<'a> Jpeg2000<'a> {
    /// Reads the header.
    pub(super) fn new(file: &'a [u8]) -> Result<Jpeg2000<'a>, RecordError> {
        let image = Image::new(file, &DecodeSettings::default()).map_err(malformed)?;
        if ends_early(file) {
            return Err(RecordError::Truncated);
        }
        let color = color_type(&image)?;
        Ok(Jpeg2000 { image, color })
    }

    fn read(&self, out: &mut [u8]) -> Result<(), RecordError> {
        let mut context = DecoderContext::default();
        let decoded = self.image.decode(&mut context).map_err(malformed)?;
        let components = decoded.components();
        let pixels = self.image.width() as usize * self.image.height() as usize;
        let is_cmyk = self.image.color_space().num_channels() == 4;
        let channels = usize::from(self.color.channel_count());
        if components.len() != channels + usize::from(is_cmyk) || components.iter().any(|c| c.samples().len() != pixels)
        {
            return Err(RecordError::UnsupportedVariant("JPEG 2000 components of several sizes".into()));
        }
        let planes: Vec<_> =
            components.iter().map(|c| (c.samples(), 1.0 / ((1_u64 << c.bit_depth()) - 1) as f32)).collect();
        let sample = |channel: usize, at: usize| {
            let of = |plane: usize| planes[plane].0[at] * planes[plane].1;
            match is_cmyk {
                true if channel < 3 => (1.0 - of(channel)) * (1.0 - of(3)),
                true => of(channel + 1),
                false => of(channel),
            }
        };
        let places = (0..pixels).flat_map(|at| (0..channels).map(move |channel| (channel, at)));
        if usize::from(self.color.bytes_per_pixel()) == channels {
            out.iter_mut().zip(places).for_each(|(out, (channel, at))| *out = u8::from_f32(sample(channel, at)));
        } else {
            let out = out.as_chunks_mut().0.iter_mut();
            out.zip(places).for_each(|(out, (channel, at))| *out = u16::from_f32(sample(channel, at)).to_ne_bytes());
        }
        Ok(())
    }
}

fn color_type(image: &Image<'_>) -> Result<ColorType, RecordError> {
    let unsupported = |what: &str| Err(RecordError::UnsupportedVariant(format!("JPEG 2000 images in {what}")));
    if matches!(image.color_space(), ColorSpace::Icc { profile, .. } if profile.get(16..20) == Some(b"Lab ")) {
        return unsupported("CIE Lab");
    }
    Ok(match (image.color_space().num_channels(), image.has_alpha(), image.original_bit_depth() > 8) {
        (1, false, false) => ColorType::L8,
        (1, false, true) => ColorType::L16,
        (1, true, false) => ColorType::La8,
        (1, true, true) => ColorType::La16,
        (3 | 4, false, false) => ColorType::Rgb8,
        (3 | 4, false, true) => ColorType::Rgb16,
        (3 | 4, true, false) => ColorType::Rgba8,
        (3 | 4, true, true) => ColorType::Rgba16,
        (channels, ..) => return unsupported(&format!("{channels} channels")),
    })
}

/// Whether the file ends before a tile does that it begins, or before its first tile.
fn ends_early(file: &[u8]) -> bool {
    let Some(start) = file.windows(CODESTREAM.len()).position(|bytes| bytes == CODESTREAM) else { return true };
    let number = |at: usize, length: usize| {
        let bytes = file.get(at..at + length)?;
        Some(bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    };
    let mut at = start + 2;
    loop {
        match number(at, 2) {
            // The start of a tile's part: its length is counted from here; 0 is up to the end.
            Some(0xFF90) => match number(at + 6, 4) {
                Some(0) => return !file.ends_with(&[0xFF, 0xD9]),
                Some(length) => at += length.max(12),
                None => return true,
            },
            Some(0xFFD9) => return false,
            Some(0xFF4F..=0xFF6F) => match number(at + 2, 2) {
                Some(length) => at += 2 + length,
                None => return true,
            },
            Some(_) => return false,
            // Without a marker at the end all the same, if the last tile ends there.
            None => return at > file.len() || !is_after_tile(file, start, at),
        }
    }
}

/// Whether there is a tile before an offset.
fn is_after_tile(file: &[u8], start: usize, end: usize) -> bool {
    file[start..end.min(file.len())].windows(2).any(|bytes| bytes == [0xFF, 0x90])
}

impl ImageDecoder for Jpeg2000<'_> {
    fn dimensions(&self) -> (u32, u32) {
        (self.image.width(), self.image.height())
    }

    fn color_type(&self) -> ColorType {
        self.color
    }

    fn icc_profile(&mut self) -> ImageResult<Option<Vec<u8>>> {
        Ok(match self.image.color_space() {
            ColorSpace::Icc { profile, num_channels: 1 | 3 } => Some(profile.clone()),
            _ => None,
        })
    }

    fn read_image(self, out: &mut [u8]) -> ImageResult<()> {
        self.read(out).map_err(super::unread)
    }

    fn read_image_boxed(self: Box<Self>, out: &mut [u8]) -> ImageResult<()> {
        self.read(out).map_err(super::unread)
    }
}

fn malformed(error: impl std::fmt::Display) -> RecordError {
    RecordError::Malformed(format!("JPEG 2000: {error}"))
}
