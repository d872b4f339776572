//! Conversions, appends and repackings, started from Python.

use std::ffi::OsString;
use std::sync::Mutex;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use inlaid::Progress;
use inlaid::cli::{self, Write};
use pyo3::panic::PanicException;
use pyo3::prelude::*;

use crate::errors::{exception, setting};

/// How often signals are looked for, and progress is told.
const TICK: Duration = Duration::from_millis(100);

/// Runs `inlaid convert`, `append` or `repack` with these arguments, and returns the summary as JSON.
/// `progress` is called with the numbers of images done, in all, and rejected; `True` shows a bar on a
/// terminal.
#[pyfunction]
pub fn write(py: Python<'_>, arguments: Vec<OsString>, progress: Bound<'_, PyAny>) -> PyResult<String> {
    let write = Write::parse(arguments).map_err(setting)?;
    cli::quiet_codec_panics();
    let bar = progress.is_truthy()? && !progress.is_callable();
    let tell = |counts: &Progress| match progress.is_callable() && counts.total() > 0 {
        true => progress.call1((counts.done(), counts.total(), counts.rejected())).map(drop),
        false => Ok(()),
    };
    let outcome = thread::scope(|scope| {
        let (send, receive) = channel();
        // For other threads while this one waits without the lock of Python; never contended.
        let receive = Mutex::new(receive);
        let wait = |time| receive.lock().expect("nobody else locks it").recv_timeout(time);
        let run = || {
            let shown = bar.then(|| cli::bar(&write));
            let outcome = write.run();
            drop(shown);
            outcome
        };
        scope.spawn(move || {
            // The receiver is there until this thread has ended.
            let _ = send.send(run());
        });
        loop {
            match py.detach(|| wait(TICK)) {
                Ok(outcome) => return outcome.map_err(exception),
                Err(RecvTimeoutError::Disconnected) => return Err(PanicException::new_err("a run panicked")),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if let Err(error) = py.check_signals().and_then(|()| tell(write.progress())) {
                write.progress().stop();
                // What is committed is whole; the exception tells why there is no more.
                let _ = py.detach(|| wait(Duration::MAX));
                return Err(error);
            }
        }
    });
    let summary = outcome?;
    tell(write.progress())?;
    Ok(serde_json::to_string(&summary).expect("a summary has no maps with odd keys"))
}
