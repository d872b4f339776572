//! Weighted means of a row's bytes with vector instructions, four taps at a time.

use super::taps::Run;

/// Number of taps in a group.
const QUAD: usize = 4;

/// Number of bytes read at a time: [`QUAD`] pixels, and any bytes after them.
const REGISTER: usize = 16;

/// Number of readable bytes that must follow a row to be resized; their values don't matter.
pub(super) const BEYOND: usize = REGISTER;

/// Number of bits in the lower part of a weight, chosen so that both parts fit in 16 bits.
const LOWER: i32 = 11;

/// Fixed-point weights in groups, arranged for 16-bit multiplication.
#[derive(Debug, Default)]
pub(super) struct Quads {
    /// Groups of all runs in order: two pairs of the weights' upper parts, then two pairs of their lower parts.
    groups: Vec<[i32; 4]>,
}

impl Quads {
    /// Arranges the weights of runs, whose absolute values are at most 2^25.
    pub(super) fn set(&mut self, runs: &[Run], weights: &[i32]) {
        self.groups.clear();
        for run in runs {
            self.groups.extend(run.of(weights).chunks(QUAD).map(|weights| {
                let weight = |tap: usize| weights.get(tap).copied().unwrap_or(0);
                let pair = |part: fn(i32) -> i32, tap: usize| part(weight(tap)) & 0xFFFF | part(weight(tap + 1)) << 16;
                let (upper, lower) = (|weight| weight >> LOWER, |weight| weight & ((1 << LOWER) - 1));
                [pair(upper, 0), pair(upper, 2), pair(lower, 0), pair(lower, 2)]
            }));
        }
    }

    /// Resizes a row of `C` channels that is followed by [`BEYOND`] bytes, with weights of `bits` fractional bits. Sums
    /// are rounded to the nearest, halves up, and clamped. Returns false and does nothing if the processor lacks the
    /// instructions.
    #[inline(always)]
    pub(super) fn resize_row<const C: usize>(&self, runs: &[Run], bits: u32, samples: &[u8], row: &mut [u8]) -> bool {
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V3::try_new() {
            self.resize_row_with::<C>(simd, runs, bits, samples, row);
            return true;
        }
        false
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn resize_row_with<const C: usize>(
        &self,
        simd: pulp::x86::V3,
        runs: &[Run],
        bits: u32,
        samples: &[u8],
        row: &mut [u8],
    ) {
        use std::arch::x86_64::{__m128i, __m256i};
        let (sse2, avx, avx2) = (simd.sse2, simd.avx, simd.avx2);
        let register = |lanes: [i32; 8]| -> __m256i { pulp::cast(lanes) };
        // Samples of the first two taps, channel by channel, as 16-bit numbers; then samples of the other two taps. The
        // highest bit makes a zero.
        let order: [u8; 2 * REGISTER] = std::array::from_fn(|byte| {
            let (half, channel) = (byte / REGISTER, byte % REGISTER / 4);
            let is_sample = byte % 2 == 0 && channel < C;
            if is_sample { ((2 * half + byte % 4 / 2) * C + channel) as u8 } else { 0x80 }
        });
        let order: __m256i = pulp::cast(order);
        let (uppers, lowers) = (register([0, 0, 0, 0, 1, 1, 1, 1]), register([2, 2, 2, 2, 3, 3, 3, 3]));
        let half: __m128i = pulp::cast([1 << (bits - 1); 4]);
        let bits: __m128i = pulp::cast([u64::from(bits), 0]);
        let mut groups = self.groups.as_slice();
        for (x, run) in runs.iter().enumerate() {
            let (own, rest) = groups.split_at((run.count as usize).div_ceil(QUAD));
            groups = rest;
            let (mut upper, mut lower) = (register([0; 8]), register([0; 8]));
            let samples = &samples[run.first as usize * C..];
            for (number, weights) in own.iter().enumerate() {
                let pixels: [u8; REGISTER] = *samples[number * QUAD * C..].first_chunk().expect("bytes follow the row");
                let pairs = avx2._mm256_shuffle_epi8(avx2._mm256_broadcastsi128_si256(pulp::cast(pixels)), order);
                let weights = avx._mm256_castsi128_si256(pulp::cast(*weights));
                let part = |which| avx2._mm256_madd_epi16(pairs, avx2._mm256_permutevar8x32_epi32(weights, which));
                upper = avx2._mm256_add_epi32(upper, part(uppers));
                lower = avx2._mm256_add_epi32(lower, part(lowers));
            }
            // Intermediate sums may wrap around, but the final sum is below 2^31.
            let sums = avx2._mm256_add_epi32(avx2._mm256_slli_epi32::<LOWER>(upper), lower);
            let sums = sse2._mm_add_epi32(avx._mm256_castsi256_si128(sums), avx2._mm256_extracti128_si256::<1>(sums));
            let whole = sse2._mm_sra_epi32(sse2._mm_add_epi32(sums, half), bits);
            let words = sse2._mm_packs_epi32(whole, whole);
            let pixel = sse2._mm_cvtsi128_si32(sse2._mm_packus_epi16(words, words)).to_le_bytes();
            // The next pixel overwrites the excess bytes.
            let place = &mut row[x * C..];
            match place.first_chunk_mut() {
                Some(place) => *place = pixel,
                None => place[..C].copy_from_slice(&pixel[..C]),
            }
        }
    }
}
