//! Signals. Ctrl-C, a request to terminate and a closed terminal stop a run, which then ends by that signal, so that a
//! loop of a shell ends too. A signal that is ignored when the program starts, as `nohup` has it, stays ignored.

use std::ffi::c_int;
use std::fs;
use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::{Handle, Signals};

use super::report::{self, Failure};

/// The signals that stop a run, with the names that `kill` knows them by.
const STOPPING: [(c_int, &str); 3] = [(SIGHUP, "HUP"), (SIGINT, "INT"), (SIGTERM, "TERM")];

/// Time from a signal until the process ends although the run has not: longer than an image takes.
const GRACE: Duration = Duration::from_secs(3);

/// What a signal does to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnSignal {
    /// It asks the run to stop, which commits nothing more, and waits for it a while. The same command may resume what
    /// the run has committed.
    Stop { resumes: bool },
    /// It ends the command, unless that has committed its result already.
    End,
}

/// Signals are looked for until this is dropped.
pub struct Watch {
    handle: Option<Handle>,
    shared: Arc<Shared>,
}

/// What the command and the threads that look for signals know of one another.
#[derive(Debug, Default)]
struct Shared {
    /// The first signal that has arrived; 0 before.
    received: AtomicI32,
    /// Whether the outcome of the command is being reported. Whoever ends the process first keeps the lock.
    reported: Mutex<bool>,
}

impl Watch {
    /// Stops a command on the first signal, and ends the process at once on the second. `stop` asks a run to stop.
    /// `json` says whether an error is also printed as JSON.
    pub fn new(on_signal: OnSignal, json: bool, stop: impl Fn() + Send + 'static) -> Watch {
        let shared = Arc::<Shared>::default();
        let signals = STOPPING.into_iter().filter(|(signal, name)| !is_ignored(*signal, name));
        let mut signals = match Signals::new(signals.map(|(signal, _)| signal)) {
            Ok(signals) => signals,
            Err(error) => {
                eprintln!("note: can't catch signals: {error}");
                return Watch { handle: None, shared };
            }
        };
        let watch = Watch { handle: Some(signals.handle()), shared: shared.clone() };
        thread::spawn(move || {
            for signal in signals.forever() {
                if shared.received.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst).is_err() {
                    end_by(signal);
                }
                if on_signal != OnSignal::End {
                    eprintln!("stopping; press Ctrl-C again to quit immediately");
                    stop();
                }
                let shared = shared.clone();
                thread::spawn(move || give_up(signal, on_signal, json, &shared));
            }
        });
        watch
    }

    /// Says that the outcome of the command will be reported now, which nothing ends anymore but a second signal. Never
    /// returns if the process is being ended already. Returns the signal that has stopped the command, if one has.
    pub fn report(&self) -> Option<c_int> {
        *self.shared.reported.lock().unwrap_or_else(PoisonError::into_inner) = true;
        Some(self.shared.received.load(Ordering::SeqCst)).filter(|signal| *signal != 0)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(handle) = &self.handle {
            handle.close();
        }
    }
}

/// What a shell makes of a process that ended by this signal.
pub fn exit_code(signal: c_int) -> u8 {
    u8::try_from(128 + signal).unwrap_or(1)
}

/// Ends the process as the signal would have, had nobody caught it.
pub fn end_by(signal: c_int) -> ! {
    let _ = signal_hook::low_level::emulate_default_handler(signal);
    process::exit(exit_code(signal).into())
}

/// Lets a write beyond the limit on the length of files fail. Otherwise a signal would end the process there.
pub fn let_long_writes_fail() {
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
}

/// Ends the process after a while, if the command does not end itself: a read of a file may never return.
fn give_up(signal: c_int, on_signal: OnSignal, json: bool, shared: &Shared) {
    if on_signal != OnSignal::End {
        thread::sleep(GRACE);
    }
    let reported = shared.reported.lock().unwrap_or_else(PoisonError::into_inner);
    if *reported {
        return;
    }
    let stuck = crate::stuck_read(GRACE);
    let commits = crate::abandon();
    if on_signal == OnSignal::End && commits > 0 {
        return;
    }
    report::failure(&Failure::given_up(stuck.as_deref(), on_signal, exit_code(signal)), json);
    end_by(signal);
}

/// Whether the process was started with this signal ignored.
fn is_ignored(signal: c_int, name: &str) -> bool {
    ignored_by_kernel(signal).unwrap_or_else(|| ignored_by_child(name))
}

/// What Linux says of this process.
fn ignored_by_kernel(signal: c_int) -> Option<bool> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
    Some(mask >> (signal - 1) & 1 == 1)
}

/// Elsewhere only unsafe code could ask. But a child ignores the same signals, and survives one of them.
fn ignored_by_child(name: &str) -> bool {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("kill -s {name} $$")]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    shell.status().is_ok_and(|status| status.success())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn child_ignores_what_the_kernel_says() {
        for (signal, name) in STOPPING {
            assert_eq!(Some(ignored_by_child(name)), ignored_by_kernel(signal), "{name}");
        }
    }
}
