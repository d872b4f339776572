//! Runs loops with wide registers. Nothing depends on their width: every sum is made in the same order, and no
//! multiplication is fused with an addition.

/// Runs loops as compiled for AVX2, where there is that. The closure, and what it calls, must be inlined always.
#[inline(always)]
pub(crate) fn widened<R>(loops: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return simd.vectorize(loops);
    }
    loops()
}
