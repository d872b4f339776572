//! Encodes resized images as JPEG and PNG files.

use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, SamplingFactor};

use crate::format::row_counts::MOST_BYTES;
use crate::spec::{
    Channels, Color, ColorProfile, CropRatio, Dtype, Encoding, Filter, Fit, Layout, Spec, SpecError, Storage,
};

/// Quality below which chroma is halved.
const FULL_CHROMA: u8 = 90;

/// Longest side of a JPEG that libjpeg decodes (`JPEG_MAX_DIMENSION`), and with it Pillow, OpenCV and torchvision.
const JPEG_SIDE: u32 = 65_500;

/// Encoder of pixels as image files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Encoder {
    encoding: Encoding,
    quality: u8,
    channels: Channels,
    height: u32,
    width: u32,
}

impl Encoder {
    /// The encoder of a spec's resized images; none if the spec stores tensors or unchanged files.
    ///
    /// # Errors
    /// If a setting has no effect on encoded images, or only on them.
    pub(crate) fn new(spec: &Spec) -> Result<Option<Encoder>, SpecError> {
        check(spec)?;
        let size = spec.size.filter(|_| spec.storage == Storage::Encoded);
        Ok(size.map(|size| Encoder {
            encoding: spec.encoding.unwrap_or_default(),
            quality: spec.quality.unwrap_or_default().into(),
            channels: spec.channels,
            height: size.height(),
            width: size.width(),
        }))
    }

    /// Estimated size of the file for `pixels` bytes of pixels, in bytes, tables included. Drawings take more, smooth
    /// photos less.
    pub(crate) fn typical_bytes(&self, pixels: usize) -> usize {
        typical_bytes(self.encoding, self.quality, pixels)
    }

    /// Encodes an image of shape `[H, W, C]`; returns the bytes of the file.
    pub(crate) fn encode(&self, pixels: &[u8]) -> Vec<u8> {
        match self.encoding {
            Encoding::Jpeg => jpeg(pixels, self.width, self.height, self.channels, self.quality),
            Encoding::Png => png(pixels, self.width, self.height, self.channels),
        }
    }
}

/// Estimated size of a file for `pixels` bytes of pixels, in bytes, tables included. Drawings take more, smooth photos
/// less.
fn typical_bytes(encoding: Encoding, quality: u8, pixels: usize) -> usize {
    match (encoding, quality) {
        (Encoding::Jpeg, ..FULL_CHROMA) => pixels / 16 + 1024,
        (Encoding::Jpeg, FULL_CHROMA..95) => pixels / 8 + 1024,
        (Encoding::Jpeg, 95..100) => pixels / 5 + 1024,
        (Encoding::Jpeg, _) => pixels / 3 + 1024,
        (Encoding::Png, _) => pixels / 2 + 128,
    }
}

/// A JPEG of an image of shape `[H, W, C]` without alpha; quality 1 to 100.
pub(crate) fn jpeg(pixels: &[u8], width: u32, height: u32, channels: Channels, quality: u8) -> Vec<u8> {
    let mut file = Vec::with_capacity(typical_bytes(Encoding::Jpeg, quality, pixels.len()));
    let mut encoder = jpeg_encoder::Encoder::new(&mut file, quality);
    let halved = quality < FULL_CHROMA;
    encoder.set_sampling_factor(if halved { SamplingFactor::F_2_2 } else { SamplingFactor::F_1_1 });
    encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
    let color = if channels == Channels::Gray { ColorType::Luma } else { ColorType::Rgb };
    let side = |side: u32| u16::try_from(side).expect("sides are at most 65,535");
    let written = encoder.encode(pixels, side(width), side(height), color);
    written.expect("an image of its size is written to memory");
    file
}

/// A PNG of an image of shape `[H, W, C]`.
pub(crate) fn png(pixels: &[u8], width: u32, height: u32, channels: Channels) -> Vec<u8> {
    let mut file = Vec::with_capacity(typical_bytes(Encoding::Png, 0, pixels.len()));
    let mut encoder = png::Encoder::new(&mut file, width, height);
    // The next level makes photos 7 % smaller, but a conversion three times slower.
    encoder.set_compression(png::Compression::Fast);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_color(match channels {
        Channels::Gray => png::ColorType::Grayscale,
        Channels::Rgb => png::ColorType::Rgb,
        Channels::Rgba => png::ColorType::Rgba,
    });
    let write = || encoder.write_header()?.write_image_data(pixels);
    write().expect("an image of its size is written to memory");
    file
}

/// Checks that every setting has an effect on what the spec stores.
///
/// # Errors
/// If one doesn't.
fn check(spec: &Spec) -> Result<(), SpecError> {
    if spec.storage != Storage::Encoded {
        let settings = [("--encoding", spec.encoding.is_some()), ("--quality", spec.quality.is_some())];
        let set = settings.into_iter().find(|(_, is_set)| *is_set);
        return match (set, spec.size) {
            (Some((what, _)), _) => Err(SpecError::NotEncoded(what)),
            (None, None) => Err(SpecError::NoSize),
            (None, Some(_)) => Ok(()),
        };
    }
    let tensors = [
        ("--dtype", spec.dtype != Dtype::U8),
        ("--layout", spec.layout != Layout::Hwc),
        ("--scale", spec.scale.is_some()),
        ("--mean", spec.mean.is_some()),
        ("--std", spec.std.is_some()),
    ];
    if let Some((what, _)) = tensors.into_iter().find(|(_, is_set)| *is_set) {
        return Err(SpecError::NoTensors(what));
    }
    let Some(size) = spec.size else {
        return match changes(spec) {
            Some(what) => Err(SpecError::Untouched(what)),
            None if spec.limits.file_bytes.0 > MOST_BYTES => Err(SpecError::StoredFileBytes { most: MOST_BYTES }),
            None => Ok(()),
        };
    };
    let encoding = spec.encoding.unwrap_or_default();
    match (encoding, spec.channels, spec.quality) {
        (Encoding::Jpeg, Channels::Rgba, _) => Err(SpecError::UnknownToEncoding { encoding, what: "alpha channel" }),
        (Encoding::Png, _, Some(_)) => Err(SpecError::UnknownToEncoding { encoding, what: "quality setting" }),
        (Encoding::Jpeg, ..) if size.height().max(size.width()) > JPEG_SIDE => {
            Err(SpecError::JpegSide { most: JPEG_SIDE })
        }
        _ => Ok(()),
    }
}

/// First option, not at its default, that changes pixels or how they are stored.
fn changes(spec: &Spec) -> Option<&'static str> {
    let settings = [
        ("--encoding", spec.encoding.is_some()),
        ("--quality", spec.quality.is_some()),
        ("--channels", spec.channels != Channels::Rgb),
        ("--fit", spec.fit != Fit::Stretch),
        ("--crop-ratio", spec.crop_ratio != CropRatio::default()),
        ("--only-shrink", spec.only_shrink),
        ("--pad-color", spec.pad_color != Color::default()),
        ("--resize-like", spec.resize_like.is_some()),
        ("--filter", spec.filter != Filter::Bilinear),
        ("--no-antialias", !spec.antialias),
        ("--no-exif", !spec.exif),
        ("--color-profile", spec.color_profile != ColorProfile::Keep),
        ("--jpeg-shrink", spec.jpeg_shrink.is_some()),
    ];
    settings.into_iter().find(|(_, is_set)| *is_set).map(|(what, _)| what)
}
