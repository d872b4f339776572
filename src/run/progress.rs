//! Progress of a run, and a way to stop it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::error::Error;

/// Counters of a run, shared with the code that displays them.
#[derive(Debug, Default)]
pub struct Progress {
    total: AtomicUsize,
    done: AtomicUsize,
    rejected: AtomicUsize,
    stopped: AtomicBool,
}

impl Progress {
    /// Number of inputs to decode, or of rows to read; 0 until it is known.
    pub fn total(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }

    /// Number of inputs decoded or rejected, or of rows read, so far.
    pub fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// Number of inputs rejected so far.
    pub fn rejected(&self) -> usize {
        self.rejected.load(Ordering::Relaxed)
    }

    /// Asks the run to stop soon. It then fails with [`crate::Error::Interrupted`], or with
    /// [`crate::Error::Abandoned`] if it leaves nothing behind.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Ends a run that leaves nothing behind, if it was asked to stop.
    pub(crate) fn go_on(&self) -> Result<(), Error> {
        if self.is_stopped() { Err(Error::Abandoned) } else { Ok(()) }
    }

    pub(crate) fn begin(&self, total: usize, rejected: usize) {
        self.total.store(total, Ordering::Relaxed);
        self.rejected.store(rejected, Ordering::Relaxed);
    }

    /// Counts `done` more inputs or rows as done.
    pub(crate) fn add(&self, done: usize) {
        self.done.fetch_add(done, Ordering::Relaxed);
    }

    pub(crate) fn advance(&self, rejected: bool) {
        self.done.fetch_add(1, Ordering::Relaxed);
        self.rejected.fetch_add(usize::from(rejected), Ordering::Relaxed);
    }
}
