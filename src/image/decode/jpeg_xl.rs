//! Decodes JPEG XL. The home of `jxl-oxide`.
//!
//! The orientation is part of the coded image and is always applied; EXIF says nothing about it. Colors are those of the
//! file's own color space, and CMYK is converted to sRGB by the file's profile.

use image::{ColorType, ImageDecoder, ImageResult, Limits};
use jxl_oxide::image::{BitDepth, ExtraChannelType};
use jxl_oxide::{
    AllocTracker, EnumColourEncoding, InitializeResult, JxlImage, JxlThreadPool, PixelFormat, RenderingIntent,
};

use super::sample::Sample;
use crate::error::RecordError;

/// Bytes that the decoder may take before the size of the image is known.
const OF_HEADER: usize = 16 << 20;

/// Bytes of the file that are read at first, to know the size of the image.
const FIRST: usize = 1 << 12;

/// Bytes of the file that are read at a time after that.
const STEP: usize = 1 << 16;

/// A JPEG XL image whose header was read.
pub(super) struct JpegXl<'a> {
    image: JxlImage,
    /// The file from where it was read on.
    rest: &'a [u8],
    tracker: AllocTracker,
    is_premultiplied: bool,
}

impl<'a> JpegXl<'a> {
    /// Reads the header.
    pub(super) fn new(file: &'a [u8]) -> Result<JpegXl<'a>, RecordError> {
        let tracker = AllocTracker::with_limit(OF_HEADER);
        let builder = JxlImage::builder().pool(JxlThreadPool::none()).alloc_tracker(tracker.clone());
        let (mut header, mut rest, mut step) = (builder.build_uninit(), file, FIRST);
        let mut image = loop {
            let (next, _) = rest.split_at(step.min(rest.len()));
            let used = header.feed_bytes(next).map_err(malformed)?;
            if used == 0 {
                return Err(RecordError::Truncated);
            }
            rest = &rest[used..];
            // The header is parsed anew each time.
            step *= 2;
            header = match header.try_init().map_err(malformed)? {
                InitializeResult::Initialized(image) => break image,
                InitializeResult::NeedMoreData(header) => header,
            };
        };
        if image.pixel_format().has_black() {
            image.request_color_encoding(EnumColourEncoding::srgb(RenderingIntent::Relative));
        }
        let is_premultiplied = image
            .image_header()
            .metadata
            .ec_info
            .iter()
            .any(|channel| matches!(channel.ty, ExtraChannelType::Alpha { alpha_associated: true }));
        Ok(JpegXl { image, rest, tracker, is_premultiplied })
    }

    fn read(&mut self, out: &mut [u8]) -> Result<(), RecordError> {
        while self.image.num_loaded_keyframes() == 0 {
            let (next, _) = self.rest.split_at(STEP.min(self.rest.len()));
            let used = self.image.feed_bytes(next).map_err(malformed)?;
            if used == 0 {
                return Err(RecordError::Truncated);
            }
            self.rest = &self.rest[used..];
        }
        let frame = self.image.render_frame(0).map_err(malformed)?;
        let mut stream = frame.stream();
        let color = self.color_type();
        let channels = usize::from(color.channel_count());
        if (stream.width(), stream.height(), stream.channels() as usize)
            != (self.image.width(), self.image.height(), channels)
        {
            return Err(RecordError::UnsupportedVariant("a JPEG XL frame of another shape than the image".into()));
        }
        let mut line = vec![0.0; stream.width() as usize * channels];
        for out in out.chunks_exact_mut(line.len() * usize::from(color.bytes_per_pixel()) / channels) {
            stream.write_to_buffer(&mut line);
            if self.is_premultiplied && color.has_alpha() {
                line.chunks_exact_mut(channels).for_each(divide_by_alpha);
            }
            match usize::from(color.bytes_per_pixel()) / channels {
                1 => out.iter_mut().zip(&line).for_each(|(out, sample)| *out = u8::from_f32(*sample)),
                2 => {
                    let out = out.as_chunks_mut().0.iter_mut();
                    out.zip(&line).for_each(|(out, sample)| *out = u16::from_f32(*sample).to_ne_bytes());
                }
                _ => {
                    let out = out.as_chunks_mut().0.iter_mut();
                    out.zip(&line).for_each(|(out, sample)| *out = sample.to_ne_bytes());
                }
            }
        }
        Ok(())
    }
}

/// Undoes the multiplication of colors by alpha.
fn divide_by_alpha(pixel: &mut [f32]) {
    if let Some((alpha, colors)) = pixel.split_last_mut().filter(|(alpha, _)| **alpha > 0.0) {
        colors.iter_mut().for_each(|color| *color /= *alpha);
    }
}

impl ImageDecoder for JpegXl<'_> {
    fn dimensions(&self) -> (u32, u32) {
        (self.image.width(), self.image.height())
    }

    fn color_type(&self) -> ColorType {
        let depth = self.image.image_header().metadata.bit_depth;
        let is_float = matches!(depth, BitDepth::FloatSample { .. }) || depth.bits_per_sample() > 16;
        let is_wide = depth.bits_per_sample() > 8;
        match (self.image.pixel_format(), is_float, is_wide) {
            (PixelFormat::Gray, _, false) => ColorType::L8,
            (PixelFormat::Gray, _, true) => ColorType::L16,
            (PixelFormat::Graya, _, false) => ColorType::La8,
            (PixelFormat::Graya, _, true) => ColorType::La16,
            (PixelFormat::Rgb | PixelFormat::Cmyk, true, _) => ColorType::Rgb32F,
            (PixelFormat::Rgb | PixelFormat::Cmyk, _, true) => ColorType::Rgb16,
            (PixelFormat::Rgb | PixelFormat::Cmyk, _, false) => ColorType::Rgb8,
            (PixelFormat::Rgba | PixelFormat::Cmyka, true, _) => ColorType::Rgba32F,
            (PixelFormat::Rgba | PixelFormat::Cmyka, _, true) => ColorType::Rgba16,
            (PixelFormat::Rgba | PixelFormat::Cmyka, _, false) => ColorType::Rgba8,
        }
    }

    fn icc_profile(&mut self) -> ImageResult<Option<Vec<u8>>> {
        Ok(Some(self.image.rendered_icc()))
    }

    fn set_limits(&mut self, limits: Limits) -> ImageResult<()> {
        let more = limits.max_alloc.map_or(usize::MAX >> 1, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX >> 1));
        self.tracker.expand_limit(more);
        Ok(())
    }

    fn read_image(mut self, out: &mut [u8]) -> ImageResult<()> {
        self.read(out).map_err(super::unread)
    }

    fn read_image_boxed(mut self: Box<Self>, out: &mut [u8]) -> ImageResult<()> {
        self.read(out).map_err(super::unread)
    }
}

fn malformed(error: impl std::fmt::Display) -> RecordError {
    RecordError::Malformed(format!("JPEG XL: {error}"))
}
