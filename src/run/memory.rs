//! The memory that large images may take, lent to threads by turns.
//!
//! A thread waits only while it holds nothing, and gives back what it holds before it waits for anything else. So
//! whoever holds memory is at work and will give it back, and no two threads wait for each other. Turns come in the
//! order of asking: an image that needs much is not overtaken forever by images that need little.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::RecordError;
use crate::run::RunOptions;
use crate::spec::ByteSize;

/// Bytes that an image may take without asking. Each thread has as much for itself.
pub(crate) const SMALL: u64 = 4 << 20;

/// The memory of a run for large images.
#[derive(Debug)]
pub(crate) struct Memory {
    most: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    taken: u64,
    /// Number of turns that were given out.
    turns: u64,
    /// Turn that is next.
    next: u64,
}

/// Memory that a thread holds; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    memory: Arc<Memory>,
    bytes: u64,
}

impl Memory {
    /// The memory that the options allow.
    pub(crate) fn new(options: &RunOptions) -> Arc<Memory> {
        Memory::of(options.memory)
    }

    /// As many bytes, or the default.
    pub(crate) fn of(most: Option<ByteSize>) -> Arc<Memory> {
        let most = most.or_else(default_memory).map_or(u64::MAX, |ByteSize(bytes)| bytes);
        Arc::new(Memory { most, state: Mutex::default(), changed: Condvar::new() })
    }

    /// Checks whether an image that needs so much can ever have it.
    pub(crate) fn check(&self, bytes: u64) -> Result<(), RecordError> {
        match bytes > self.most {
            true => Err(RecordError::Memory { bytes, limit: self.most }),
            false => Ok(()),
        }
    }

    /// Takes memory if enough is left.
    pub(crate) fn try_take(self: &Arc<Memory>, bytes: u64) -> Option<Share> {
        let mut share = Share { memory: self.clone(), bytes: 0 };
        share.try_grow(bytes).then_some(share)
    }

    /// Waits for memory. The thread must hold none, and the memory must be able to fit.
    pub(crate) fn take(self: &Arc<Memory>, bytes: u64) -> Share {
        let mut state = self.state();
        let turn = state.turns;
        state.turns += 1;
        let too_early = |state: &mut State| state.next != turn || state.taken.saturating_add(bytes) > self.most;
        let mut state = self.changed.wait_while(state, too_early).unwrap_or_else(PoisonError::into_inner);
        state.taken += bytes;
        state.next += 1;
        drop(state);
        self.changed.notify_all();
        Share { memory: self.clone(), bytes }
    }

    /// Whether a thread waits.
    pub(crate) fn is_awaited(&self) -> bool {
        let state = self.state();
        state.next < state.turns
    }

    /// The state, which is consistent even if a thread panicked while holding the lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Number of bytes held.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes more memory, up to this number of bytes, if enough is left.
    pub(crate) fn try_grow(&mut self, bytes: u64) -> bool {
        let mut state = self.memory.state();
        let more = bytes.saturating_sub(self.bytes);
        let fits = state.taken.saturating_add(more) <= self.memory.most;
        if fits {
            state.taken += more;
            self.bytes += more;
        }
        fits
    }

    /// Divides the memory into this number of bytes, or as many as there are, and the rest.
    pub(crate) fn split(mut self, bytes: u64) -> (Share, Share) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        (Share { memory: self.memory.clone(), bytes }, self)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.memory.state().taken -= self.bytes;
        self.memory.changed.notify_all();
    }
}

/// Half of the memory of the machine or, if that is less, of the process's control group; none if neither is known.
fn default_memory() -> Option<ByteSize> {
    machine::memory().map(|bytes| ByteSize(bytes / 2))
}

#[cfg(target_os = "linux")]
mod machine {
    use std::fs;
    use std::path::Path;

    /// Bytes of memory of the machine or, if that is less, of the process's control group.
    pub(super) fn memory() -> Option<u64> {
        let machine = rustix::system::sysinfo();
        let machine = u64::from(machine.mem_unit).checked_mul(machine.totalram);
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        machine.into_iter().chain(least_limit(&groups, Path::new("/sys/fs/cgroup"))).min()
    }

    /// The lowest limit of the control groups in the text of `/proc/self/cgroup`, and of those above them. Version 2
    /// has one line, `0::/PATH`; version 1 has one for each controller, such as `7:memory:/PATH`.
    pub(super) fn least_limit(groups: &str, root: &Path) -> Option<u64> {
        let limits = groups.lines().flat_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let (controllers, path) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
            let (root, file) = match controllers {
                "" => (root.to_owned(), "memory.max"),
                _ if controllers.split(',').any(|name| name == "memory") => {
                    (root.join("memory"), "memory.limit_in_bytes")
                }
                _ => return Vec::new(),
            };
            let group = root.join(path.trim_start_matches('/'));
            let folders = group.ancestors().take_while(|folder| folder.starts_with(&root));
            folders.filter_map(|folder| fs::read_to_string(folder.join(file)).ok()?.trim().parse().ok()).collect()
        });
        limits.min()
    }
}

#[cfg(not(target_os = "linux"))]
mod machine {
    /// Bytes of memory of the machine: not known.
    pub(super) fn memory() -> Option<u64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn memory(bytes: u64) -> Arc<Memory> {
        Memory::new(&RunOptions { memory: Some(ByteSize(bytes)), ..RunOptions::default() })
    }

    #[test]
    fn never_more_is_taken_than_there_is() {
        let memory = memory(10);
        let mut five = memory.try_take(5).unwrap();
        assert!(memory.try_take(6).is_none());
        let four = memory.try_take(4).unwrap();
        assert!(!five.try_grow(7));
        assert!(five.try_grow(6));
        drop(four);
        let (three, rest) = five.split(3);
        assert_eq!((three.bytes(), rest.bytes()), (3, 3));
        assert!(memory.try_take(5).is_none());
        drop(three);
        assert!(memory.try_take(7).is_some());
    }

    #[test]
    fn what_can_never_fit_is_an_error() {
        let detail = memory(10).check(11).unwrap_err().to_string();
        assert!(detail.starts_with("decoding takes 11 bytes of memory, more than the 10 allowed"), "{detail}");
        assert!(memory(10).check(10).is_ok());
    }

    #[test]
    fn everybody_gets_a_turn() {
        let memory = memory(10);
        let held = memory.try_take(10).unwrap();
        thread::scope(|scope| {
            for bytes in [10, 1, 7, 3, 10, 2] {
                let memory = memory.clone();
                scope.spawn(move || (0..100).for_each(|_| drop(memory.take(bytes))));
            }
            while !memory.is_awaited() {
                thread::yield_now();
            }
            drop(held);
        });
        assert!(!memory.is_awaited());
        assert!(memory.try_take(10).is_some());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn limits_of_control_groups_are_found() {
        use std::fs;

        let root = tempfile::tempdir().unwrap();
        let limit = |file: &str, text: &str| {
            let file = root.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        limit("a/memory.max", "4096\n");
        limit("a/b/memory.max", "max\n");
        limit("memory/c/memory.limit_in_bytes", "2048\n");
        limit("memory/memory.limit_in_bytes", "9223372036854771712\n");
        let least = |groups| machine::least_limit(groups, root.path());
        assert_eq!(least("0::/a/b\n"), Some(4096));
        assert_eq!(least("0::/\n"), None);
        assert_eq!(least("9:cpu,memory:/c\n1:name=systemd:/a\n0::/a/b\n"), Some(2048));
        assert_eq!(least(""), None);
    }
}
