//! Runs loops with wide registers. Results don't depend on the width: every sum is made in the same order, and no
//! multiplication is fused with an addition.

/// Runs loops compiled for AVX2 where the processor has it. The closure and everything it calls must be
/// `#[inline(always)]`.
#[inline(always)]
pub fn widened<R>(loops: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return simd.vectorize(loops);
    }
    loops()
}
