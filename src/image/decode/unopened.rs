//! The default decoder of JPEGs that libjpeg-turbo is to decode. To read its header, it copies the file and makes tables, so
//! it is opened only for a file that libjpeg-turbo refuses.

use image::codecs::jpeg::JpegDecoder;
use image::error::{DecodingError, ImageFormatHint};
use image::{ColorType, ImageDecoder, ImageError, ImageFormat, ImageResult, Limits};

use super::metadata::WithoutMetadata;
use super::turbojpeg::Header;

/// A JPEG by its header.
pub(super) struct Unopened<'a> {
    file: &'a [u8],
    dimensions: (u32, u32),
    color: ColorType,
    limits: Limits,
}

impl<'a> Unopened<'a> {
    pub(super) fn new(file: &'a [u8], header: &Header) -> Unopened<'a> {
        let dimensions = (header.width, header.height);
        Unopened { file, dimensions, color: header.colors.decoded(), limits: Limits::no_limits() }
    }
}

impl ImageDecoder for Unopened<'_> {
    fn dimensions(&self) -> (u32, u32) {
        self.dimensions
    }

    fn color_type(&self) -> ColorType {
        self.color
    }

    fn set_limits(&mut self, limits: Limits) -> ImageResult<()> {
        self.limits = limits;
        Ok(())
    }

    fn read_image(self, samples: &mut [u8]) -> ImageResult<()> {
        let mut decoder = JpegDecoder::new(WithoutMetadata::jpeg(self.file))?;
        if (decoder.dimensions(), decoder.color_type()) != (self.dimensions, self.color) {
            let format = ImageFormatHint::Exact(ImageFormat::Jpeg);
            return Err(ImageError::Decoding(DecodingError::new(format, "the file has several headers")));
        }
        decoder.set_limits(self.limits)?;
        decoder.read_image(samples)
    }

    fn read_image_boxed(self: Box<Self>, samples: &mut [u8]) -> ImageResult<()> {
        (*self).read_image(samples)
    }
}
