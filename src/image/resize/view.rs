//! What of an image becomes a tensor.

use crate::image::decode::Window;
use crate::spec::Size;

/// What of an image becomes a tensor. By default, what the fit of the spec says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// A part of the image, stretched as if there were nothing around it.
    pub(crate) part: Option<Window>,
    /// A part of the fitted image, as it is; only without a part of the image.
    pub(crate) cut: Option<Cut>,
    /// Whether columns follow each other from right to left.
    pub(crate) is_flipped: bool,
}

/// A rectangle of the size of a tensor in a fitted image. What of it lies outside is of the pad color.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Size that the image is fitted to; none if it keeps its own.
    pub(crate) fitted: Option<Size>,
    /// Column and line of its corner in the fitted image.
    pub(crate) left: i64,
    pub(crate) top: i64,
}
