//! The lease that makes this process the only writer below a URL: an object that it renews as long as it lives. A process
//! that wants to write watches it, by its own clock: a lease that is not renewed for a while is taken over. A holder that was
//! only slow finds its uploads dropped and its manifest refused, so nothing depends on the wait being long enough.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs, process};

use serde::{Deserialize, Serialize};

use crate::commit::lock::holder;
use crate::error::{Error, StoreError};
use crate::remote::{Bucket, Expected, Put};
use crate::run::Writers;

/// Its place below the URL.
const LEASE: &str = ".inlaid/lock";

/// How long a lease lives that is not renewed, unless `INLAID_LEASE_SECONDS` says otherwise, and renewals in that time.
const SECONDS: u64 = 30;
const RENEWALS: u32 = 4;

/// How often a lease of another process is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// A lease of this process. Dropped, it is given back.
#[derive(Debug)]
pub(super) struct Lease {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    bucket: Arc<Bucket>,
    conditions: Conditions,
    owner: String,
    state: Mutex<State>,
    ended: Condvar,
    is_lost: AtomicBool,
}

/// Whether a store keeps to the conditions of writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conditions {
    Kept,
    /// It does not, and nobody else writes.
    Ignored,
}

impl From<Writers> for Conditions {
    fn from(writers: Writers) -> Conditions {
        match writers {
            Writers::Several => Conditions::Kept,
            Writers::Single => Conditions::Ignored,
        }
    }
}

impl Conditions {
    /// What is expected of an object, where the store can be told.
    pub(super) fn expect(self, expected: Expected) -> Expected {
        if self == Conditions::Kept { expected } else { Expected::Anything }
    }
}

#[derive(Debug)]
struct State {
    holder: Holder,
    expected: Expected,
    is_ended: bool,
}

/// What the object says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    /// In words.
    holder: String,
    /// Drawn by the process for this lease.
    owner: String,
    /// Machine, since it was started, and space of process numbers on it; none if the system does not tell.
    machine: Option<String>,
    process: u32,
    /// When the process was started, as the system tells it.
    started: Option<String>,
    /// Number of renewals.
    renewals: u64,
}

impl Lease {
    /// Takes the lease of the dataset at a URL, as soon as nobody else holds it.
    ///
    /// # Errors
    /// If another process holds it, or the store can't be written to, or ignores conditions.
    pub(super) fn take(bucket: &Arc<Bucket>, url: &Path, conditions: Conditions) -> Result<Lease, Error> {
        let holder = Holder::of_this_process();
        let failed = |reason| Error::Store { place: url.to_owned(), reason };
        let expected = acquire(bucket, url, &holder, conditions)?;
        let (owner, state) = (holder.owner.clone(), Mutex::new(State { holder, expected, is_ended: false }));
        let (ended, is_lost) = (Condvar::new(), AtomicBool::new(false));
        let shared = Shared { bucket: bucket.clone(), conditions, owner, state, ended, is_lost };
        let lease = Lease { shared: Arc::new(shared) };
        if conditions == Conditions::Kept {
            lease.probe().map_err(failed)?;
        }
        let (shared, pause) = (lease.shared.clone(), duration().map_err(failed)? / RENEWALS);
        let renewing = thread::Builder::new().name("inlaid-lease".to_owned()).spawn(move || shared.renew(pause));
        renewing.map_err(|error| failed(StoreError::Settings(error.to_string())))?;
        Ok(lease)
    }

    /// What tells this lease from others.
    pub(super) fn owner(&self) -> &str {
        &self.shared.owner
    }

    /// Checks that the lease still is the one of this process.
    ///
    /// # Errors
    /// If another process has taken it over, or the store can't be asked.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match self.shared.bucket.read_whole(LEASE)? {
            Some((bytes, _)) if Holder::of(&bytes).is_some_and(|there| there.owner == self.owner()) => Ok(()),
            _ => Err(StoreError::TakenOver),
        }
    }

    /// Checks that the lease is not known to be lost. Sends no request.
    ///
    /// # Errors
    /// If another process has taken it over.
    pub(super) fn check_known(&self) -> Result<(), StoreError> {
        match self.shared.is_lost.load(Ordering::Relaxed) {
            true => Err(StoreError::TakenOver),
            false => Ok(()),
        }
    }

    /// How to give the lease back, from wherever the process ends.
    pub(super) fn ending(&self) -> impl Fn() + Send + 'static + use<> {
        let shared = self.shared.clone();
        move || shared.end()
    }

    /// Tries whether the store keeps to conditions: whether it refuses to create what is there, and to replace a version
    /// that is not there any more.
    fn probe(&self) -> Result<(), StoreError> {
        let (mut other, stale) = {
            let state = self.shared.state();
            (state.holder.clone(), state.expected.clone())
        };
        let is_created = self.shared.bucket.put(LEASE, other.text().into(), &Expected::Absent)?;
        self.shared.renew_once()?;
        other.renewals += 2;
        let is_replaced = self.shared.bucket.put(LEASE, other.text().into(), &stale)?;
        match (is_created, is_replaced) {
            (Put::Refused, Put::Refused) => Ok(()),
            _ => Err(StoreError::NoConditions),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shared.end();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Renews the lease until it is given back or lost.
    fn renew(&self, pause: Duration) {
        while !self.is_lost.load(Ordering::Relaxed) {
            let state = self.state();
            if state.is_ended {
                break;
            }
            let (state, _) = self.ended.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner);
            if state.is_ended {
                break;
            }
            drop(state);
            // A store that does not answer now may answer later.
            let _ = self.renew_once();
        }
    }

    /// Renews the lease. Only one thread at a time does.
    fn renew_once(&self) -> Result<(), StoreError> {
        let (mut next, expected) = {
            let state = self.state();
            (state.holder.clone(), state.expected.clone())
        };
        next.renewals += 1;
        match put_own(&self.bucket, &next, &expected)? {
            Some(expected) => {
                let mut state = self.state();
                state.holder = next;
                state.expected = self.conditions.expect(expected);
                Ok(())
            }
            None if self.state().is_ended => Ok(()),
            None => {
                self.is_lost.store(true, Ordering::Relaxed);
                Err(StoreError::TakenOver)
            }
        }
    }

    /// Gives the lease back, once.
    fn end(&self) {
        if std::mem::replace(&mut self.state().is_ended, true) {
            return;
        }
        self.ended.notify_all();
        let is_own = |bytes: &[u8]| Holder::of(bytes).is_some_and(|there| there.owner == self.owner);
        if let Ok(Some((bytes, _))) = self.bucket.read_whole(LEASE)
            && is_own(&bytes)
        {
            // A lease that can't be removed is taken over in time.
            let _ = self.bucket.remove(LEASE);
        }
    }
}

/// Puts a lease, and waits for that of another process to run out. Returns what is in its place then.
fn acquire(bucket: &Bucket, url: &Path, own: &Holder, conditions: Conditions) -> Result<Expected, Error> {
    let failed = |reason| Error::Store { place: url.to_owned(), reason };
    let held_by = |holder: String| Error::Locked { path: url.to_owned(), holder };
    let patience = duration().map_err(failed)?;
    let mut watched: Option<(Vec<u8>, Instant)> = None;
    loop {
        if watched.is_none()
            && let Some(expected) = put_own(bucket, own, &conditions.expect(Expected::Absent)).map_err(failed)?
        {
            return Ok(conditions.expect(expected));
        }
        let Some((bytes, version)) = bucket.read_whole(LEASE).map_err(failed)? else {
            watched = None;
            continue;
        };
        let there = Holder::of(&bytes);
        let name = || there.as_ref().map_or_else(|| "another process".to_owned(), |there| there.holder.clone());
        let (before, since) = watched.get_or_insert_with(|| (bytes.to_vec(), Instant::now()));
        let is_dead = match there.as_ref().and_then(Holder::is_alive_here) {
            Some(true) => return Err(held_by(name())),
            Some(false) => true,
            None if *before != bytes => return Err(held_by(name())),
            None => since.elapsed() >= patience,
        };
        if is_dead {
            let expected = conditions.expect(Expected::Version(version));
            return match put_own(bucket, own, &expected).map_err(failed)? {
                Some(expected) => Ok(conditions.expect(expected)),
                // Somebody else was faster.
                None => Err(held_by("another process".to_owned())),
            };
        }
        thread::sleep(LOOK);
    }
}

/// Puts a lease; none if there is another than expected. An answer that was lost is found out.
fn put_own(bucket: &Bucket, own: &Holder, expected: &Expected) -> Result<Option<Expected>, StoreError> {
    let text = own.text();
    match bucket.put(LEASE, text.clone().into(), expected)? {
        Put::Done(version) => Ok(Some(Expected::Version(version))),
        Put::Refused => {
            let there = bucket.read_whole(LEASE)?;
            Ok(there.filter(|(bytes, _)| *bytes == text).map(|(_, version)| Expected::Version(version)))
        }
    }
}

fn duration() -> Result<Duration, StoreError> {
    const NAME: &str = "INLAID_LEASE_SECONDS";
    let Ok(text) = env::var(NAME) else { return Ok(Duration::from_secs(SECONDS)) };
    let seconds = text.parse().ok().filter(|seconds: &u64| *seconds > 0);
    let wrong = || StoreError::Settings(format!("`{NAME}` is a number of seconds, at least 1"));
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}

impl Holder {
    fn of_this_process() -> Holder {
        Holder {
            holder: holder(),
            owner: drawn(),
            machine: machine(),
            process: process::id(),
            started: started(process::id()),
            renewals: 0,
        }
    }

    fn of(bytes: &[u8]) -> Option<Holder> {
        serde_json::from_slice(bytes).ok()
    }

    fn text(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(self).expect("a holder is made of texts");
        text.push(b'\n');
        text
    }

    /// Whether the process is alive; none if it is on another machine, or the system does not tell.
    fn is_alive_here(&self) -> Option<bool> {
        let here = machine()?;
        let began = self.started.as_ref().filter(|_| self.machine.as_ref() == Some(&here))?;
        Some(started(self.process).as_ref() == Some(began))
    }
}

/// A name that no other process draws.
fn drawn() -> String {
    // Its keys are drawn by the system.
    let half = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", half(), half())
}

/// What tells this machine, since it was started, and its space of process numbers from others.
fn machine() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let space = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), space.display()))
}

/// When a process was started, in ticks of the system; none if there is none of this number.
fn started(process: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program, in parentheses, may hold blanks.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    // A process that has died, but was not waited for, writes no more.
    let state = fields.next()?;
    fields.nth(18).filter(|_| !matches!(state, "Z" | "X")).map(str::to_owned)
}
