//! What a run tells while it goes on, and how it is stopped.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Counts while a run goes on; shared with whoever shows them.
#[derive(Debug, Default)]
pub struct Progress {
    total: AtomicUsize,
    done: AtomicUsize,
    rejected: AtomicUsize,
    stopped: AtomicBool,
}

impl Progress {
    /// Inputs to be decoded; 0 until they are known.
    pub fn total(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }

    /// Inputs that are decoded or rejected.
    pub fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// Inputs that are rejected.
    pub fn rejected(&self) -> usize {
        self.rejected.load(Ordering::Relaxed)
    }

    /// Asks the run to stop soon, with [`crate::Error::Interrupted`], or [`crate::Error::Abandoned`] if
    /// it leaves nothing.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    pub(crate) fn begin(&self, total: usize, rejected: usize) {
        self.total.store(total, Ordering::Relaxed);
        self.rejected.store(rejected, Ordering::Relaxed);
    }

    /// So many more are done.
    pub(crate) fn add(&self, done: usize) {
        self.done.fetch_add(done, Ordering::Relaxed);
    }

    pub(crate) fn advance(&self, rejected: bool) {
        self.done.fetch_add(1, Ordering::Relaxed);
        self.rejected.fetch_add(usize::from(rejected), Ordering::Relaxed);
    }
}
