//! The end of a program that gets no more memory: with an error that says what to do, instead of an abort. The only unsafe
//! code of the program; the library leaves the choice of an allocator to whoever uses it.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Write, stderr};
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};

/// The allocator of the system, which ends the program when there is no memory left.
pub struct Explaining;

// SAFETY: each method passes its arguments on to the allocator of the system, and returns what that returns.
unsafe impl GlobalAlloc for Explaining {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as promised by the caller.
        some(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as promised by the caller.
        some(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as promised by the caller.
        some(unsafe { System.realloc(memory, layout, size) }, size)
    }
}

/// The memory, unless it is none: then the program ends.
#[inline]
fn some(memory: *mut u8, bytes: usize) -> *mut u8 {
    if memory.is_null() {
        end(bytes);
    }
    memory
}

/// Prints what to do, and ends the program, without taking memory. If that fails for want of memory too, it returns, and
/// the program is aborted.
#[cold]
fn end(bytes: usize) {
    static ENDS: AtomicBool = AtomicBool::new(false);
    if !ENDS.swap(true, Ordering::SeqCst) {
        let mut text = [0; 512];
        let mut rest = &mut text[..];
        let _ = write!(
            rest,
            "error: out of memory: the system refused {bytes} bytes\nhint: use fewer `--threads` or a smaller `--memory`, or \
             leave large images out with `--max-pixels`, and run the same command again to resume\n"
        );
        let left = rest.len();
        let _ = stderr().write_all(&text[..text.len() - left]);
        exit(1);
    }
}
