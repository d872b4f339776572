//! Reuses the memory of batches. Without reuse, filling a batch causes a page fault for each of its memory
//! pages, which takes longer than the copy (see `benches/reading.py`).

use std::sync::{Arc, Mutex, PoisonError};

use arrow_buffer::{Buffer, MutableBuffer};
use bytes::Bytes;

/// A pool of unused buffers.
pub(super) struct Pool {
    free: Mutex<Vec<MutableBuffer>>,
    /// Maximum number of buffers kept.
    most: usize,
}

impl Pool {
    pub(super) fn new(most: usize) -> Arc<Pool> {
        Arc::new(Pool { free: Mutex::default(), most })
    }

    /// A buffer of `length` bytes with any content.
    pub(super) fn take(&self, length: usize) -> MutableBuffer {
        match self.free.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            Some(mut buffer) => {
                buffer.resize(length, 0);
                buffer
            }
            None => MutableBuffer::from_len_zeroed(length),
        }
    }

    /// Wraps memory in a buffer that returns it to the pool when the last reference is dropped.
    pub(super) fn lend(self: &Arc<Pool>, memory: MutableBuffer) -> Buffer {
        Bytes::from_owner(Lent { memory, pool: self.clone() }).into()
    }
}

/// Memory that returns to the pool when dropped.
struct Lent {
    memory: MutableBuffer,
    pool: Arc<Pool>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.memory
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut free = self.pool.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < self.pool.most {
            free.push(std::mem::replace(&mut self.memory, MutableBuffer::new(0)));
        }
    }
}
