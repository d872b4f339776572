//! Whether a store still answers: if it does, it is an object that can't be read, and others can.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::bucket::Bucket;
use crate::error::StoreError;

/// How long a store may have been silent before it is asked whether it answers at all.
const SILENCE: Duration = Duration::from_secs(10);

/// Whether a store still answers.
#[derive(Debug)]
pub(crate) struct Health {
    /// When the store was last seen to answer.
    answered: Mutex<Instant>,
    /// Since when it does not, and what was read then.
    failure: OnceLock<(PathBuf, StoreError)>,
}

impl Health {
    pub(super) fn new() -> Health {
        Health { answered: Mutex::new(Instant::now()), failure: OnceLock::new() }
    }

    /// Why the store can't be read any more, and what was read then.
    pub(crate) fn failure(&self) -> Option<&(PathBuf, StoreError)> {
        self.failure.get()
    }

    /// Notes how a read of something below `url` ended.
    pub(crate) fn note<T>(&self, url: &Path, bucket: &Bucket, outcome: &Result<T, StoreError>) {
        let is_failure = match outcome {
            Err(error) if error.is_silence() => {
                // Held while the store is asked, so that one thread asks.
                let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
                let is_gone = || answered.elapsed() > SILENCE && !bucket.answers();
                if self.failure.get().is_some() || is_gone() {
                    true
                } else {
                    *answered = Instant::now();
                    false
                }
            }
            Err(error) => error.is_of_store(),
            Ok(_) => {
                *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
                false
            }
        };
        if let (true, Err(error)) = (is_failure, outcome) {
            let _ = self.failure.set((url.to_owned(), error.clone()));
        }
    }
}
