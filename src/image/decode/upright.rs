//! Rotates and mirrors images according to their EXIF orientation.

use image::metadata::Orientation;

use crate::spec::Channels;

/// Rotates and mirrors an image according to its EXIF orientation; returns the new width and height.
pub(super) fn turn_upright<S: Copy>(
    stored: &[S],
    width: u32,
    height: u32,
    channels: Channels,
    orientation: Orientation,
    upright: &mut [S],
) -> (u32, u32) {
    match channels {
        Channels::Gray => turn_pixels::<S, 1>(stored, width, height, orientation, upright),
        Channels::Rgb => turn_pixels::<S, 3>(stored, width, height, orientation, upright),
        Channels::Rgba => turn_pixels::<S, 4>(stored, width, height, orientation, upright),
    }
}

/// Whether the height of the upright image is the width of the stored image.
pub(super) fn swaps_sides(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    )
}

fn turn_pixels<S: Copy, const N: usize>(
    stored: &[S],
    width: u32,
    height: u32,
    orientation: Orientation,
    upright: &mut [S],
) -> (u32, u32) {
    let (stored, _) = stored.as_chunks::<N>();
    let (upright, _) = upright.as_chunks_mut::<N>();
    let (w, h) = (width as usize, height as usize);
    let (new_w, new_h) = if swaps_sides(orientation) { (h, w) } else { (w, h) };
    // The source pixel of (x, y) is at `start + x * step_x + y * step_y`.
    let (start, step_x, step_y) = match orientation {
        Orientation::NoTransforms => (0, 1, w as isize),
        Orientation::FlipHorizontal => (w - 1, -1, w as isize),
        Orientation::Rotate180 => (w * h - 1, -1, -(w as isize)),
        Orientation::FlipVertical => (w * (h - 1), 1, -(w as isize)),
        Orientation::Rotate90FlipH => (0, w as isize, 1),
        Orientation::Rotate90 => (w * (h - 1), -(w as isize), 1),
        Orientation::Rotate270FlipH => (w * h - 1, -(w as isize), -1),
        Orientation::Rotate270 => (w - 1, w as isize, -1),
    };
    for (y, row) in upright.chunks_exact_mut(new_w).take(new_h).enumerate() {
        let first = start as isize + y as isize * step_y;
        for (x, pixel) in row.iter_mut().enumerate() {
            *pixel = stored[(first + x as isize * step_x) as usize];
        }
    }
    (new_w as u32, new_h as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orientations_turn_as_exif_says() {
        // 3 wide, 2 high:  1 2 3 / 4 5 6
        let turn = |orientation| {
            let mut upright = [0; 6];
            let size = turn_pixels::<u8, 1>(&[1, 2, 3, 4, 5, 6], 3, 2, orientation, &mut upright);
            (size, upright)
        };
        let exif = |value| turn(Orientation::from_exif(value).unwrap());
        assert_eq!(exif(1), ((3, 2), [1, 2, 3, 4, 5, 6]));
        assert_eq!(exif(2), ((3, 2), [3, 2, 1, 6, 5, 4]));
        assert_eq!(exif(3), ((3, 2), [6, 5, 4, 3, 2, 1]));
        assert_eq!(exif(4), ((3, 2), [4, 5, 6, 1, 2, 3]));
        assert_eq!(exif(5), ((2, 3), [1, 4, 2, 5, 3, 6]));
        assert_eq!(exif(6), ((2, 3), [4, 1, 5, 2, 6, 3]));
        assert_eq!(exif(7), ((2, 3), [6, 3, 5, 2, 4, 1]));
        assert_eq!(exif(8), ((2, 3), [3, 6, 2, 5, 1, 4]));
    }
}
