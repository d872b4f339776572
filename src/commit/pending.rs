//! What this process has created and not committed yet. A process that has to end while a thread of it is stuck in a
//! read can't drop it, and removes it from here.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};

/// Held shared by every commit, and for good by whoever abandons everything: nothing is removed during a commit, and
/// no commit begins afterwards.
static COMMITS: RwLock<()> = RwLock::new(());

/// Number of commits that were begun.
static BEGUN: AtomicUsize = AtomicUsize::new(0);

/// How to remove what is pending, in the order of its creation.
static PENDING: Mutex<BTreeMap<u64, Removal>> = Mutex::new(BTreeMap::new());

type Removal = Box<dyn Fn() + Send>;

/// An entry of the list, which is taken off the list when this is dropped.
#[derive(Debug)]
pub(super) struct Pending(u64);

impl Pending {
    /// Lists something that was created. `remove` is called if it has to be abandoned.
    pub(super) fn new(remove: impl Fn() + Send + 'static) -> Pending {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        PENDING.lock().unwrap_or_else(PoisonError::into_inner).insert(number, Box::new(remove));
        Pending(number)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        PENDING.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// Keeps [`abandon`] waiting until the returned value is dropped.
pub(super) fn commit() -> RwLockReadGuard<'static, ()> {
    let commit = COMMITS.read().unwrap_or_else(PoisonError::into_inner);
    BEGUN.fetch_add(1, Ordering::Relaxed);
    commit
}

/// Removes everything that this process has created and not committed, the last first, and lets no commit begin
/// anymore: the process must end now. Waits for commits that have begun; what a failed one has left, a journal and the
/// files that it names, stays for the next run. Returns the number of commits that were made.
pub fn abandon() -> usize {
    // Never given back.
    std::mem::forget(COMMITS.write().unwrap_or_else(PoisonError::into_inner));
    let pending = std::mem::take(&mut *PENDING.lock().unwrap_or_else(PoisonError::into_inner));
    pending.into_values().rev().for_each(|remove| remove());
    BEGUN.load(Ordering::Relaxed)
}
