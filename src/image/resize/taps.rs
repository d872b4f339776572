//! The source pixels of each target pixel along one axis, and their weights, computed once per image and axis. The
//! formulas come from the libraries that are reproduced.

use super::method::{Kernel, Nearest, Reach, Rule, cubic};
use super::window::Axis;

/// Runs of source pixels, one for each kept target pixel of an axis. Reused for every image.
#[derive(Debug, Default)]
pub(super) struct Taps {
    pub(super) runs: Vec<Run>,
    /// Weights of all runs, in order.
    pub(super) weights: Vec<f64>,
    /// Greatest weight of any target pixel that was computed.
    pub(super) greatest: f64,
}

/// Contiguous source pixels, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// First source pixel, counted from the edge of the image.
    pub(super) first: u32,
    /// Index of the first weight.
    pub(super) weights: u32,
    pub(super) count: u32,
}

impl Run {
    /// Entries of this run in a list with one entry per weight.
    pub(super) fn of<W>(self, weights: &[W]) -> &[W] {
        &weights[self.weights as usize..][..self.count as usize]
    }
}

impl Taps {
    /// Range of the source pixels that are needed: the first, and the one after the last.
    pub(super) fn needed(&self) -> (u32, u32) {
        let first = self.runs.iter().map(|run| run.first).min().unwrap_or(0);
        let end = self.runs.iter().map(|run| run.first + run.count).max().unwrap_or(0);
        (first, end)
    }

    /// Computes the taps of an axis.
    pub(super) fn compute(&mut self, rule: Rule, axis: &Axis) {
        self.runs.clear();
        self.weights.clear();
        let scale = Scale::new(axis);
        if let Rule::Nearest(nearest) = rule {
            return self.nearest(nearest, &scale, axis);
        }
        for x in axis.skipped..axis.skipped + u64::from(axis.kept) {
            match rule {
                Rule::Nearest(_) => {}
                Rule::Kernel(kernel, reach) => self.kernel(kernel, reach, &scale, x, axis),
                Rule::TfKernel(kernel, reach) => self.tf_kernel(kernel, reach, x, axis),
                Rule::TfLinear => self.tf_linear(&scale, x, axis),
                Rule::TfCubic => self.tf_cubic(&scale, x, axis),
                Rule::TfArea => self.tf_area(&scale, x, axis),
                Rule::CvLinear => self.cv_linear(&scale, x, axis),
                Rule::CvCubic => self.cv_cubic(&scale, x, axis),
                Rule::CvArea => self.cv_area(&scale, x, axis),
                Rule::CvAreaEnlarged => self.cv_area_enlarged(&scale, x, axis),
            }
        }
        self.greatest = self.weights.iter().copied().fold(0.0, f64::max);
    }

    /// Includes the target pixels that are cut off in the greatest weight: PyTorch resizes them before cropping, so
    /// they affect its precision.
    pub(super) fn look_at_pixels_cut_off(&mut self, rule: Rule, axis: &Axis) {
        let Rule::Kernel(kernel, reach) = rule else { return };
        let (scale, runs, weights) = (Scale::new(axis), self.runs.len(), self.weights.len());
        for x in (0..axis.skipped).chain(axis.skipped + u64::from(axis.kept)..axis.scaled) {
            self.kernel(kernel, reach, &scale, x, axis);
            self.greatest = self.weights[weights..].iter().copied().fold(self.greatest, f64::max);
            self.runs.truncate(runs);
            self.weights.truncate(weights);
        }
    }

    fn nearest(&mut self, nearest: Nearest, scale: &Scale, axis: &Axis) {
        let mut added = scale.from + scale.exact * 0.5;
        for x in 0..axis.skipped + u64::from(axis.kept) {
            let at = match nearest {
                Nearest::Center => scale.center(x),
                Nearest::CenterByAddition => added,
                Nearest::CenterSingle => ((x as f32 + 0.5) * scale.single).into(),
                Nearest::Corner => x as f64 * scale.twice_rounded,
                Nearest::CornerSingle => (x as f32 * scale.single).into(),
            };
            added += scale.exact;
            if x >= axis.skipped {
                self.push(axis, at as i64, &[1.0]);
            }
        }
    }

    /// Source pixels as in Pillow and PyTorch: those whose centers are in reach.
    fn kernel(&mut self, kernel: Kernel, reach: Reach, scale: &Scale, x: u64, axis: &Axis) {
        let widening = if reach == Reach::Widened { scale.exact.max(1.0) } else { 1.0 };
        let (center, radius) = (scale.center(x), kernel.radius() * widening);
        let first = ((center - radius + 0.5) as u32).min(axis.length - 1);
        let end = ((center + radius + 0.5) as u32).clamp(first + 1, axis.length);
        let begin = self.weights.len();
        let narrowing = 1.0 / widening;
        let weight = |pixel: u32| kernel.at((f64::from(pixel) - center + 0.5) * narrowing);
        self.weights.extend((first..end).map(weight));
        self.normalize(begin);
        self.finish(axis, first, begin);
    }

    fn tf_kernel(&mut self, kernel: Kernel, reach: Reach, x: u64, axis: &Axis) {
        let scale = 1.0 / (axis.scaled as f32 / axis.length as f32);
        let widening = if reach == Reach::Widened { scale.max(1.0) } else { 1.0 };
        let (center, radius) = ((x as f32 + 0.5) * scale, kernel.radius() as f32 * widening);
        let last = axis.length as f32 - 1.0;
        let first = (center - radius - 0.5).ceil().clamp(0.0, last) as u32;
        let end = (center + radius - 0.5).floor().clamp(first as f32, last) as u32 + 1;
        let begin = self.weights.len();
        let narrowing = 1.0 / widening;
        let weight = |pixel: u32| kernel.at(((pixel as f32 + 0.5 - center) * narrowing).into());
        self.weights.extend((first..end).map(weight));
        self.normalize(begin);
        self.finish(axis, first, begin);
    }

    fn tf_linear(&mut self, scale: &Scale, x: u64, axis: &Axis) {
        let at = scale.tf_center(x);
        let right = f64::from(at - at.floor());
        self.push(axis, at.floor() as i64, &[1.0 - right, right]);
    }

    fn tf_cubic(&mut self, scale: &Scale, x: u64, axis: &Axis) {
        const STEPS: f32 = 1024.0;
        let at = scale.tf_center(x);
        let right = f64::from(((at - at.floor()) * STEPS).round_ties_even() / STEPS);
        let first = at.floor() as i64 - 1;
        let mut weights = [1.0 + right, right, 1.0 - right, 2.0 - right].map(|away| cubic(away, -0.5));
        for (pixel, weight) in (first..).zip(&mut weights) {
            if !(0..i64::from(axis.length)).contains(&pixel) {
                *weight = 0.0;
            }
        }
        let sum: f64 = weights.iter().sum();
        self.push(axis, first, &weights.map(|weight| weight / sum));
    }

    fn tf_area(&mut self, scale: &Scale, x: u64, axis: &Axis) {
        let (left, right) = (x as f32 * scale.single, (x + 1) as f32 * scale.single);
        let (first, end) = (left.floor() as i64, right.ceil() as i64);
        let covered = |pixel: i64| {
            let (begin, end) = (pixel as f32, pixel as f32 + 1.0);
            // `right - left` would be less precise.
            let covered = if begin < left && end > right { scale.single } else { end.min(right) - begin.max(left) };
            f64::from(covered)
        };
        let weights: Vec<f64> = (first..end).map(|pixel| covered(pixel) / f64::from(scale.single)).collect();
        self.push(axis, first, &weights);
    }

    fn cv_linear(&mut self, scale: &Scale, x: u64, axis: &Axis) {
        let at = scale.center(x) - 0.5;
        let right = at - at.floor();
        self.push(axis, at.floor() as i64, &[1.0 - right, right]);
    }

    fn cv_cubic(&mut self, scale: &Scale, x: u64, axis: &Axis) {
        let at = scale.center(x) - 0.5;
        let right = at - at.floor();
        let weights = [1.0 + right, right, 1.0 - right, 2.0 - right].map(|away| cubic(away, -0.75));
        self.push(axis, at.floor() as i64 - 1, &weights);
    }

    fn cv_area(&mut self, scale: &Scale, x: u64, axis: &Axis) {
        // Parts of pixels narrower than this are left out.
        const SLIVER: f64 = 1e-3;
        let left = x as f64 * scale.twice_rounded;
        let right = left + scale.twice_rounded;
        let width = scale.twice_rounded.min(f64::from(axis.length) - left);
        let end = (right.floor() as i64).min(i64::from(axis.length) - 1);
        let first = (left.ceil() as i64).min(end);
        let mut weights = Vec::with_capacity((end - first) as usize + 2);
        let before = first as f64 - left > SLIVER;
        if before {
            weights.push((first as f64 - left) / width);
        }
        weights.extend((first..end).map(|_| 1.0 / width));
        if right - end as f64 > SLIVER {
            weights.push((right - end as f64).min(1.0).min(width) / width);
        }
        self.push(axis, first - i64::from(before), &weights);
    }

    fn cv_area_enlarged(&mut self, scale: &Scale, x: u64, axis: &Axis) {
        let first = (x as f64 * scale.twice_rounded).floor();
        // In single precision, so that nearly 1 becomes 1, and that 0.
        let right = ((x + 1) as f64 - (first + 1.0) * scale.inverse) as f32;
        let right = if right <= 0.0 { 0.0 } else { f64::from(right - right.floor()) };
        self.push(axis, first as i64, &[1.0 - right, right]);
    }

    /// Adds a run that may extend beyond the edges: the edge pixels take the weights of pixels beyond them.
    fn push(&mut self, axis: &Axis, first: i64, weights: &[f64]) {
        let last = i64::from(axis.length) - 1;
        let (begin, inside) = (self.weights.len(), first.clamp(0, last));
        for (pixel, weight) in (first..).zip(weights) {
            let at = begin + (pixel.clamp(0, last) - inside) as usize;
            if at == self.weights.len() {
                self.weights.push(0.0);
            }
            self.weights[at] += weight;
        }
        self.finish(axis, inside as u32, begin);
    }

    /// Scales weights to a sum of 1.
    fn normalize(&mut self, begin: usize) {
        let sum: f64 = self.weights[begin..].iter().sum();
        if sum != 0.0 {
            self.weights[begin..].iter_mut().for_each(|weight| *weight *= 1.0 / sum);
        }
    }

    fn finish(&mut self, axis: &Axis, first: u32, begin: usize) {
        let count = (self.weights.len() - begin) as u32;
        self.runs.push(Run { first: axis.start + first, weights: begin as u32, count });
    }
}

/// Source pixels per target pixel, in the precisions that libraries use.
struct Scale {
    exact: f64,
    single: f32,
    /// Target pixels per source pixel.
    inverse: f64,
    /// `exact` as OpenCV computes it, from `inverse`. Where it is less, a target pixel whose start is that of a source
    /// pixel begins in the one before.
    twice_rounded: f64,
    /// Start of the part that is scaled.
    from: f64,
}

impl Scale {
    fn new(axis: &Axis) -> Scale {
        let [from, to] = axis.part;
        let inverse = axis.scaled as f64 / f64::from(to - from);
        Scale {
            // Pillow subtracts in single precision.
            exact: f64::from(to - from) / axis.scaled as f64,
            single: (to - from) / axis.scaled as f32,
            inverse,
            twice_rounded: 1.0 / inverse,
            from: from.into(),
        }
    }

    /// Center of a target pixel, in source pixels; the center of the first source pixel is 0.5.
    fn center(&self, x: u64) -> f64 {
        self.from + (x as f64 + 0.5) * self.exact
    }

    /// The same in single precision, where the center of the first source pixel is 0.
    fn tf_center(&self, x: u64) -> f32 {
        (x as f32 + 0.5) * self.single - 0.5
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs of an axis of `from` pixels scaled to `to` pixels, as first pixel and weights.
    fn taps(rule: Rule, from: u32, to: u32) -> Vec<(u32, Vec<f64>)> {
        let axis = Axis::whole(from, to, 0);
        let mut taps = Taps::default();
        taps.compute(rule, &axis);
        taps.runs.iter().map(|run| (run.first, run.of(&taps.weights).to_vec())).collect()
    }

    #[test]
    fn triangle_is_widened_when_shrinking() {
        let eighths = |weights: [f64; 4]| weights.map(|weight| weight / 8.0).to_vec();
        let rule = Rule::Kernel(Kernel::Triangle, Reach::Widened);
        let inner = (1, eighths([1.0, 3.0, 3.0, 1.0]));
        assert_eq!(taps(rule, 6, 3)[1], inner);
        assert_eq!(taps(Rule::Kernel(Kernel::Triangle, Reach::Fixed), 6, 3)[1], (2, vec![0.5, 0.5]));
    }

    #[test]
    fn nearest_counts_from_centers_or_corners() {
        let firsts = |nearest| taps(Rule::Nearest(nearest), 4, 2).iter().map(|tap| tap.0).collect::<Vec<_>>();
        for nearest in [Nearest::Center, Nearest::CenterByAddition, Nearest::CenterSingle] {
            assert_eq!(firsts(nearest), [1, 3]);
        }
        for nearest in [Nearest::Corner, Nearest::CornerSingle] {
            assert_eq!(firsts(nearest), [0, 2]);
        }
    }

    #[test]
    fn outermost_pixels_stand_for_those_beyond() {
        assert_eq!(taps(Rule::TfLinear, 2, 4)[0], (0, vec![1.0]));
        assert_eq!(taps(Rule::CvLinear, 2, 4)[3], (1, vec![1.0]));
        for (first, weights) in taps(Rule::CvCubic, 1, 3) {
            assert!(first == 0 && weights.len() == 1 && (weights[0] - 1.0).abs() < 1e-12, "{weights:?}");
        }
    }

    #[test]
    fn area_counts_pixels_by_what_is_covered() {
        let thirds = |weights: &[f64]| weights.iter().map(|weight| weight / 3.0).collect::<Vec<_>>();
        assert_eq!(taps(Rule::CvArea, 3, 2), [(0, vec![1.0 / 1.5, 0.5 / 1.5]), (1, vec![0.5 / 1.5, 1.0 / 1.5])]);
        assert_eq!(taps(Rule::CvArea, 6, 2)[1], (3, thirds(&[1.0, 1.0, 1.0])));
        assert_eq!(taps(Rule::TfArea, 6, 2)[1], (3, thirds(&[1.0, 1.0, 1.0])));
        // From 58.5 to 58.7: in single precision the difference of two such numbers is imprecise.
        assert_eq!(taps(Rule::TfArea, 67, 578)[505], (58, vec![1.0]));
    }

    #[test]
    fn opencv_rounds_the_ratio_twice() {
        // The sixth pixel begins where the fourteenth source pixel does, but 1 / (10 / 26) is less than 26 / 10.
        assert_eq!(taps(Rule::Nearest(Nearest::Corner), 26, 10)[5], (12, vec![1.0]));
        assert_eq!(taps(Rule::CvAreaEnlarged, 26, 10)[5], (12, vec![1.0, 0.0]));
        assert_eq!(taps(Rule::CvAreaEnlarged, 6, 34)[17], (2, vec![1.0, 0.0]));
        assert_eq!(taps(Rule::Nearest(Nearest::Corner), 25, 10)[4], (10, vec![1.0]));
    }
}
