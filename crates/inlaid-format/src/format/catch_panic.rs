//! Third-party code may panic on damaged files; this module turns such a panic into an error.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic on this thread will be caught and turned into an error, so that a panic hook can
/// ignore it.
pub fn is_contained() -> bool {
    CONTAINED.get()
}

/// Calls `read` and catches its panic. After a panic, the values that `read` was working on must not be used again.
///
/// # Errors
/// The panic message, if `read` panics.
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
