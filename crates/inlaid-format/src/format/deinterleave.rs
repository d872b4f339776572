//! Separates interleaved elements into one plane per channel.

/// Writes interleaved elements of `size` bytes each into `channels` consecutive planes.
pub fn split(interleaved: &[u8], size: usize, channels: usize, planes: &mut [u8]) {
    match (channels, size) {
        (3, 1) => split_elements::<3, 1>(interleaved, planes),
        (3, 2) => split_elements::<3, 2>(interleaved, planes),
        (3, 4) => split_elements::<3, 4>(interleaved, planes),
        (4, 1) => split_elements::<4, 1>(interleaved, planes),
        (4, 2) => split_elements::<4, 2>(interleaved, planes),
        (4, 4) => split_elements::<4, 4>(interleaved, planes),
        _ => planes.copy_from_slice(interleaved),
    }
}

/// Splits `C` channels with elements of `N` bytes.
fn split_elements<const C: usize, const N: usize>(interleaved: &[u8], planes: &mut [u8]) {
    let len = planes.len() / C;
    let mut rest = planes;
    let mut planes: [&mut [u8]; C] =
        std::array::from_fn(|_| rest.split_off_mut(..len).expect("there is a plane for each channel"));
    let done = split_registers::<C, N>(interleaved, &mut planes) / N;
    let pixels = interleaved.as_chunks::<N>().0.as_chunks::<C>().0;
    for (at, pixel) in pixels.iter().enumerate().skip(done) {
        for (plane, element) in planes.iter_mut().zip(pixel) {
            plane[at * N..][..N].copy_from_slice(element);
        }
    }
}

/// Splits as many elements as fill whole registers; returns the number of bytes written to each plane.
#[cfg(target_arch = "x86_64")]
fn split_registers<const C: usize, const N: usize>(interleaved: &[u8], planes: &mut [&mut [u8]; C]) -> usize {
    use pulp::x86::V3;
    const REGISTER: usize = 16;

    let Some(simd) = V3::try_new() else { return 0 };
    let (registers, _) = interleaved.as_chunks::<REGISTER>();
    let (groups, _) = registers.as_chunks::<C>();
    // A register of a plane takes bytes from every register of a group: the order says which ones from each. The
    // highest bit makes a zero, for bytes that come from another register.
    let orders: [[_; C]; C] = std::array::from_fn(|channel| {
        std::array::from_fn(|register| {
            let order: [u8; REGISTER] = std::array::from_fn(|byte| {
                let from = (byte / N * C + channel) * N + byte % N;
                if from / REGISTER == register { (from % REGISTER) as u8 } else { 0x80 }
            });
            pulp::cast(order)
        })
    });
    simd.vectorize(
        #[inline(always)]
        || {
            for (number, group) in groups.iter().enumerate() {
                for (plane, orders) in planes.iter_mut().zip(&orders) {
                    let pick =
                        |register: usize| simd.ssse3._mm_shuffle_epi8(pulp::cast(group[register]), orders[register]);
                    let bytes = (1..C).fold(pick(0), |bytes, next| simd.sse2._mm_or_si128(bytes, pick(next)));
                    plane[number * REGISTER..][..REGISTER].copy_from_slice(&pulp::cast::<_, [u8; REGISTER]>(bytes));
                }
            }
        },
    );
    groups.len() * REGISTER
}

#[cfg(not(target_arch = "x86_64"))]
fn split_registers<const C: usize, const N: usize>(_: &[u8], _: &mut [&mut [u8]; C]) -> usize {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_gets_to_its_place() {
        for channels in [1, 3, 4] {
            for size in [1, 2, 4] {
                // No pixels, full registers, and full registers with a rest.
                for pixels in [0, 1, 5, 16, 17, 100] {
                    let interleaved: Vec<u8> = (0..pixels * channels * size).map(|n| (n * 7 % 251) as u8).collect();
                    let mut planes = vec![0xAA; interleaved.len()];
                    split(&interleaved, size, channels, &mut planes);
                    for (at, element) in planes.chunks_exact(size).enumerate() {
                        let (channel, pixel) = (at / pixels, at % pixels);
                        let expected = &interleaved[(pixel * channels + channel) * size..][..size];
                        assert_eq!(element, expected, "{channels} channels, {size} bytes, {pixels} pixels");
                    }
                }
            }
        }
    }
}
