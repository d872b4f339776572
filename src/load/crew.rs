//! The threads that make tensors, each with buffers of its own.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::LoadError;

/// Threads, and what each of them works with.
pub(super) struct Crew<H> {
    threads: ThreadPool,
    /// One for each thread, which nobody else locks.
    hands: Vec<Mutex<H>>,
}

/// Rows that a thread takes at a time: few, so that no thread is left with many when the others are done.
const AT_A_TIME: usize = 4;

impl<H: Send> Crew<H> {
    /// A thread for each of these.
    pub(super) fn new(hands: Vec<H>) -> Result<Crew<H>, LoadError> {
        let name = |number| format!("inlaid-load-{number}");
        let threads = ThreadPoolBuilder::new().num_threads(hands.len()).thread_name(name).build();
        let threads = threads.map_err(|error| LoadError::Threads(error.to_string()))?;
        Ok(Crew { threads, hands: hands.into_iter().map(Mutex::new).collect() })
    }

    /// Calls a function with the number of each slot of `bytes` bytes of `out`, and with the slot. Returns the numbers of
    /// those that fail, in order, and why.
    pub(super) fn fill<E: Send>(
        &self,
        out: &mut [u8],
        bytes: usize,
        fill: impl Fn(&mut H, usize, &mut [u8]) -> Result<(), E> + Sync,
    ) -> Vec<(usize, E)> {
        let slots = out.par_chunks_exact_mut(bytes).enumerate().with_max_len(AT_A_TIME);
        let filled = slots.filter_map(|(number, slot)| {
            let filled = fill(&mut self.hand(), number, slot);
            filled.err().map(|error| (number, error))
        });
        self.threads.install(|| filled.collect())
    }

    fn hand(&self) -> MutexGuard<'_, H> {
        let own = self.threads.current_thread_index().unwrap_or_default();
        self.hands[own].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<H> fmt::Debug for Crew<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").field("threads", &self.hands.len()).finish_non_exhaustive()
    }
}
