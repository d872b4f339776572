//! What this process keeps of files in object stores: parts that are mapped from a folder on this machine, or in memory
//! where there is none, and parts that are being fetched ahead by threads of its own.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use arrow_buffer::MutableBuffer;
use bytes::Bytes;

use super::cache_folder::{CacheFolder, Found, PAUSE};
use super::cached_bytes::CachedBytes;
use super::input::Owned;
use super::per_process::PerProcess;
use super::units::Unit;

/// Parts that are fetched at once, and their bytes.
const THREADS: usize = 16;
const ROOM: u64 = 256 << 20;

/// Parts that wait to be fetched.
const QUEUE: usize = 64;

/// Maximum number of maps: a process can have 65,530.
const MAPS: usize = 4096;

/// Bytes that are kept in memory, where there is no folder, and those of them that are fetched ahead.
const MEMORY: u64 = 512 << 20;
const MEMORY_AHEAD: u64 = 128 << 20;

/// How long another process is waited for that fetches the same part.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often the parts that were used are marked in the folder, and how long nothing is written after that failed.
const ROUND: Duration = Duration::from_secs(10);
const PENALTY: Duration = Duration::from_secs(60);

/// Uses of parts after which it is looked whether it is time for that.
const USES: u64 = 1024;

/// Parts that stay mapped although others have removed their files: those that are being read.
const IN_USE: usize = 32;

/// Parts of files in object stores, by all tables that share a cache.
pub struct StoreCache {
    folder: Option<CacheFolder>,
    process: PerProcess<Arc<Process>>,
    has_notice: AtomicBool,
}

/// A part: the number of its file in this process, and that of its unit.
pub(super) type Key = (u64, usize);

/// What one process keeps.
#[derive(Default)]
struct Process {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    kept: HashMap<Key, Kept>,
    /// Parts that are being fetched by some thread.
    fetching: HashSet<Key>,
    /// Parts to fetch ahead, and the bytes of those that are fetched ahead now.
    queue: VecDeque<(Key, Weak<CachedBytes>)>,
    threads: usize,
    bytes_ahead: u64,
    now: u64,
    memory: u64,
    maps: usize,
    last_round: Option<Instant>,
    /// Numbers of the files of parts whose checksum was found right.
    verified: HashMap<String, u64>,
    /// When something could not be written.
    failed: Option<Instant>,
    was_told: bool,
    notice: Option<String>,
}

struct Kept {
    bytes: Bytes,
    /// When it was used last.
    used: u64,
    is_used_this_round: bool,
    /// Its name, if it is mapped.
    mapped: Option<String>,
}

impl StoreCache {
    /// A cache in a folder, which has at most so many bytes, or in memory.
    pub fn new(folder: Option<PathBuf>, most: u64) -> Arc<StoreCache> {
        let folder = folder.map(|folder| CacheFolder::new(folder, most));
        Arc::new(StoreCache { folder, process: PerProcess::default(), has_notice: AtomicBool::new(false) })
    }

    /// The folder.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_ref().map(CacheFolder::folder)
    }

    /// Bytes that are kept at most.
    pub fn most(&self) -> u64 {
        self.folder.as_ref().map_or(MEMORY, |folder| folder.most)
    }

    /// A remark that was not made before: why nothing is kept in the folder.
    pub fn notice(&self) -> Option<String> {
        if !self.has_notice.load(Ordering::Relaxed) {
            return None;
        }
        self.has_notice.store(false, Ordering::Relaxed);
        self.process().lock().notice.take()
    }

    fn process(&self) -> Arc<Process> {
        self.process.with(|process| process.clone())
    }

    /// Bytes that may be fetched before they are needed.
    pub(super) fn room_ahead(&self) -> u64 {
        if self.folder.is_some() { ROOM } else { MEMORY_AHEAD }
    }

    /// The bytes of a part, fetched unless they are kept.
    pub(super) fn get(&self, key: Key, file: &CachedBytes, unit: &Unit) -> io::Result<Bytes> {
        let process = self.process();
        let mut state = process.lock();
        loop {
            if let Some(bytes) = state.find(key) {
                if let Some(folder) = self.folder.as_ref().filter(|_| state.now.is_multiple_of(USES)) {
                    state.mark(folder);
                }
                return Ok(bytes);
            }
            if state.fetching.insert(key) {
                break;
            }
            state = process.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        self.fetch(&process, key, file, unit)
    }

    /// Whether more can be begun.
    pub(super) fn has_room(&self) -> bool {
        self.process().lock().queue.len() < QUEUE
    }

    /// Begins to fetch a part, and returns whether it was not kept.
    pub(super) fn begin(self: &Arc<Self>, key: Key, file: &Arc<CachedBytes>) -> bool {
        let process = self.process();
        let mut state = process.lock();
        if state.kept.contains_key(&key) || state.fetching.contains(&key) {
            return false;
        }
        if state.queue.iter().any(|(queued, _)| *queued == key) || state.queue.len() >= QUEUE {
            return false;
        }
        state.queue.push_back((key, Arc::downgrade(file)));
        if state.threads < THREADS.min(state.queue.len() + state.fetching.len()) {
            let (cache, process) = (self.clone(), process.clone());
            let begun =
                thread::Builder::new().name("inlaid-ahead".to_owned()).spawn(move || cache.fetch_queue(&process));
            state.threads += usize::from(begun.is_ok());
        }
        true
    }

    /// Lets go of the parts of a file that is not read any more.
    pub(super) fn forget(&self, file: u64) {
        let process = self.process();
        let mut state = process.lock();
        let parts: Vec<Key> = state.kept.keys().filter(|(number, _)| *number == file).copied().collect();
        for part in parts {
            if let Some(kept) = state.kept.remove(&part) {
                state.forget(&kept);
            }
        }
    }

    /// Fetches what is queued, until there is nothing left.
    fn fetch_queue(&self, process: &Process) {
        loop {
            let next = {
                let mut state = process.lock();
                let next = state.queue.pop_front();
                state.threads -= usize::from(next.is_none());
                next
            };
            let Some((key, file)) = next else { return };
            // Dropped after the lock, which a file takes when it is dropped.
            let Some(file) = file.upgrade() else { continue };
            let Some(unit) = file.unit(key.1) else { continue };
            let mut state = process.lock();
            if state.kept.contains_key(&key) {
                continue;
            }
            if state.bytes_ahead > 0 && state.bytes_ahead + unit.len() > ROOM {
                // Another thread goes on when it has fetched what it fetches.
                state.queue.push_front((key, Arc::downgrade(&file)));
                state.threads -= 1;
                return;
            }
            if !state.fetching.insert(key) {
                continue;
            }
            state.bytes_ahead += unit.len();
            drop(state);
            // Whoever needs it fetches it again, and gets the error.
            let _ = self.fetch(process, key, &file, unit);
            process.lock().bytes_ahead -= unit.len();
        }
    }

    /// Fetches a part that is among those being fetched, and keeps it.
    fn fetch(&self, process: &Process, key: Key, file: &CachedBytes, unit: &Unit) -> io::Result<Bytes> {
        let _fetching = Fetching { process, key };
        let (bytes, mapped) = self.load(process, file, unit)?;
        let mut state = process.lock();
        state.add(key, bytes.clone(), mapped);
        if let Some(folder) = &self.folder {
            state.mark(folder);
        }
        Ok(bytes)
    }

    /// The bytes of a part from the folder, or else from the store; and its name if they are mapped.
    fn load(&self, process: &Process, file: &CachedBytes, unit: &Unit) -> io::Result<(Bytes, Option<String>)> {
        let whole = unit.len();
        let named = unit.name.as_ref().map(|name| format!("{}-{name}", file.digits()));
        let (Some(folder), Some(name), Ok(length)) = (&self.folder, named, usize::try_from(whole)) else {
            return Ok((in_memory(&file.fetch(unit)?, unit.pad), None));
        };
        let found = |found: Found| {
            process.lock().verified.insert(name.clone(), found.inode);
            (found.bytes, found.is_mapped.then(|| name.clone()))
        };
        let begin = Instant::now();
        let part = loop {
            let known = process.lock().verified.get(&name).copied();
            if let Some(part) = folder.find(&name, unit.pad, length, known) {
                return Ok(found(part));
            }
            if whole > folder.most || process.lock().failed.is_some_and(|at| at.elapsed() < PENALTY) {
                break None;
            }
            match folder.begin(&name) {
                // The one who had begun it may have finished it meanwhile.
                Ok(Some(part)) if !folder.has(&name) => break Some(part),
                Ok(Some(_)) => continue,
                Ok(None) if begin.elapsed() < PATIENCE => thread::sleep(PAUSE),
                Ok(None) => break None,
                Err(error) => {
                    self.fail(process, folder, &error);
                    break None;
                }
            }
        };
        let bytes = file.fetch(unit)?;
        if let Some(part) = part {
            match folder.finish(&part, &name, unit.pad, &bytes) {
                Ok(()) => {
                    drop(part);
                    // What was just written needs no look.
                    if let Some(part) = folder.find(&name, unit.pad, length, None) {
                        return Ok(found(part));
                    }
                }
                Err(error) => self.fail(process, folder, &error),
            }
        }
        Ok((in_memory(&bytes, unit.pad), None))
    }

    /// Remembers that nothing can be written.
    fn fail(&self, process: &Process, folder: &CacheFolder, error: &io::Error) {
        let mut state = process.lock();
        state.failed = Some(Instant::now());
        if !std::mem::replace(&mut state.was_told, true) {
            let reason = match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "the disk is full".to_owned(),
                _ => error.to_string(),
            };
            state.notice = Some(format!("nothing is kept in the cache `{}`: {reason}", folder.folder().display()));
            self.has_notice.store(true, Ordering::Relaxed);
        }
    }
}

/// A copy in memory that is aligned as in the file.
fn in_memory(bytes: &[u8], pad: usize) -> Bytes {
    let mut copy = MutableBuffer::with_capacity(pad + bytes.len());
    copy.extend_zeros(pad);
    copy.extend_from_slice(bytes);
    Bytes::from_owner(Owned(copy.into())).slice(pad..)
}

/// A part that is being fetched, until it is dropped.
struct Fetching<'p> {
    process: &'p Process,
    key: Key,
}

impl Drop for Fetching<'_> {
    fn drop(&mut self) {
        self.process.lock().fetching.remove(&self.key);
        self.process.changed.notify_all();
    }
}

impl Process {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn find(&mut self, key: Key) -> Option<Bytes> {
        self.now += 1;
        let kept = self.kept.get_mut(&key)?;
        (kept.used, kept.is_used_this_round) = (self.now, true);
        Some(kept.bytes.clone())
    }

    fn add(&mut self, key: Key, bytes: Bytes, mapped: Option<String>) {
        match mapped {
            Some(_) => self.maps += 1,
            None => self.memory += bytes.len() as u64,
        }
        let kept = Kept { bytes, used: self.now, is_used_this_round: true, mapped };
        if let Some(old) = self.kept.insert(key, kept) {
            self.forget(&old);
        }
        while self.memory > MEMORY && self.drop_oldest(key, false) {}
        while self.maps > MAPS && self.drop_oldest(key, true) {}
    }

    fn forget(&mut self, kept: &Kept) {
        match kept.mapped {
            Some(_) => self.maps -= 1,
            None => self.memory -= kept.bytes.len() as u64,
        }
    }

    /// Drops what was used longest ago, other than `last`, and returns whether there is any.
    fn drop_oldest(&mut self, last: Key, mapped: bool) -> bool {
        let others = self.kept.iter().filter(|(key, kept)| **key != last && kept.mapped.is_some() == mapped);
        let oldest = others.min_by_key(|(_, kept)| kept.used).map(|(key, _)| *key);
        let Some(kept) = oldest.and_then(|oldest| self.kept.remove(&oldest)) else { return false };
        self.forget(&kept);
        true
    }

    /// Marks the parts that were used in the folder, now and then, and lets go of those that somebody has removed there.
    fn mark(&mut self, folder: &CacheFolder) {
        let last = *self.last_round.get_or_insert_with(Instant::now);
        if last.elapsed() < ROUND {
            return;
        }
        self.last_round = Some(Instant::now());
        let mut gone = Vec::new();
        for (key, kept) in &mut self.kept {
            let Some(name) = &kept.mapped else { continue };
            let is_there = match std::mem::take(&mut kept.is_used_this_round) {
                true => folder.touch(name),
                false => folder.has(name),
            };
            if !is_there {
                gone.push((kept.used, *key));
            }
        }
        gone.sort_unstable();
        for (_, key) in gone.iter().take(gone.len().saturating_sub(IN_USE)) {
            if let Some(kept) = self.kept.remove(key) {
                self.forget(&kept);
            }
        }
        self.verified.retain(|name, _| folder.has(name));
    }
}

impl std::fmt::Debug for StoreCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreCache").field("folder", &self.folder).finish_non_exhaustive()
    }
}
