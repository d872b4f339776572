//! What is drawn at random for every row: which part of its image is looked at, and whether it is mirrored.

use super::draws::{RowDraws, random_resized_crop};
use crate::error::LoadError;
use crate::image::decode::{Wanted, Window};
use crate::image::resize::{Cut, View, fitted_sides};
use crate::spec::{Size, Spec};

/// Augmentations of every row, drawn anew in every epoch. By default none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Augment {
    /// A part of the image of random size and shape, resized to the size of the tensor. Excludes [`Augment::crop`].
    pub random_resized_crop: Option<RandomResizedCrop>,
    /// A part of the resized image at a random place.
    pub crop: Option<Crop>,
    /// Probability that the tensor is mirrored from left to right, 0 to 1. Default: 0.
    pub horizontal_flip: f64,
}

/// Which parts of images are equally likely, as in torchvision's `RandomResizedCrop`. The default is its default.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RandomResizedCrop {
    /// Least and greatest share of the image's area, above 0 and at most 1. Default: 0.08 and 1.
    pub scale: [f64; 2],
    /// Least and greatest ratio of width to height, above 0; its logarithm is drawn. Default: 3/4 and 4/3.
    pub ratio: [f64; 2],
}

/// A window of this size, every place of which is equally likely, as in torchvision's `RandomCrop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crop {
    /// Size of the window, which the tensor has.
    pub size: Size,
    /// Pixels of the pad color around the image, fewer than the sides of the window. Default of torchvision: 0.
    pub padding: u32,
}

impl Default for RandomResizedCrop {
    fn default() -> RandomResizedCrop {
        RandomResizedCrop { scale: [0.08, 1.0], ratio: [3.0 / 4.0, 4.0 / 3.0] }
    }
}

impl Augment {
    /// Whether every row is what it is without augmentations.
    pub fn is_none(&self) -> bool {
        *self == Augment::default()
    }

    /// Checks the ranges of all numbers, and whether crops fit into images that are fitted to a size.
    pub(super) fn check(&self, fitted: Option<Size>) -> Result<(), LoadError> {
        if !(0.0..=1.0).contains(&self.horizontal_flip) {
            return Err(LoadError::Probability(self.horizontal_flip));
        }
        if let Some(RandomResizedCrop { scale, ratio }) = self.random_resized_crop {
            check_range("scale", scale, true)?;
            check_range("ratio", ratio, false)?;
            if self.crop.is_some() {
                return Err(LoadError::NoEffect { option: "--crop", with: "--random-resized-crop" });
            }
        }
        let Some(Crop { size: crop, padding }) = self.crop else { return Ok(()) };
        if padding >= crop.height().min(crop.width()) {
            return Err(LoadError::Padding { padding, crop });
        }
        let Some(fitted) = fitted else { return Ok(()) };
        let is_larger = |crop: u32, side: u32| u64::from(crop) > u64::from(side) + 2 * u64::from(padding);
        match is_larger(crop.height(), fitted.height()) || is_larger(crop.width(), fitted.width()) {
            true => Err(LoadError::CropTooLarge { crop, fitted, padding }),
            false => Ok(()),
        }
    }

    /// What is looked at of an image of this width and height, which is fitted to a size if it is told.
    pub(super) fn view(&self, spec: &Spec, fitted: Option<Size>, draws: &mut RowDraws, source: [u32; 2]) -> View {
        // First, so that it does not depend on how many numbers a crop takes.
        let is_flipped = draws.next() < self.horizontal_flip;
        let [width, height] = source;
        let part = self.random_resized_crop.map(|crop| {
            let [left, top, width, height] = random_resized_crop([width, height], &crop, || draws.next());
            Window { left, top, width, height }
        });
        let cut = self.crop.map(|crop| {
            let sides = fitted.map_or(source.map(u64::from), |size| fitted_sides(spec, size, source));
            let corner = |side: u64, crop: u32, padding: u32, draws: &mut RowDraws| {
                let (room, padding) = (side + 2 * u64::from(padding), i64::from(padding));
                match room.checked_sub(u64::from(crop)) {
                    Some(room) => draws.below(room + 1) as i64 - padding,
                    // An image that is smaller is in the middle.
                    None => -((u64::from(crop) - side) as i64 / 2),
                }
            };
            // Lines first, as torchvision draws them.
            let top = corner(sides[1], crop.size.height(), crop.padding, draws);
            let left = corner(sides[0], crop.size.width(), crop.padding, draws);
            Cut { fitted, left, top }
        });
        View { part, cut, is_flipped }
    }
}

/// What has to be decoded of an image for a view of it.
pub(super) fn wanted(spec: &Spec, view: &View) -> Wanted {
    match view.cut {
        Some(cut) => {
            let least = cut.fitted.and_then(|fitted| Some(spec.jpeg_shrink?.least(fitted)));
            Wanted { window: None, least }
        }
        None => Wanted { window: view.part, ..Wanted::whole(spec) },
    }
}

fn check_range(what: &'static str, [least, most]: [f64; 2], is_share: bool) -> Result<(), LoadError> {
    let is_range = 0.0 < least && least <= most && most.is_finite() && (!is_share || most <= 1.0);
    if is_range { Ok(()) } else { Err(LoadError::Range { what, least, most, is_share }) }
}
