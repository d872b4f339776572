//! The threads that carry out requests, in the process that has started them.

use std::mem;
use std::ops::Deref;
use std::process;

use tokio::runtime::Runtime;

/// A runtime. A fork has none of its threads, and must not wait for them.
#[derive(Debug)]
pub(super) struct OwnRuntime {
    runtime: Option<Runtime>,
    process: u32,
}

impl OwnRuntime {
    pub(super) fn new(runtime: Runtime) -> OwnRuntime {
        OwnRuntime { runtime: Some(runtime), process: process::id() }
    }
}

impl Deref for OwnRuntime {
    type Target = Runtime;

    fn deref(&self) -> &Runtime {
        self.runtime.as_ref().expect("it is taken only when it is dropped")
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        let runtime = self.runtime.take();
        if self.process != process::id() {
            mem::forget(runtime);
        }
    }
}
