//! Reuses the memory of batches. Without reuse, filling a batch causes a page fault for each of its memory
//! pages, which takes longer than the copy (see `benches/reading.py`).

use std::io;
use std::ops::{Deref, DerefMut};

use arrow_buffer::{Buffer, MutableBuffer};
use bytes::Bytes;
use memmap2::{MmapMut, MmapOptions};

use super::per_process::PerProcess;
use crate::error::Error;

/// Length from which memory is made of huge pages, where the system has them: it takes a page fault for each 2 MiB then,
/// not for each 4 KiB. NumPy begins at the same length.
const HUGE: usize = 4 << 20;
/// Length from which memory is mapped.
const MAPPED: usize = 1 << 20;
/// Size of a huge page.
const HUGE_PAGE: usize = 2 << 20;

/// Bytes that are kept even if no pass needs as many.
const KEPT: usize = 64 << 20;

/// The unused memory of all batches of the process. Long memory is mapped, not allocated: an allocator keeps what it has
/// given out to many threads, and memory that nobody uses would stay. Passes share it, so that a short one finds some.
#[derive(Default)]
struct Pool {
    /// The most recently used last: it may still be in the caches of the processor.
    unused: Vec<Memory>,
    bytes: usize,
    /// Bytes that the passes of now use at a time, or the last one did if there is none.
    needed: usize,
    /// Number of these passes.
    passes: usize,
}

static POOL: PerProcess<Pool> = PerProcess::new(Pool { unused: Vec::new(), bytes: 0, needed: 0, passes: 0 });

/// A pass, for which memory is kept that it uses again and again.
pub(super) struct Need(usize);

impl Need {
    /// The need for as many bytes at a time.
    pub(super) fn of(bytes: usize) -> Need {
        POOL.with(|pool| {
            pool.needed = if pool.passes == 0 { bytes } else { pool.needed.saturating_add(bytes) };
            pool.passes += 1;
        });
        Need(bytes)
    }
}

impl Drop for Need {
    fn drop(&mut self) {
        let surplus = POOL.with(|pool| {
            // A pass that a fork has from the process before is none of its own.
            pool.passes = pool.passes.saturating_sub(1);
            // The next epoch needs as much as the one that ends.
            pool.needed = if pool.passes == 0 { self.0 } else { pool.needed.saturating_sub(self.0) };
            pool.surplus()
        });
        drop(surplus);
    }
}

impl Pool {
    /// Takes out the memory that nobody has used for longest, until no more than is needed is kept.
    fn surplus(&mut self) -> Vec<Memory> {
        let mut surplus = Vec::new();
        while self.bytes > KEPT.max(self.needed) && !self.unused.is_empty() {
            let memory = self.unused.remove(0);
            self.bytes -= memory.capacity();
            surplus.push(memory);
        }
        surplus
    }
}

/// Memory of `length` bytes with any content.
///
/// # Errors
/// If the system has no more.
pub(super) fn take(length: usize) -> Result<Memory, Error> {
    let found = POOL.with(|pool| {
        // The shortest that is long enough, of these the one used last.
        let fitting = pool.unused.iter().enumerate().rev().filter(|(_, memory)| memory.fits(length));
        let (place, _) = fitting.min_by_key(|(_, memory)| memory.capacity())?;
        let memory = pool.unused.remove(place);
        pool.bytes -= memory.capacity();
        Some(Memory { length, ..memory })
    });
    found.map_or_else(|| Memory::new(length).map_err(|_| Error::NoMemory(length as u64)), Ok)
}

/// Wraps memory in a buffer that gives it back when the last reference is dropped.
pub(super) fn lend(memory: Memory) -> Buffer {
    Bytes::from_owner(Lent(Some(memory))).into()
}

/// Memory that is aligned for elements of any size.
pub(super) struct Memory {
    content: Content,
    length: usize,
}

enum Content {
    /// A few bytes. A process can have some ten thousand maps only.
    Heap(MutableBuffer),
    /// Mapped memory, used from an offset on.
    Map(MmapMut, usize),
}

impl Memory {
    fn new(length: usize) -> io::Result<Memory> {
        if length < MAPPED {
            return Ok(Memory { content: Content::Heap(MutableBuffer::from_len_zeroed(length)), length });
        }
        let slack = if length >= HUGE { HUGE_PAGE } else { 0 };
        let too_long = io::ErrorKind::OutOfMemory;
        let map = MmapOptions::new().len(length.checked_add(slack).ok_or(too_long)?).map_anon()?;
        if slack == 0 {
            return Ok(Memory { content: Content::Map(map, 0), length });
        }
        let start = map.as_ptr().align_offset(HUGE_PAGE);
        #[cfg(target_os = "linux")]
        // A kernel without them maps small ones.
        let _ = map.advise_range(memmap2::Advice::HugePage, start, length);
        Ok(Memory { content: Content::Map(map, start), length })
    }

    /// Keeps the first bytes, which are as many as there are or fewer.
    pub(super) fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// Whether it holds `length` bytes, and not far more: the last batch of a pass has fewer rows.
    fn fits(&self, length: usize) -> bool {
        (length..=length.saturating_mul(2)).contains(&self.capacity())
    }

    fn capacity(&self) -> usize {
        match &self.content {
            Content::Heap(memory) => memory.len(),
            Content::Map(map, start) => map.len() - start,
        }
    }
}

impl Deref for Memory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.content {
            Content::Heap(memory) => &memory[..self.length],
            Content::Map(map, start) => &map[*start..start + self.length],
        }
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.content {
            Content::Heap(memory) => &mut memory[..self.length],
            Content::Map(map, start) => &mut map[*start..*start + self.length],
        }
    }
}

/// Memory that returns to the pool when dropped.
struct Lent(Option<Memory>);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(memory) = self.0.take() else { return };
        let surplus = POOL.with(|pool| {
            pool.bytes += memory.capacity();
            pool.unused.push(memory);
            pool.surplus()
        });
        // Without the lock: to unmap memory takes time.
        drop(surplus);
    }
}
