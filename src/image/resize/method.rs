//! How one library resamples with one filter: the rule for the weights, and the arithmetic of the sums.

use crate::spec::{Filter, Fit, ResizeLike, Spec, SpecError};

/// Way of resampling with one filter of one library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Method {
    /// Rule for the source pixels of a target pixel and their weights.
    pub(super) rule: Rule,
    /// Arithmetic for byte tensors.
    pub(super) arithmetic: Arithmetic,
}

/// Rule for the source pixels of a target pixel and their weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// A single source pixel.
    Nearest(Nearest),
    /// Source pixels within reach of a kernel around the target pixel's center, without any beyond the edges.
    Kernel(Kernel, Reach),
    /// The same in single precision and with different rounding: TensorFlow's `ScaleAndTranslate`.
    TfKernel(Kernel, Reach),
    /// TensorFlow's `ResizeBilinear` with half-pixel centers.
    TfLinear,
    /// TensorFlow's `ResizeBicubic` with half-pixel centers: a table of 1,024 kernel values per pixel.
    TfCubic,
    /// TensorFlow's `ResizeArea`.
    TfArea,
    /// OpenCV's `INTER_LINEAR`.
    CvLinear,
    /// OpenCV's `INTER_CUBIC`: a = -0.75, with edge pixels repeated beyond the edges.
    CvCubic,
    /// OpenCV's `INTER_AREA` where no axis is enlarged: each source pixel weighted by how much of it is covered.
    CvArea,
    /// OpenCV's `INTER_AREA` where an axis is enlarged: linear with sharp edges.
    CvAreaEnlarged,
}

/// Rule for the nearest source pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nearest {
    /// Source pixel that contains the target pixel's center.
    Center,
    /// The same, with the center computed by adding steps: Pillow.
    CenterByAddition,
    /// The same in single precision: TensorFlow.
    CenterSingle,
    /// Source pixel that contains the target pixel's top left corner: OpenCV.
    Corner,
    /// The same in single precision: PyTorch's `nearest`.
    CornerSingle,
}

/// Kernel of one variable, 0 beyond its radius.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kernel {
    Box,
    Triangle,
    /// Keys' cubic convolution with a = -0.5.
    Cubic,
    Lanczos3,
}

/// Width of a kernel when shrinking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Widened, so that every source pixel counts.
    Widened,
    /// The same as when enlarging.
    Fixed,
}

/// Arithmetic for byte tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    /// Arithmetic of `fast_image_resize`.
    Plain,
    /// Floats, rounded half to even once at the end.
    Float,
    /// Integers, rounded to bytes between the axes, with fixed-point weights of this precision.
    Fixed(Precision),
}

/// Number of fractional bits of fixed-point weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precision {
    /// 22: Pillow.
    Pillow,
    /// As many as allow the greatest weight to fit in 16 bits, at most 22: PyTorch.
    Torch,
}

impl Method {
    /// The method of a spec.
    ///
    /// # Errors
    /// If the named library lacks the filter, or settings contradict each other.
    pub(crate) fn new(spec: &Spec) -> Result<Method, SpecError> {
        if !spec.crop_ratio.is_whole() && spec.fit != Fit::ShortestSide {
            return Err(SpecError::CropRatioFit(spec.fit));
        }
        let Some(like) = spec.resize_like else {
            return Method::plain(spec.filter, spec.antialias);
        };
        if !spec.antialias {
            return Err(SpecError::AntialiasDecided(like));
        }
        let arithmetic = match like {
            ResizeLike::Pillow => Arithmetic::Fixed(Precision::Pillow),
            ResizeLike::Torchvision => Arithmetic::Fixed(Precision::Torch),
            ResizeLike::Tf | ResizeLike::TfAntialias | ResizeLike::OpenCv => Arithmetic::Float,
        };
        let rule = rule(like, spec.filter).ok_or_else(|| unknown_filter(like, spec.filter))?;
        Ok(Method { rule, arithmetic })
    }

    fn plain(filter: Filter, antialias: bool) -> Result<Method, SpecError> {
        let reach = if antialias { Reach::Widened } else { Reach::Fixed };
        let rule = match filter {
            Filter::Nearest => Rule::Nearest(Nearest::Center),
            Filter::Bilinear => Rule::Kernel(Kernel::Triangle, reach),
            Filter::Bicubic => Rule::Kernel(Kernel::Cubic, reach),
            Filter::Lanczos3 => Rule::Kernel(Kernel::Lanczos3, reach),
            Filter::Box => Rule::Kernel(Kernel::Box, reach),
            Filter::Area => return Err(SpecError::AreaOfNone),
        };
        Ok(Method { rule, arithmetic: Arithmetic::Plain })
    }
}

/// Rule of a library's filter; none if the library lacks it.
fn rule(like: ResizeLike, filter: Filter) -> Option<Rule> {
    use Reach::{Fixed, Widened};
    Some(match (like, filter) {
        (ResizeLike::Pillow, Filter::Nearest) => Rule::Nearest(Nearest::CenterByAddition),
        (ResizeLike::Torchvision, Filter::Nearest) => Rule::Nearest(Nearest::CornerSingle),
        (ResizeLike::OpenCv, Filter::Nearest) => Rule::Nearest(Nearest::Corner),
        (ResizeLike::Tf | ResizeLike::TfAntialias, Filter::Nearest) => Rule::Nearest(Nearest::CenterSingle),
        (ResizeLike::Pillow | ResizeLike::Torchvision, Filter::Bilinear) => Rule::Kernel(Kernel::Triangle, Widened),
        (ResizeLike::Pillow | ResizeLike::Torchvision, Filter::Bicubic) => Rule::Kernel(Kernel::Cubic, Widened),
        (ResizeLike::Pillow | ResizeLike::Torchvision, Filter::Lanczos3) => Rule::Kernel(Kernel::Lanczos3, Widened),
        (ResizeLike::Pillow, Filter::Box) => Rule::Kernel(Kernel::Box, Widened),
        (ResizeLike::Tf, Filter::Bilinear) => Rule::TfLinear,
        (ResizeLike::Tf, Filter::Bicubic) => Rule::TfCubic,
        (ResizeLike::Tf, Filter::Lanczos3) => Rule::TfKernel(Kernel::Lanczos3, Fixed),
        (ResizeLike::TfAntialias, Filter::Bilinear) => Rule::TfKernel(Kernel::Triangle, Widened),
        (ResizeLike::TfAntialias, Filter::Bicubic) => Rule::TfKernel(Kernel::Cubic, Widened),
        (ResizeLike::TfAntialias, Filter::Lanczos3) => Rule::TfKernel(Kernel::Lanczos3, Widened),
        (ResizeLike::Tf | ResizeLike::TfAntialias, Filter::Area) => Rule::TfArea,
        (ResizeLike::OpenCv, Filter::Bilinear) => Rule::CvLinear,
        (ResizeLike::OpenCv, Filter::Bicubic) => Rule::CvCubic,
        (ResizeLike::OpenCv, Filter::Area) => Rule::CvArea,
        (ResizeLike::Pillow | ResizeLike::Torchvision, Filter::Area)
        | (ResizeLike::Torchvision | ResizeLike::Tf | ResizeLike::TfAntialias | ResizeLike::OpenCv, Filter::Box)
        | (ResizeLike::OpenCv, Filter::Lanczos3) => return None,
    })
}

fn unknown_filter(like: ResizeLike, filter: Filter) -> SpecError {
    let known = Filter::ALL.iter().filter(|filter| rule(like, **filter).is_some());
    let known = known.map(|filter| filter.as_str()).collect::<Vec<_>>().join(", ");
    SpecError::UnknownFilter { like, filter, known }
}

impl Kernel {
    pub(super) fn radius(self) -> f64 {
        match self {
            Kernel::Box => 0.5,
            Kernel::Triangle => 1.0,
            Kernel::Cubic => 2.0,
            Kernel::Lanczos3 => 3.0,
        }
    }

    pub(super) fn at(self, x: f64) -> f64 {
        let away = x.abs();
        match self {
            // Half open, so that a pixel on the border between two targets counts once.
            Kernel::Box => f64::from(u8::from(x > -0.5 && x <= 0.5)),
            Kernel::Triangle => (1.0 - away).max(0.0),
            Kernel::Cubic => cubic(away, -0.5),
            Kernel::Lanczos3 if away < 3.0 => sinc(x) * sinc(x / 3.0),
            Kernel::Lanczos3 => 0.0,
        }
    }
}

/// Keys' cubic convolution kernel at distance `away`.
pub(super) fn cubic(away: f64, a: f64) -> f64 {
    if away < 1.0 {
        ((a + 2.0) * away - (a + 3.0)) * away * away + 1.0
    } else if away < 2.0 {
        (((away - 5.0) * away + 8.0) * away - 4.0) * a
    } else {
        0.0
    }
}

fn sinc(x: f64) -> f64 {
    match x * std::f64::consts::PI {
        0.0 => 1.0,
        x => x.sin() / x,
    }
}
