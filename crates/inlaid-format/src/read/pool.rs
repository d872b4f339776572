//! Reuses the memory of batches. Without reuse, filling a batch causes a page fault for each of its memory
//! pages, which takes longer than the copy (see `benches/reading.py`).

use std::io;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_buffer::Buffer;
use bytes::Bytes;
use memmap2::{MmapMut, MmapOptions};

use crate::error::Error;

/// Length from which memory is made of huge pages, where the system has them: it takes a page fault for each 2 MiB then,
/// not for each 4 KiB. NumPy begins at the same length.
const HUGE: usize = 4 << 20;
/// Size of a huge page.
const HUGE_PAGE: usize = 2 << 20;

/// The unused memory of the batches of a table. It is mapped, not allocated: an allocator keeps what it has given out
/// to many threads, and memory that nobody uses would stay.
#[derive(Default)]
pub(super) struct Pool {
    unused: Mutex<Unused>,
}

#[derive(Default)]
struct Unused {
    /// The most recently used last: it may still be in the caches of the processor.
    memory: Vec<Memory>,
    /// Maximum number of these.
    most: usize,
}

impl Pool {
    /// Keeps as many buffers as a pass uses at a time.
    pub(super) fn keep(&self, most: usize) {
        let mut unused = self.unused.lock().unwrap_or_else(PoisonError::into_inner);
        unused.most = most;
        let surplus = unused.memory.len().saturating_sub(most);
        unused.memory.drain(..surplus);
    }

    /// Memory of `length` bytes with any content, for a batch of a file.
    ///
    /// # Errors
    /// If the system has no more.
    pub(super) fn take(&self, length: usize, path: &Path) -> Result<Memory, Error> {
        let mut unused = self.unused.lock().unwrap_or_else(PoisonError::into_inner);
        // The shortest that is long enough, of these the one used last.
        let fitting = unused.memory.iter().enumerate().rev().filter(|(_, memory)| memory.fits(length));
        if let Some((place, _)) = fitting.min_by_key(|(_, memory)| memory.capacity()) {
            let memory = unused.memory.remove(place);
            return Ok(Memory { length, ..memory });
        }
        drop(unused);
        Memory::new(length).map_err(Error::io("make room for a batch of", path))
    }

    /// Wraps memory in a buffer that returns it to the pool when the last reference is dropped.
    pub(super) fn lend(self: &Arc<Pool>, memory: Memory) -> Buffer {
        Bytes::from_owner(Lent { memory: Some(memory), pool: self.clone() }).into()
    }
}

/// Memory that is aligned for elements of any size.
pub(super) struct Memory {
    map: MmapMut,
    start: usize,
    length: usize,
}

impl Memory {
    fn new(length: usize) -> io::Result<Memory> {
        let slack = if length >= HUGE { HUGE_PAGE } else { 0 };
        let map = MmapOptions::new().len(length.max(1) + slack).map_anon()?;
        if slack == 0 {
            return Ok(Memory { map, start: 0, length });
        }
        let start = map.as_ptr().align_offset(HUGE_PAGE);
        #[cfg(target_os = "linux")]
        // A kernel without them maps small ones.
        let _ = map.advise_range(memmap2::Advice::HugePage, start, length);
        Ok(Memory { map, start, length })
    }

    /// Whether it holds `length` bytes, and not far more: the last batch of a pass has fewer rows.
    fn fits(&self, length: usize) -> bool {
        (length..=length.saturating_mul(2).saturating_add(HUGE)).contains(&self.capacity())
    }

    fn capacity(&self) -> usize {
        self.map.len() - self.start
    }
}

impl Deref for Memory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map[self.start..self.start + self.length]
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.map[self.start..self.start + self.length]
    }
}

/// Memory that returns to the pool when dropped.
struct Lent {
    memory: Option<Memory>,
    pool: Arc<Pool>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.memory.as_deref().unwrap_or_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut unused = self.pool.unused.lock().unwrap_or_else(PoisonError::into_inner);
        unused.memory.extend(self.memory.take());
        if unused.memory.len() > unused.most {
            unused.memory.remove(0);
        }
    }
}
