//! Foreign code that reads damaged files may panic; here that becomes an error.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic of this thread will be caught and become an error, so that a panic hook may pass
/// over it.
pub fn is_contained() -> bool {
    CONTAINED.get()
}

/// Calls `read`. If it panics, what it was working on must not be used again.
///
/// # Errors
/// If it panics: what it said.
pub fn contain<T>(read: impl FnOnce() -> T) -> Result<T, String> {
    let outer = CONTAINED.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(read));
    CONTAINED.set(outer);
    outcome.map_err(|panic| message(&*panic))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message").to_owned()
}
