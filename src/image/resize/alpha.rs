//! Premultiplies colors by alpha and back, in integers, as Pillow does around every resize of `RGBA`: otherwise the
//! colors of transparent pixels bleed into their neighbors.

/// Writes RGBA pixels with their colors multiplied by alpha.
pub(super) fn multiply(samples: &[u8], multiplied: &mut Vec<u8>) {
    multiplied.clear();
    multiplied.extend_from_slice(samples);
    for [colors @ .., alpha] in multiplied.as_chunks_mut::<4>().0 {
        for color in colors {
            let product = u32::from(*color) * u32::from(*alpha) + 128;
            *color = (((product >> 8) + product) >> 8) as u8;
        }
    }
}

/// Divides the colors of RGBA pixels by alpha; transparent pixels are unchanged.
pub(super) fn divide(row: &mut [u8]) {
    for [colors @ .., alpha] in row.as_chunks_mut::<4>().0 {
        if !matches!(*alpha, 0 | 255) {
            for color in colors {
                *color = (255 * u32::from(*color) / u32::from(*alpha)).min(255) as u8;
            }
        }
    }
}
