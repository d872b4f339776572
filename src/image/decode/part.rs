//! The part of an image that is wanted, and the part that was decoded.

use crate::spec::Spec;

/// A rectangle of an upright image, in pixels. It lies within the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) left: u32,
    pub(crate) top: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// What is wanted of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The part that is looked at; none if it is the whole image.
    pub(crate) window: Option<Window>,
    /// Least width and height of this part, in decoded pixels, if a decoder may shrink the image; none if it may not.
    pub(crate) least: Option<(u64, u64)>,
}

/// The place of decoded pixels in their image, which a decoder may have shrunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Column and line of the first decoded pixel.
    pub(crate) left: u32,
    pub(crate) top: u32,
    /// Width and height of the whole image at this scale.
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Wanted {
    /// The whole image, as small as a spec allows it to be decoded.
    pub(crate) fn whole(spec: &Spec) -> Wanted {
        Wanted { window: None, least: spec.jpeg_shrink.map(|shrink| shrink.least(spec.target())) }
    }

    /// The same as far as the whole image is decoded, whose width and height these are.
    pub(super) fn of_whole(self, width: u32, height: u32) -> Wanted {
        let Some(window) = self.window else { return self };
        let scaled = |least: u64, side: u32, part: u32| (least * u64::from(side)).div_ceil(u64::from(part.max(1)));
        let least = self.least.map(|(w, h)| (scaled(w, width, window.width), scaled(h, height, window.height)));
        Wanted { window: None, least }
    }

    /// The same of the image whose lines are the columns of this one; only of a whole image.
    pub(super) fn swapped(self) -> Wanted {
        Wanted { least: self.least.map(|(width, height)| (height, width)), ..self }
    }
}

impl Frame {
    /// The frame of an image that is decoded as a whole.
    pub(crate) fn whole(width: u32, height: u32) -> Frame {
        Frame { left: 0, top: 0, width, height }
    }
}
