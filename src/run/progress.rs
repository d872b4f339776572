//! Progress of a run, and a way to stop it.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crate::error::Error;
use crate::spec::Split;

/// Counters of a run, shared with the code that displays them.
#[derive(Debug, Default)]
pub struct Progress {
    total: AtomicUsize,
    done: AtomicUsize,
    rejected: AtomicUsize,
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
    /// By split.
    rows: [AtomicUsize; Split::ALL.len()],
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

    /// Bytes of the files that were read so far; 0 for runs that decode nothing.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// Bytes of the tensors or image files that were written so far; 0 for runs that decode nothing.
    pub fn bytes_written(&self) -> u64 {
        self.bytes_written.load(Ordering::Relaxed)
    }

    /// Rows that were written to each split so far; none for runs that decode nothing.
    pub fn rows(&self) -> Vec<(Split, usize)> {
        let rows = Split::ALL.iter().zip(&self.rows).map(|(split, rows)| (*split, rows.load(Ordering::Relaxed)));
        rows.filter(|(_, rows)| *rows > 0).collect()
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

    /// Counts bytes of a file that was read.
    pub(crate) fn read(&self, bytes: usize) {
        self.bytes_read.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts rows that were written, and their bytes.
    pub(crate) fn written(&self, split: Split, rows: usize, bytes: usize) {
        self.bytes_written.fetch_add(bytes as u64, Ordering::Relaxed);
        let known = Split::ALL.iter().position(|known| *known == split).unwrap_or_default();
        self.rows[known].fetch_add(rows, Ordering::Relaxed);
    }
}
