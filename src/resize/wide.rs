//! Runs loops with the widest registers of the processor. Nothing depends on their width: every sum is made in the
//! same order, and no multiplication is fused with an addition.

/// Loops that the compiler can widen; `run` and what it calls must be inlined always.
pub(super) trait Loops {
    fn run(self);
}

/// Runs loops as compiled for AVX2, where there is that.
#[cfg(target_arch = "x86_64")]
pub(super) fn widened(loops: impl Loops) {
    struct Widened<L>(L);
    impl<L: Loops> pulp::NullaryFnOnce for Widened<L> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            self.0.run();
        }
    }
    match pulp::x86::V3::try_new() {
        Some(simd) => simd.vectorize(Widened(loops)),
        None => loops.run(),
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn widened(loops: impl Loops) {
    loops.run();
}
