//! What is measured of a picture: how bright it is, how much contrast it has, how sharp it is.

use crate::image::decode::luma;

/// Measures of a picture, of its luma by ITU-R BT.601, 0 to 255.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Measures {
    /// Mean.
    pub(crate) brightness: f64,
    /// Standard deviation.
    pub(crate) contrast: f64,
    /// Standard deviation of the Laplacian, the difference between a pixel's four neighbors and four times the pixel
    /// (Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", 2000). 0 if no pixel has four neighbors.
    pub(crate) sharpness: f64,
}

impl Measures {
    /// The measures of pixels of red, green and blue, in lines of this width.
    pub(super) fn of(rgb: &[u8], width: usize) -> Measures {
        let lumas: Vec<i32> = rgb.as_chunks().0.iter().map(|pixel| i32::from(luma(*pixel))).collect();
        let lines: Vec<&[i32]> = lumas.chunks_exact(width.max(1)).collect();
        let inner = lines.windows(3).flat_map(|lines| {
            let columns = 1..width.saturating_sub(1);
            columns.map(|at| lines[0][at] + lines[2][at] + lines[1][at - 1] + lines[1][at + 1] - 4 * lines[1][at])
        });
        let ((brightness, contrast), (_, sharpness)) = (moments(lumas.iter().copied()), moments(inner));
        Measures { brightness, contrast, sharpness }
    }
}

/// Mean and standard deviation; 0 of no numbers.
fn moments(numbers: impl Iterator<Item = i32>) -> (f64, f64) {
    let (mut count, mut sum, mut squares) = (0_i64, 0_i64, 0_i64);
    for number in numbers.map(i64::from) {
        (count, sum, squares) = (count + 1, sum + number, squares + number * number);
    }
    let count = count.max(1) as f64;
    let mean = sum as f64 / count;
    (mean, (squares as f64 / count - mean * mean).max(0.0).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_of_known_pictures() {
        let gray = Measures::of(&[100; 3 * 16], 4);
        assert_eq!(gray, Measures { brightness: 100.0, contrast: 0.0, sharpness: 0.0 });
        // Black and white lines: half of 255 on average, and each pixel 510 above or below its neighbors.
        let lines: Vec<u8> = (0..8).flat_map(|line| [if line % 2 == 0 { 0 } else { 255 }; 24]).collect();
        let striped = Measures::of(&lines, 8);
        assert_eq!((striped.brightness, striped.contrast, striped.sharpness), (127.5, 127.5, 510.0));
        assert_eq!(Measures::of(&[], 0), Measures::default());
    }
}
