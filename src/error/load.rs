//! The reasons rows can't be loaded as they should.

use thiserror::Error as ThisError;

use crate::spec::{Size, SpecError};

/// Reason that the rows of a table can't be loaded with some settings.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum LoadError {
    /// A wrong setting.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// An element type, a scale or a layout that tensors can't be cast to; why not.
    #[error("{0}")]
    Cast(String),
    /// Image files, which have sizes of their own.
    #[error("image files have sizes of their own: `--size` resizes them, as in `--size 224`")]
    NoSize,
    /// Settings of which one has no effect beside the other.
    #[error("`{option}` has no effect with `{with}`")]
    NoEffect {
        /// Setting without an effect.
        option: &'static str,
        /// Setting that excludes it.
        with: &'static str,
    },
    /// A setting that decides how files are decoded, for tensors.
    #[error("`{0}` is for image files, and these are tensors")]
    ForFiles(&'static str),
    /// Tensors that are no images.
    #[error("tensors of shape {0:?} are no images: none of their dimensions is 1, 3 or 4 channels")]
    NotImages(Vec<usize>),
    /// A margin around stored floats.
    #[error("margins have the pad color, which stored floats have no value for: `{0}` is for stored integers")]
    Margins(&'static str),
    /// A random crop of a part or shape that no image has.
    #[error("{what} {least} to {most} is not a range of numbers above 0{}", if *.is_share { " and at most 1" } else { "" })]
    Range {
        /// `scale` or `ratio`.
        what: &'static str,
        /// Least number.
        least: f64,
        /// Greatest number.
        most: f64,
        /// Whether they are shares of the image.
        is_share: bool,
    },
    /// A probability outside of 0 to 1.
    #[error("probability {0} is not a number from 0 to 1")]
    Probability(f64),
    /// A crop that is larger than what it is taken from.
    #[error("a crop of {crop} does not fit into {fitted}{}", with_padding(*.padding))]
    CropTooLarge {
        /// Size of the crop.
        crop: Size,
        /// Size of the images.
        fitted: Size,
        /// Pixels around them.
        padding: u32,
    },
    /// A margin that is as wide as the crop, which may then show nothing else.
    #[error("a padding of {padding} pixels is not below the sides of the crop, {crop}")]
    Padding {
        /// Pixels around images.
        padding: u32,
        /// Size of the crop.
        crop: Size,
    },
    /// Too many threads.
    #[error("{threads} threads are more than {most}")]
    TooManyThreads {
        /// Number that was asked for.
        threads: usize,
        /// Greatest number.
        most: usize,
    },
    /// Threads that the system does not have.
    #[error("can't start threads that decode: {0}")]
    Threads(String),
}

fn with_padding(padding: u32) -> String {
    if padding == 0 { String::new() } else { format!(" with a padding of {padding}") }
}
