//! A run that Python has started: it has a thread of its own, while this one looks for signals and reports progress.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use inlaid::cli::bar;
use inlaid::{Error, Progress};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::panic::PanicException;
use pyo3::prelude::*;
use serde::Serialize;

use crate::errors::{exception, misuse};

/// How often signals are looked for, and progress is reported.
const TICK: Duration = Duration::from_millis(100);

/// The error that was to stop a run, which was done before it could be.
fn told_done(py: Python<'_>, error: PyErr) -> PyErr {
    const DONE: &str = "it was done before it could be stopped";
    if error.is_instance_of::<PyKeyboardInterrupt>(py) {
        return PyKeyboardInterrupt::new_err(DONE);
    }
    // Python 3.10 has no notes.
    let _ = error.value(py).call_method1("add_note", (DONE,));
    error
}

/// A run that is being watched.
pub struct Run<'py> {
    pub counts: Arc<Progress>,
    /// What is counted.
    pub unit: &'static str,
    /// Whether a bar is drawn, or a function to call.
    pub progress: Bound<'py, PyAny>,
}

impl Run<'_> {
    /// Runs the task, and returns its result as JSON.
    pub fn run<T: Serialize + Send>(&self, task: impl FnOnce() -> Result<T, Error> + Send) -> PyResult<String> {
        let py = self.progress.py();
        let draws = self.progress.is_truthy()? && !self.progress.is_callable();
        let (counts, unit) = (&self.counts, self.unit);
        let outcome = thread::scope(|scope| {
            let (send, receive) = channel();
            // For other threads while this one waits without the lock of Python; never contended.
            let receive = Mutex::new(receive);
            let wait = |time| receive.lock().expect("nobody else locks it").recv_timeout(time);
            let work = move || {
                let shown = draws.then(|| bar(counts, unit));
                let outcome = task();
                drop(shown);
                // The receiver is there until this thread has ended.
                let _ = send.send(outcome);
            };
            let started = thread::Builder::new().spawn_scoped(scope, work);
            started.map_err(|error| misuse(format!("can't start a thread: {error}")))?;
            loop {
                match py.detach(|| wait(TICK)) {
                    Ok(outcome) => return outcome.map_err(exception),
                    Err(RecvTimeoutError::Disconnected) => return Err(PanicException::new_err("a run panicked")),
                    Err(RecvTimeoutError::Timeout) => {}
                }
                if let Err(error) = py.check_signals().and_then(|()| self.report()) {
                    counts.stop();
                    // What is committed is whole; the exception says why there is no more, or that there is all.
                    let is_done = matches!(py.detach(|| wait(Duration::MAX)), Ok(Ok(_)));
                    return Err(if is_done { told_done(py, error) } else { error });
                }
            }
        });
        let summary = outcome?;
        self.report()?;
        Ok(serde_json::to_string(&summary).expect("a summary has no maps with odd keys"))
    }

    /// Calls the function with the counts, if there is one and they are known.
    fn report(&self) -> PyResult<()> {
        let counts = &self.counts;
        match self.progress.is_callable() && counts.total() > 0 {
            true => self.progress.call1((counts.done(), counts.total(), counts.rejected())).map(drop),
            false => Ok(()),
        }
    }
}
