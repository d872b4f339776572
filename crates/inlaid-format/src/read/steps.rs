//! The elements of samples of 8 bits by vector arithmetic, which writes memory faster than a table is looked up. It is used
//! only where it gives, for each of the 256 samples, the same bits as the table.

use std::array;

use crate::format::simd::widened;

/// Samples at a time: a multiple of every number of channels and of the lanes of vector instructions.
const BLOCK: usize = 24;

/// The steps from a sample to an element: `((sample / divisor * factor - offset) - mean) / std`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Step {
    pub(super) divisor: f32,
    pub(super) factor: f32,
    pub(super) offset: f32,
    pub(super) mean: f32,
    pub(super) std: f32,
}

/// The steps of every sample of a block.
#[derive(Clone, Debug)]
pub(super) struct Steps {
    divisor: [f32; BLOCK],
    offset: [f32; BLOCK],
    mean: [f32; BLOCK],
    std: [f32; BLOCK],
    /// Reciprocals of the divisors and standard deviations.
    inverse: [[f32; BLOCK]; 2],
}

impl Step {
    /// The element of a sample, each step rounded to 32 bits.
    pub(super) fn element(&self, sample: f32) -> f32 {
        ((sample / self.divisor * self.factor - self.offset) - self.mean) / self.std
    }
}

impl Steps {
    /// The steps of samples whose channels take turns, by channel. None if the processor has no fused multiplication and
    /// addition, or the arithmetic differs in a bit.
    pub(super) fn of(channels: &[Step]) -> Option<Steps> {
        if channels.is_empty() || !BLOCK.is_multiple_of(channels.len()) || !is_fused() {
            return None;
        }
        let of = |number: fn(&Step) -> f32| array::from_fn(|at| number(&channels[at % channels.len()]));
        let (divisor, std) = (of(|step| step.divisor), of(|step| step.std));
        let inverse = [divisor.map(f32::recip), std.map(f32::recip)];
        let steps = Steps { divisor, offset: of(|step| step.offset), mean: of(|step| step.mean), std, inverse };
        let is_exact = (0..=u8::MAX).all(|sample| {
            let mut bytes = [0; BLOCK * 4];
            steps.floats(&[sample; BLOCK], &mut bytes);
            let elements = bytes.as_chunks::<4>().0.iter().zip(channels.iter().cycle());
            elements.into_iter().all(|(got, step)| *got == step.element(f32::from(sample)).to_ne_bytes())
        });
        is_exact.then_some(steps)
    }

    /// Writes an f32 for each sample.
    pub(super) fn floats(&self, samples: &[u8], out: &mut [u8]) {
        widened(
            #[inline(always)]
            || {
                let (blocks, rest) = samples.as_chunks::<BLOCK>();
                let (out, last) = out.as_chunks_mut::<{ BLOCK * 4 }>();
                for (block, out) in blocks.iter().zip(out) {
                    let elements = self.elements(block);
                    for (out, element) in out.as_chunks_mut::<4>().0.iter_mut().zip(elements) {
                        *out = element.to_ne_bytes();
                    }
                }
                for (out, element) in last.as_chunks_mut::<4>().0.iter_mut().zip(self.elements(&padded(rest))) {
                    *out = element.to_ne_bytes();
                }
            },
        );
    }

    #[inline(always)]
    fn elements(&self, samples: &[u8; BLOCK]) -> [f32; BLOCK] {
        let [divisor, std] = &self.inverse;
        let mut elements = samples.map(f32::from);
        for at in 0..BLOCK {
            let scaled = divided(elements[at], self.divisor[at], divisor[at]) - self.offset[at];
            elements[at] = divided(scaled - self.mean[at], self.std[at], std[at]);
        }
        elements
    }
}

/// A quotient by multiplications: an estimate, corrected by what it leaves (Markstein, "IA-64 and Elementary Functions",
/// 2000, chapter 8). Rounded correctly but for few operands.
#[inline(always)]
fn divided(number: f32, divisor: f32, inverse: f32) -> f32 {
    let estimate = number * inverse;
    (-estimate).mul_add(divisor, number).mul_add(inverse, estimate)
}

/// Fewer samples than a block has, with zeros.
#[inline(always)]
fn padded(samples: &[u8]) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    block[..samples.len()].copy_from_slice(samples);
    block
}

/// Whether a multiplication and an addition are one instruction.
fn is_fused() -> bool {
    #[cfg(target_arch = "x86_64")]
    return pulp::x86::V3::try_new().is_some();
    #[cfg(not(target_arch = "x86_64"))]
    return cfg!(target_arch = "aarch64");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_gives_the_bits_of_the_steps() {
        let plain = Step { divisor: 255.0, factor: 1.0, offset: 0.0, mean: 0.0, std: 1.0 };
        let colors = [(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)].map(|(mean, std)| Step { mean, std, ..plain });
        for channels in [&[plain][..], &colors, &[Step { divisor: 127.5, offset: 1.0, ..plain }]] {
            let Some(steps) = Steps::of(channels) else { continue };
            // Not a multiple of a block.
            let samples: Vec<u8> = (0..1000).map(|at| (at * 7 % 256) as u8).collect();
            let mut out = vec![0; samples.len() * 4];
            steps.floats(&samples, &mut out);
            for (at, got) in out.as_chunks::<4>().0.iter().enumerate() {
                let expected = channels[at % channels.len()].element(f32::from(samples[at]));
                assert_eq!(f32::from_ne_bytes(*got), expected, "sample {at} of {channels:?}");
            }
        }
    }
}
