//! Which file each thread is reading, so that a run that can't end because a read does not return can name the file.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// What a thread reads. Its own lock, which nobody else takes until a run is stopped.
#[derive(Debug, Default)]
struct Current {
    path: PathBuf,
    /// None between reads; then the path is an old one, whose memory is used again.
    since: Option<Instant>,
}

static THREADS: Mutex<Vec<Weak<Mutex<Current>>>> = Mutex::new(Vec::new());

thread_local! {
    static OWN: Arc<Mutex<Current>> = {
        let own = Arc::default();
        let mut threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
        threads.retain(|thread| thread.strong_count() > 0);
        threads.push(Arc::downgrade(&own));
        own
    };
}

/// A read of this thread, until it is dropped.
#[derive(Debug)]
pub(super) struct Reading;

impl Reading {
    pub(super) fn begin(path: &Path) -> Reading {
        change(|current| {
            let name = current.path.as_mut_os_string();
            name.clear();
            name.push(path);
            current.since = Some(Instant::now());
        });
        Reading
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        change(|current| current.since = None);
    }
}

fn change(change: impl FnOnce(&mut Current)) {
    OWN.with(|own| change(&mut own.lock().unwrap_or_else(PoisonError::into_inner)));
}

/// The file that a thread of this process has been reading for longest, if it is for at least so long.
pub fn stuck_read(least: Duration) -> Option<PathBuf> {
    let threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
    let reads = threads.iter().filter_map(Weak::upgrade).filter_map(|thread| {
        let current = thread.lock().unwrap_or_else(PoisonError::into_inner);
        Some((current.since?, current.path.clone()))
    });
    let (since, path) = reads.min_by_key(|(since, _)| *since)?;
    (since.elapsed() >= least).then_some(path)
}
