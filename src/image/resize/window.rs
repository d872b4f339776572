//! Maps a part of an image to a part of a tensor: the arithmetic of every fit, as in the library that is reproduced.

use super::view::{Cut, View};
use crate::image::decode::{Pixels, Window};
use crate::spec::{CropRatio, Fit, ResizeLike, Size, Spec};

/// Mapping of one axis of an image to one axis of a tensor, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axis {
    /// First source pixel that a filter may read.
    pub(super) start: u32,
    /// Number of source pixels that a filter may read.
    pub(super) length: u32,
    /// Start and end of the part that is scaled, relative to `start`; either may be within a pixel.
    pub(super) part: [f32; 2],
    /// Length that this part is scaled to.
    pub(super) scaled: u64,
    /// Number of scaled pixels cut off before the kept ones.
    pub(super) skipped: u64,
    /// Number of scaled pixels that are kept.
    pub(super) kept: u32,
    /// Position of the first kept pixel in the tensor.
    pub(super) at: u32,
}

impl Axis {
    /// The whole source, scaled to `scaled` pixels at position `at`.
    pub(super) fn whole(length: u32, scaled: u32, at: u32) -> Axis {
        let part = [0.0, length as f32];
        Axis { start: 0, length, part, scaled: scaled.into(), skipped: 0, kept: scaled, at }
    }

    /// A part of the source; filters also read the pixels around it.
    fn part(length: u32, part: [f32; 2], scaled: u32) -> Axis {
        Axis { part, ..Axis::whole(length, scaled, 0) }
    }

    /// A part of the source; filters read nothing outside of it.
    fn cut(start: u32, length: u32, scaled: u32) -> Axis {
        Axis { start, ..Axis::whole(length, scaled, 0) }
    }

    /// The center of the source at the center of the target, unscaled.
    fn unscaled(source: u32, target: u32) -> Axis {
        let skipped = (source - source.min(target)) / 2;
        let at = (target - target.min(source)) / 2;
        Axis { skipped: skipped.into(), kept: source.min(target), ..Axis::whole(source, source, at) }
    }

    /// Whether every pixel of the source is the pixel of the target, which has `side` of them, in the same place.
    pub(super) fn is_unchanged(&self, side: u32) -> bool {
        let Axis { start, length, part, scaled, skipped, kept, at } = *self;
        (start, skipped, at) == (0, 0, 0)
            && (length, kept) == (side, side)
            && scaled == u64::from(side)
            && part == [0.0, side as f32]
    }

    /// The same in an image of which `length` pixels from `begin` on are there.
    fn within(self, begin: u32, length: u32) -> Axis {
        let first = self.start.max(begin);
        let end = (self.start + self.length).min(begin + length);
        let moved = (first - self.start) as f32;
        let part = self.part.map(|at| at - moved);
        Axis { start: first - begin, length: end.saturating_sub(first).max(1), part, ..self }
    }

    /// The part of `side` pixels from `begin` on, as the target.
    fn cut_to(self, begin: i64, side: u32) -> Axis {
        let end = begin + i64::from(side);
        let (first, last) = (i64::from(self.at).max(begin), (i64::from(self.at) + i64::from(self.kept)).min(end));
        let skipped = self.skipped + (first - i64::from(self.at)).max(0) as u64;
        let kept = (last - first).max(0) as u32;
        Axis { skipped, kept, at: ((first - begin).max(0) as u32).min(side), ..self }
    }

    pub(super) fn enlarges(&self) -> bool {
        self.scaled as f64 > f64::from(self.part[1] - self.part[0])
    }
}

/// Width, then height.
type Sides = [u32; 2];

/// Mapping of an image's decoded pixels to a tensor's.
pub(super) fn axes(spec: &Spec, view: &View, pixels: &Pixels<'_>) -> [Axis; 2] {
    let frame = pixels.frame;
    let whole = [frame.width, frame.height];
    let axes = match (&view.part, &view.cut) {
        (Some(part), _) => part_axes(part, [pixels.source_width, pixels.source_height], whole, sides(spec.target())),
        (None, Some(cut)) => cut_axes(spec, cut, whole),
        (None, None) => fit_axes(spec, sides(spec.target()), whole),
    };
    let [x, y] = axes;
    [x.within(frame.left, pixels.width), y.within(frame.top, pixels.height)]
}

/// Width and height of an image once it is fitted, before anything is cut off: `shortest-side` covers more than the size.
#[cfg(feature = "decode")]
pub(crate) fn fitted_sides(spec: &Spec, size: Size, source: Sides) -> [u64; 2] {
    match spec.fit {
        Fit::ShortestSide => fit_axes(spec, sides(size), source).map(|axis| axis.scaled),
        Fit::Stretch | Fit::Crop | Fit::Pad => sides(size).map(u64::from),
    }
}

/// A part of the image, of which the whole is decoded at another size than it has.
fn part_axes(part: &Window, source: Sides, whole: Sides, target: Sides) -> [Axis; 2] {
    let axis = |begin: u32, length: u32, at: usize| {
        let scale = f64::from(whole[at]) / f64::from(source[at].max(1));
        let (from, to) = (f64::from(begin) * scale, f64::from(begin + length) * scale);
        let start = (from as u32).min(whole[at] - 1);
        let end = (to.ceil() as u32).clamp(start + 1, whole[at]);
        let part = [(from - f64::from(start)) as f32, (to - f64::from(start)) as f32];
        Axis { part, ..Axis::cut(start, end - start, target[at]) }
    };
    [axis(part.left, part.width, 0), axis(part.top, part.height, 1)]
}

/// A part of the fitted image, of the size of the tensor.
fn cut_axes(spec: &Spec, cut: &Cut, source: Sides) -> [Axis; 2] {
    let axes = match cut.fitted {
        None => source.map(|side| Axis::whole(side, side, 0)),
        Some(size) => {
            let uncut = |axis: Axis| Axis { skipped: 0, kept: u32::try_from(axis.scaled).unwrap_or(u32::MAX), ..axis };
            let axes = fit_axes(spec, sides(size), source);
            if spec.fit == Fit::ShortestSide { axes.map(uncut) } else { axes }
        }
    };
    let [width, height] = sides(spec.target());
    let [x, y] = axes;
    [x.cut_to(cut.left, width), y.cut_to(cut.top, height)]
}

/// Mapping of an image's width and height to those of a size.
fn fit_axes(spec: &Spec, target: Sides, source: Sides) -> [Axis; 2] {
    let axes = match (spec.fit, spec.resize_like) {
        (Fit::Stretch, _) => [0, 1].map(|i| Axis::whole(source[i], target[i], 0)),
        (Fit::Crop, Some(ResizeLike::Pillow)) => pillow_fit(source, target),
        (Fit::Crop, like) => keras_crop(source, target, like),
        (Fit::Pad, Some(ResizeLike::Pillow)) => pillow_pad(source, target),
        (Fit::Pad, Some(ResizeLike::Tf | ResizeLike::TfAntialias)) => tf_pad(source, target),
        (Fit::Pad, _) => pad(source, target),
        (Fit::ShortestSide, _) => shortest_side(source, target, spec.crop_ratio),
    };
    if !spec.only_shrink || !axes.iter().any(Axis::enlarges) {
        return axes;
    }
    match spec.fit {
        Fit::Stretch => [0, 1].map(|i| if axes[i].enlarges() { Axis::unscaled(source[i], target[i]) } else { axes[i] }),
        Fit::Crop | Fit::Pad | Fit::ShortestSide => [0, 1].map(|i| Axis::unscaled(source[i], target[i])),
    }
}

fn sides(size: Size) -> Sides {
    [size.width(), size.height()]
}

/// The largest centered window with the target's aspect ratio, in whole pixels rounded down: the arithmetic of
/// `keras.utils.image_dataset_from_directory(crop_to_aspect_ratio=True)`, but exact where Keras rounds in binary.
fn keras_crop([width, height]: Sides, [to_width, to_height]: Sides, like: Option<ResizeLike>) -> [Axis; 2] {
    let scale = |a: u32, b: u32, c: u32| (u64::from(a) * u64::from(b) / u64::from(c)).max(1) as u32;
    let cut_height = height.min(scale(width, to_height, to_width));
    let cut_width = width.min(scale(height, to_width, to_height));
    let axis = |length: u32, cut: u32, scaled| {
        let start = (length - cut) / 2;
        match like {
            None => Axis::part(length, [start as f32, (start + cut) as f32], scaled),
            Some(_) => Axis::cut(start, cut, scaled),
        }
    };
    [axis(width, cut_width, to_width), axis(height, cut_height, to_height)]
}

/// The arithmetic of `PIL.ImageOps.fit`: a window that may begin and end within pixels, which Pillow rounds to single
/// precision.
fn pillow_fit([width, height]: Sides, [to_width, to_height]: Sides) -> [Axis; 2] {
    let [w, h] = [width, height].map(f64::from);
    let wanted = f64::from(to_width) / f64::from(to_height);
    let (cut_width, cut_height) = match w / h {
        ratio if ratio == wanted => (w, h),
        ratio if ratio > wanted => (wanted * h, h),
        _ => (w, w / wanted),
    };
    let axis = |length: u32, cut: f64, scaled| {
        let left = (f64::from(length) - cut) * 0.5;
        Axis::part(length, [left as f32, ((left + cut) as f32).min(length as f32)], scaled)
    };
    [axis(width, cut_width, to_width), axis(height, cut_height, to_height)]
}

/// The whole image scaled to fit and centered in the target, in whole pixels, rounded down, but at least one.
fn pad([width, height]: Sides, [to_width, to_height]: Sides) -> [Axis; 2] {
    let [w, h, tw, th] = [width, height, to_width, to_height].map(u64::from);
    let [fit_width, fit_height] =
        if w * th >= h * tw { [to_width, (h * tw / w).max(1) as u32] } else { [(w * th / h).max(1) as u32, to_height] };
    [
        Axis::whole(width, fit_width, (to_width - fit_width) / 2),
        Axis::whole(height, fit_height, (to_height - fit_height) / 2),
    ]
}

/// The arithmetic of `tf.image.resize_with_pad`, in single precision: the scaled length is rounded down, but the margin
/// is computed from the unrounded length. TensorFlow refuses lengths of less than one pixel; here they become one.
fn tf_pad(source: Sides, target: Sides) -> [Axis; 2] {
    let [w, h, tw, th] = [source[0], source[1], target[0], target[1]].map(|side| side as f32);
    let ratio = (w / tw).max(h / th);
    let axis = |length: u32, to: u32| {
        let scaled = length as f32 / ratio;
        let whole = (scaled.floor() as u32).clamp(1, to);
        let at = (((to as f32 - scaled) / 2.0).floor().max(0.0) as u32).min(to - whole);
        Axis::whole(length, whole, at)
    };
    [axis(source[0], target[0]), axis(source[1], target[1])]
}

/// The arithmetic of `PIL.ImageOps.pad`, which rounds half to even. Pillow leaves the canvas empty where a length would
/// be less than half a pixel; here it becomes one.
fn pillow_pad([width, height]: Sides, [to_width, to_height]: Sides) -> [Axis; 2] {
    let [w, h, tw, th] = [width, height, to_width, to_height].map(f64::from);
    let scaled = |length: f64, to: u32| (length.round_ties_even() as u32).clamp(1, to);
    let [fit_width, fit_height] = match (w / h, tw / th) {
        (ratio, wanted) if ratio > wanted => [to_width, scaled(h / w * tw, to_height)],
        (ratio, wanted) if ratio < wanted => [scaled(w / h * th, to_width), to_height],
        _ => [to_width, to_height],
    };
    let axis = |length, fit, to: u32| Axis::whole(length, fit, half_to_even((to - fit).into()) as u32);
    [axis(width, fit_width, to_width), axis(height, fit_height, to_height)]
}

/// The center of the image after scaling it to cover the target: the arithmetic of `torchvision.transforms.Resize` on
/// the shorter side, then `CenterCrop`. For targets that are not square, which `Resize` does not cover, the shorter
/// side is the one that needs the larger scale.
fn shortest_side(source: Sides, target: Sides, ratio: CropRatio) -> [Axis; 2] {
    let [w, h] = source.map(u64::from);
    let [to_width, to_height] = target.map(|side| ratio.scaled(side));
    let scaled =
        if to_height * w >= to_width * h { [to_height * w / h, to_height] } else { [to_width, to_width * h / w] };
    [0, 1].map(|i| Axis {
        scaled: scaled[i],
        skipped: half_to_even(scaled[i] - u64::from(target[i])),
        ..Axis::whole(source[i], target[i], 0)
    })
}

/// Half of a number, rounded half to even like Python's `round`.
fn half_to_even(n: u64) -> u64 {
    n / 2 + u64::from(n % 4 == 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Start, length, part, scaled, skipped, kept and position of the width and the height.
    fn described(spec: &Spec, source: Sides) -> [String; 2] {
        fit_axes(spec, sides(spec.target()), source).map(|axis| {
            let Axis { start, length, part: [from, to], scaled, skipped, kept, at } = axis;
            format!("{start}+{length} [{from}, {to}] to {scaled}, {skipped}+{kept} at {at}")
        })
    }

    fn spec(size: &str, fit: Fit, like: Option<ResizeLike>) -> Spec {
        let mut spec = Spec::new(size.parse().unwrap());
        (spec.fit, spec.resize_like) = (fit, like);
        spec
    }

    #[test]
    fn crop_keeps_the_middle() {
        let crop = |like, size, source| described(&spec(size, Fit::Crop, like), source);
        let plain = ["0+500 [62, 437] to 224, 0+224 at 0", "0+375 [0, 375] to 224, 0+224 at 0"];
        assert_eq!(crop(None, "224", [500, 375]), plain);
        let tf = ["62+375 [0, 375] to 224, 0+224 at 0", "0+375 [0, 375] to 224, 0+224 at 0"];
        assert_eq!(crop(Some(ResizeLike::Tf), "224", [500, 375]), tf);
        let pillow = ["0+500 [62.5, 437.5] to 224, 0+224 at 0", "0+375 [0, 375] to 224, 0+224 at 0"];
        assert_eq!(crop(Some(ResizeLike::Pillow), "224", [500, 375]), pillow);
        let thin = ["0+1 [0, 1] to 320, 0+320 at 0", "0+10000 [4999, 5000] to 240, 0+240 at 0"];
        assert_eq!(crop(None, "240x320", [1, 10_000]), thin);
    }

    #[test]
    fn pad_keeps_everything() {
        let pad = |like, size, source| described(&spec(size, Fit::Pad, like), source);
        let plain = ["0+500 [0, 500] to 224, 0+224 at 0", "0+375 [0, 375] to 168, 0+168 at 28"];
        assert_eq!(pad(None, "224", [500, 375]), plain);
        let thin = ["0+1 [0, 1] to 1, 0+1 at 111", "0+10000 [0, 10000] to 224, 0+224 at 0"];
        for like in [None, Some(ResizeLike::Tf)] {
            assert_eq!(pad(like, "224", [1, 10_000]), thin);
        }
    }

    #[test]
    fn pad_rounds_as_its_library_does() {
        // 13 wide, scaled to 10: 8.46 high.
        let height = |like| described(&spec("10", Fit::Pad, like), [13, 11])[1].clone();
        assert_eq!(height(None), "0+11 [0, 11] to 8, 0+8 at 1");
        assert_eq!(height(Some(ResizeLike::Tf)), "0+11 [0, 11] to 8, 0+8 at 0");
        assert_eq!(height(Some(ResizeLike::Pillow)), "0+11 [0, 11] to 8, 0+8 at 1");
        // 15 wide, scaled to 10: 6.67 high, a margin of 1.5.
        let height = |like| described(&spec("10", Fit::Pad, like), [15, 10])[1].clone();
        assert_eq!(height(None), "0+10 [0, 10] to 6, 0+6 at 2");
        assert_eq!(height(Some(ResizeLike::Tf)), "0+10 [0, 10] to 6, 0+6 at 1");
        assert_eq!(height(Some(ResizeLike::Pillow)), "0+10 [0, 10] to 7, 0+7 at 2");
    }

    #[test]
    fn shortest_side_is_scaled_before_it_is_cut() {
        let mut spec = spec("224", Fit::ShortestSide, Some(ResizeLike::Torchvision));
        let all = ["0+500 [0, 500] to 298, 37+224 at 0", "0+375 [0, 375] to 224, 0+224 at 0"];
        assert_eq!(described(&spec, [500, 375]), all);
        spec.crop_ratio = "0.875".parse().unwrap();
        let most = ["0+500 [0, 500] to 341, 58+224 at 0", "0+375 [0, 375] to 256, 16+224 at 0"];
        assert_eq!(described(&spec, [500, 375]), most);
    }

    #[test]
    fn nothing_is_enlarged_when_only_shrinking() {
        let described = |fit, source| {
            let mut spec = spec("10", fit, None);
            spec.only_shrink = true;
            described(&spec, source)
        };
        let small = ["0+4 [0, 4] to 4, 0+4 at 3", "0+3 [0, 3] to 3, 0+3 at 3"];
        for fit in [Fit::Stretch, Fit::Crop, Fit::Pad, Fit::ShortestSide] {
            assert_eq!(described(fit, [4, 3]), small);
        }
        assert_eq!(described(Fit::Stretch, [20, 3]), ["0+20 [0, 20] to 10, 0+10 at 0", small[1]]);
        assert_eq!(described(Fit::Crop, [20, 3]), ["0+20 [0, 20] to 20, 5+10 at 0", small[1]]);
        assert_eq!(described(Fit::Pad, [20, 3])[1], "0+3 [0, 3] to 1, 0+1 at 4");
    }

    #[test]
    fn halves_are_rounded_to_even() {
        assert_eq!([0, 1, 2, 3, 4, 5, 6, 7].map(half_to_even), [0, 0, 1, 2, 2, 2, 3, 4]);
    }
}
