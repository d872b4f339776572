//! What a lock protects, made anew in a process that was forked.

use std::fmt;
use std::process;
use std::sync::{Mutex, OnceLock, PoisonError};

/// A value behind a lock. A fork has only the thread that made it, so a lock that another thread held would be held
/// forever there: such a process has a value of its own, an empty one.
pub struct PerProcess<T> {
    value: Mutex<T>,
    /// The process that made it.
    process: OnceLock<u32>,
    forked: OnceLock<Box<PerProcess<T>>>,
}

impl<T: Default> PerProcess<T> {
    /// A value of this process.
    pub const fn new(value: T) -> PerProcess<T> {
        PerProcess { value: Mutex::new(value), process: OnceLock::new(), forked: OnceLock::new() }
    }

    /// A value that only this process has: another has an empty one, even if this one never uses it.
    pub fn here(value: T) -> PerProcess<T> {
        PerProcess { process: OnceLock::from(process::id()), ..PerProcess::new(value) }
    }

    /// Calls a function with the value of this process, and nobody else's.
    pub fn with<R>(&self, use_value: impl FnOnce(&mut T) -> R) -> R {
        if *self.process.get_or_init(process::id) != process::id() {
            return self.forked.get_or_init(Box::default).with(use_value);
        }
        use_value(&mut self.value.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T: Default> Default for PerProcess<T> {
    fn default() -> PerProcess<T> {
        PerProcess::new(T::default())
    }
}

impl<T> fmt::Debug for PerProcess<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerProcess").finish_non_exhaustive()
    }
}
