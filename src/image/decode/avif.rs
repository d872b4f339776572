//! Decodes AVIF stills, and grids of them. The home of `re_rav1d`.
//!
//! Colors are converted by the matrix that the file names, BT.601 if it names none, and chroma is interpolated between
//! its samples, as libavif does. Samples of 10 and 12 bits become 16 bits. Of an animation, the still is decoded.

use image::metadata::Orientation;
use image::{ColorType, ImageDecoder, ImageResult};
use re_rav1d::dav1d::{self, PixelLayout, PlanarImageComponent};

use super::avif_file::{AvifFile, Picture};
use super::sample::Sample;
use crate::error::RecordError;

/// Matrix coefficients of ITU-T H.273 that say that the planes are green, blue and red.
const IDENTITY: u16 = 0;

/// An AVIF image whose header was read.
pub(super) struct Avif<'a> {
    file: AvifFile<'a>,
}

impl<'a> Avif<'a> {
    /// Reads the header.
    pub(super) fn new(file: &'a [u8]) -> Result<Avif<'a>, RecordError> {
        let file = AvifFile::read(file)?;
        let size = (file.colors.width, file.colors.height);
        if file.alpha.as_ref().is_some_and(|alpha| (alpha.width, alpha.height) != size) {
            return Err(RecordError::UnsupportedVariant("AVIF images with alpha of another size".into()));
        }
        Ok(Avif { file })
    }

    fn read(&self, out: &mut [u8]) -> Result<(), RecordError> {
        match self.file.depth {
            8 => self.read_samples(out, |sample: u8| [sample], |[sample]| f32::from(sample) / 255.0),
            _ => self.read_samples(out, u16::to_ne_bytes, |sample| f32::from(u16::from_ne_bytes(sample)) / 65_535.0),
        }
    }

    fn read_samples<S: Sample, const N: usize>(
        &self,
        out: &mut [u8],
        bytes: impl Fn(S) -> [u8; N],
        value: impl Fn([u8; N]) -> f32,
    ) -> Result<(), RecordError> {
        let (out, _) = out.as_chunks_mut::<N>();
        let channels = usize::from(self.color_type().channel_count());
        let AvifFile { colors, alpha, is_gray, coding, is_premultiplied, .. } = &self.file;
        if let Some(alpha) = alpha {
            each_tile(alpha, |frame, tile| {
                let gray = Converter::new(&frame, None)?;
                tile.each_pixel(out, channels, |x, y, pixel| {
                    pixel[channels - 1] = bytes(S::from_f32(gray.luma(x, y)));
                });
                Ok(())
            })?;
        }
        each_tile(colors, |frame, tile| {
            let rgb = Converter::new(&frame, *coding)?;
            tile.each_pixel(out, channels, |x, y, pixel: &mut [[u8; N]]| {
                let factor = match value(pixel[channels - 1]) {
                    alpha if *is_premultiplied && alpha > 0.0 => 1.0 / alpha,
                    _ => 1.0,
                };
                if *is_gray {
                    pixel[0] = bytes(S::from_f32(factor * rgb.luma(x, y)));
                } else {
                    let colors = rgb.color(x, y);
                    pixel.iter_mut().zip(colors).for_each(|(out, color)| *out = bytes(S::from_f32(factor * color)));
                }
            });
            Ok(())
        })
    }
}

/// Place of a tile in its picture.
struct Tile {
    left: usize,
    top: usize,
    /// Width of the picture.
    width: usize,
    /// Size of the tile.
    size: (usize, usize),
}

impl Tile {
    /// Visits the pixels of the picture that the tile covers, with their places in the tile.
    fn each_pixel<T>(&self, out: &mut [T], channels: usize, mut visit: impl FnMut(usize, usize, &mut [T])) {
        let rows = out.chunks_exact_mut(self.width * channels).skip(self.top).take(self.size.1);
        for (y, row) in rows.enumerate() {
            let pixels = row.chunks_exact_mut(channels).skip(self.left).take(self.size.0);
            pixels.enumerate().for_each(|(x, pixel)| visit(x, y, pixel));
        }
    }
}

/// Decodes the tiles of a picture one by one.
fn each_tile(
    picture: &Picture<'_>,
    mut visit: impl FnMut(dav1d::Picture, Tile) -> Result<(), RecordError>,
) -> Result<(), RecordError> {
    let (width, height) = picture.tile;
    for (number, data) in picture.tiles.iter().enumerate() {
        let frame = decode(data, picture.tile)?;
        if (frame.width(), frame.height()) != picture.tile {
            return Err(RecordError::Malformed("AVIF: the coded image is of another size".into()));
        }
        let tile = Tile {
            left: number % picture.columns * width as usize,
            top: number / picture.columns * height as usize,
            width: picture.width as usize,
            size: (width as usize, height as usize),
        };
        visit(frame, tile)?;
    }
    Ok(())
}

/// The first frame of coded data.
fn decode(data: &[u8], (width, height): (u32, u32)) -> Result<dav1d::Picture, RecordError> {
    let malformed = |error: dav1d::Error| match error {
        dav1d::Error::UnsupportedBitstream => RecordError::UnsupportedVariant(error.to_string()),
        dav1d::Error::Again => RecordError::Malformed("AVIF: the coded data have no frame".into()),
        error => RecordError::Malformed(format!("AVIF: {error}")),
    };
    let mut settings = dav1d::Settings::new();
    settings.set_n_threads(1);
    settings.set_max_frame_delay(1);
    settings.set_all_layers(false);
    settings.set_frame_size_limit(width.saturating_mul(height));
    let mut decoder = dav1d::Decoder::with_settings(&settings).map_err(malformed)?;
    match decoder.send_data(data.to_vec(), None, None, None) {
        Err(error) if !error.is_again() => return Err(malformed(error)),
        _ => {}
    }
    decoder.get_picture().map_err(malformed)
}

/// Planes of a decoded frame, and how they become colors.
struct Converter {
    planes: Vec<Plane>,
    /// Whether chroma has half the samples of luma across and down.
    halves: (bool, bool),
    /// White and black of luma, and the range of chroma, as samples.
    black: f32,
    white: f32,
    middle: f32,
    chroma: f32,
    matrix: Matrix,
}

struct Plane {
    samples: dav1d::Plane,
    stride: usize,
    width: usize,
    height: usize,
    is_wide: bool,
}

/// How luma and chroma become colors.
enum Matrix {
    Identity,
    /// Weights of red and blue in luma.
    Weights(f32, f32),
}

impl Converter {
    fn new(frame: &dav1d::Picture, coding: Option<(u16, bool)>) -> Result<Converter, RecordError> {
        let own = (frame.matrix_coefficients() as u16, frame.color_range() == dav1d::pixel::YUVRange::Full);
        let (matrix, is_full) = coding.unwrap_or(own);
        let layout = frame.pixel_layout();
        let halves = match layout {
            PixelLayout::I420 => (true, true),
            PixelLayout::I422 => (true, false),
            PixelLayout::I400 | PixelLayout::I444 => (false, false),
        };
        let matrix = match (layout, matrix) {
            (PixelLayout::I444, IDENTITY) => Matrix::Identity,
            (_, 1) => Matrix::Weights(0.2126, 0.0722),
            (_, 4) => Matrix::Weights(0.30, 0.11),
            (_, 7) => Matrix::Weights(0.212, 0.087),
            (_, 9) => Matrix::Weights(0.2627, 0.0593),
            (_, 2 | 5 | 6) | (PixelLayout::I400, _) => Matrix::Weights(0.299, 0.114),
            (_, other) => {
                return Err(RecordError::UnsupportedVariant(format!("AVIF images with matrix coefficients {other}")));
            }
        };
        let depth = frame.bits_per_component().map_or(8, |bits| bits.0);
        let (width, height) = (frame.width() as usize, frame.height() as usize);
        let plane = |component| {
            let (is_half_wide, is_half_high) =
                if component == PlanarImageComponent::Y { (false, false) } else { halves };
            Plane {
                samples: frame.plane(component),
                stride: frame.stride(component) as usize,
                width: if is_half_wide { width.div_ceil(2) } else { width },
                height: if is_half_high { height.div_ceil(2) } else { height },
                is_wide: depth > 8,
            }
        };
        let components = [PlanarImageComponent::Y, PlanarImageComponent::U, PlanarImageComponent::V];
        let count = if layout == PixelLayout::I400 { 1 } else { 3 };
        let planes: Vec<_> = components.into_iter().take(count).map(plane).collect();
        if planes.iter().any(|plane| !plane.is_whole()) {
            return Err(RecordError::Malformed("AVIF: a plane is smaller than the image".into()));
        }
        let scale = (1 << (depth - 8)) as f32;
        let most = ((1_u32 << depth) - 1) as f32;
        let (black, white) = if is_full { (0.0, most) } else { (16.0 * scale, 235.0 * scale) };
        let chroma = if is_full { most } else { 224.0 * scale };
        Ok(Converter { planes, halves, black, white, middle: 128.0 * scale, chroma, matrix })
    }

    /// Luma between 0 and 1.
    fn luma(&self, x: usize, y: usize) -> f32 {
        (self.planes[0].at(x, y) - self.black) / (self.white - self.black)
    }

    /// Red, green and blue between 0 and 1, or a bit beyond.
    fn color(&self, x: usize, y: usize) -> [f32; 3] {
        let luma = self.luma(x, y);
        let [_, first, second] = &self.planes[..] else { return [luma; 3] };
        match self.matrix {
            Matrix::Identity => {
                let of = |plane: &Plane| (plane.at(x, y) - self.black) / (self.white - self.black);
                [of(second), luma, of(first)]
            }
            Matrix::Weights(red, blue) => {
                let of = |plane: &Plane| (plane.between(x, y, self.halves) - self.middle) / self.chroma;
                let r = luma + 2.0 * (1.0 - red) * of(second);
                let b = luma + 2.0 * (1.0 - blue) * of(first);
                [r, (luma - red * r - blue * b) / (1.0 - red - blue), b]
            }
        }
    }
}

impl Plane {
    /// Whether all samples are there.
    fn is_whole(&self) -> bool {
        let line = self.width * if self.is_wide { 2 } else { 1 };
        self.stride >= line && self.samples.len() >= self.stride * (self.height - 1) + line
    }

    fn at(&self, x: usize, y: usize) -> f32 {
        let line = &self.samples[y * self.stride..];
        match self.is_wide {
            true => f32::from(u16::from_ne_bytes([line[2 * x], line[2 * x + 1]])),
            false => f32::from(line[x]),
        }
    }

    /// The sample at a place of luma: where chroma has half the samples, three quarters of the nearest and a quarter of
    /// the next.
    fn between(&self, x: usize, y: usize, (half_wide, half_high): (bool, bool)) -> f32 {
        let near = |place: usize, is_half: bool, count: usize| match is_half {
            false => (place, place),
            true => {
                let near = place / 2;
                let next = if place.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(count - 1) };
                (near, next)
            }
        };
        let (x0, x1) = near(x, half_wide, self.width);
        let (y0, y1) = near(y, half_high, self.height);
        let line = |y: usize| match half_wide {
            false => self.at(x0, y),
            true => 0.75 * self.at(x0, y) + 0.25 * self.at(x1, y),
        };
        match half_high {
            false => line(y0),
            true => 0.75 * line(y0) + 0.25 * line(y1),
        }
    }
}

impl ImageDecoder for Avif<'_> {
    fn dimensions(&self) -> (u32, u32) {
        (self.file.colors.width, self.file.colors.height)
    }

    fn color_type(&self) -> ColorType {
        match (self.file.is_gray, self.file.alpha.is_some(), self.file.depth > 8) {
            (true, false, false) => ColorType::L8,
            (true, false, true) => ColorType::L16,
            (true, true, false) => ColorType::La8,
            (true, true, true) => ColorType::La16,
            (false, false, false) => ColorType::Rgb8,
            (false, false, true) => ColorType::Rgb16,
            (false, true, false) => ColorType::Rgba8,
            (false, true, true) => ColorType::Rgba16,
        }
    }

    fn icc_profile(&mut self) -> ImageResult<Option<Vec<u8>>> {
        Ok(self.file.profile.map(<[u8]>::to_vec))
    }

    fn orientation(&mut self) -> ImageResult<Orientation> {
        Ok(self.file.orientation)
    }

    fn read_image(self, out: &mut [u8]) -> ImageResult<()> {
        self.read(out).map_err(super::unread)
    }

    fn read_image_boxed(self: Box<Self>, out: &mut [u8]) -> ImageResult<()> {
        self.read(out).map_err(super::unread)
    }
}
