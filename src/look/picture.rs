//! Pictures of rows: small, 8 bits per channel, red, green and blue.

use base64::prelude::{BASE64_STANDARD, Engine};

use super::measures::Measures;
use crate::error::RecordError;
use crate::image::decode::{Frame, Pixels, Samples};
use crate::image::encode::{jpeg, png};
use crate::image::recipe::Recipe;
use crate::image::resize::View;
use crate::spec::{Channels, Size, Spec};

/// An image of shape `[height, width, 3]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) rgb: Vec<u8>,
}

/// Color between pictures that are next to each other: seen on white and on black.
pub(super) const GAP: u8 = 128;

impl Picture {
    /// A picture of one level of gray.
    pub(super) fn plain(width: usize, height: usize, level: u8) -> Picture {
        Picture { width, height, rgb: vec![level; width * height * 3] }
    }

    /// Brightness, contrast and sharpness.
    pub(super) fn measures(&self) -> Measures {
        Measures::of(&self.rgb, self.width)
    }

    /// The picture with its longer side as long as `side`: averaged, or, if it is at most half as large, with every pixel
    /// as several ones.
    pub(super) fn fitted(&self, side: usize) -> Picture {
        let longest = self.width.max(self.height);
        match side / longest {
            0 => self.shrunk(side),
            1 => self.clone(),
            times => self.enlarged(times),
        }
    }

    fn shrunk(&self, side: usize) -> Picture {
        let longest = self.width.max(self.height);
        let scaled = |length: usize| (length * side).div_ceil(longest);
        let (width, height) = (scaled(self.width), scaled(self.height));
        let resized = || -> Result<Picture, RecordError> {
            let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
            let mut spec = Spec::new(Size::new(side(height), side(width)).map_err(broken)?);
            spec.channels = Channels::Rgb;
            let mut filler = Recipe::new(&spec).map_err(broken)?.filler().ok_or_else(|| broken("no tensor"))?;
            let (w, h) = (side(self.width), side(self.height));
            let samples = Samples::U8(&self.rgb);
            let frame = Frame::whole(w, h);
            let pixels = Pixels { width: w, height: h, samples, source_width: w, source_height: h, frame };
            let mut rgb = vec![0; width * height * 3];
            filler.fill(&pixels, &View::default(), &mut rgb)?;
            Ok(Picture { width, height, rgb })
        };
        resized().unwrap_or_else(|_| Picture::plain(width, height, GAP))
    }

    fn enlarged(&self, times: usize) -> Picture {
        let mut rgb = Vec::with_capacity(self.rgb.len() * times * times);
        for line in self.rgb.chunks_exact(self.width * 3) {
            let wide: Vec<u8> =
                line.as_chunks::<3>().0.iter().flat_map(|pixel| [*pixel].repeat(times)).flatten().collect();
            (0..times).for_each(|_| rgb.extend_from_slice(&wide));
        }
        Picture { width: self.width * times, height: self.height * times, rgb }
    }

    /// Copies another picture to a place where all of it fits.
    pub(super) fn put(&mut self, picture: &Picture, left: usize, top: usize) {
        let lines = self.rgb.chunks_exact_mut(self.width * 3).skip(top);
        for (to, from) in lines.zip(picture.rgb.chunks_exact(picture.width * 3)) {
            to[left * 3..][..from.len()].copy_from_slice(from);
        }
    }

    /// Fills a rectangle, as far as it is there. The place and the size are of columns, then of lines.
    pub(super) fn fill(&mut self, [left, top]: [usize; 2], [width, height]: [usize; 2], color: [u8; 3]) {
        let (right, stride) = ((left + width).min(self.width), self.width * 3);
        for line in self.rgb.chunks_exact_mut(stride).skip(top).take(height) {
            line[left.min(right) * 3..right * 3].as_chunks_mut::<3>().0.fill(color);
        }
    }

    /// Makes a pixel gray, if it is there.
    pub(super) fn dot(&mut self, column: usize, line: usize, level: u8) {
        if column < self.width && line < self.height {
            self.rgb[(line * self.width + column) * 3..][..3].fill(level);
        }
    }

    /// The picture as a JPEG file of this quality, 1 to 100.
    pub(super) fn jpeg(&self, quality: u8) -> Vec<u8> {
        jpeg(&self.rgb, self.width as u32, self.height as u32, Channels::Rgb, quality)
    }

    /// The same in a `data:` URL.
    pub(super) fn jpeg_url(&self, quality: u8) -> String {
        format!("data:image/jpeg;base64,{}", BASE64_STANDARD.encode(self.jpeg(quality)))
    }

    /// The picture as a PNG file.
    pub(crate) fn png(&self) -> Vec<u8> {
        png(&self.rgb, self.width as u32, self.height as u32, Channels::Rgb)
    }
}

fn broken(error: impl std::fmt::Display) -> RecordError {
    RecordError::Resize(error.to_string())
}
