//! Copies pixels without mixing them.

use super::image::{Image, Target};
use super::taps::Taps;

/// Copies the source pixel of every target pixel.
pub(super) fn copy<const C: usize, S: Copy + Into<E>, E>(
    image: Image<'_, S>,
    [x, y]: [&Taps; 2],
    mut target: Target<'_, E>,
) {
    for (number, down) in y.runs.iter().enumerate() {
        let pixels = image.row(down.first).as_chunks::<C>().0;
        for (to, across) in target.row(number).as_chunks_mut::<C>().0.iter_mut().zip(&x.runs) {
            let from = pixels[across.first as usize];
            to.iter_mut().zip(from).for_each(|(element, sample)| *element = sample.into());
        }
    }
}
