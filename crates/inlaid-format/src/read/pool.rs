//! The memory of batches, used again. Without it every batch begins with as many page faults as it has
//! pages, which takes longer than the copy (see `benches/reading.py`).

use std::sync::{Arc, Mutex, PoisonError};

use arrow_buffer::{Buffer, MutableBuffer};
use bytes::Bytes;

/// Buffers that nobody uses, to be filled again.
pub(super) struct Pool {
    free: Mutex<Vec<MutableBuffer>>,
    /// How many are kept at most.
    most: usize,
}

impl Pool {
    pub(super) fn new(most: usize) -> Arc<Pool> {
        Arc::new(Pool { free: Mutex::default(), most })
    }

    /// An empty buffer with room for so many bytes.
    pub(super) fn take(&self, capacity: usize) -> MutableBuffer {
        match self.free.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            Some(mut buffer) => {
                buffer.clear();
                buffer.reserve(capacity);
                buffer
            }
            None => MutableBuffer::with_capacity(capacity),
        }
    }

    /// A buffer whose memory comes back to the pool when nobody holds it any more.
    pub(super) fn lend(self: &Arc<Pool>, memory: MutableBuffer) -> Buffer {
        Bytes::from_owner(Lent { memory, pool: self.clone() }).into()
    }
}

/// Memory that goes back when it is dropped.
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
