//! Progress during a run, on standard error: a bar on a terminal, lines elsewhere.

use std::fmt;
use std::io::{IsTerminal, stderr};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::Write;
use super::hints::notice_hint;
use super::report::visible;
use crate::{Notice, Progress};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};

/// Interval at which the bar is drawn.
const FRAME: Duration = Duration::from_millis(100);

/// Interval at which a line is printed where there is no terminal.
const LINE: Duration = Duration::from_secs(10);

pub struct Terminal {
    quiet: bool,
}

impl Terminal {
    pub fn new(quiet: bool) -> Terminal {
        Terminal { quiet }
    }

    /// Shows the progress until the returned value is dropped.
    pub fn show(&self, write: &Write) -> Option<Shown> {
        (!self.quiet).then(|| Shown::new(write.progress(), write.unit()))
    }

    pub fn notes(&self, notices: &[Notice]) {
        for notice in notices.iter().filter(|_| !self.quiet) {
            eprintln!("note: {}", visible(&notice.to_string()));
            if let Some(hint) = notice_hint(notice) {
                eprintln!("hint: {}", visible(&hint));
            }
        }
    }
}

/// Progress display that runs until it is dropped.
#[derive(Debug)]
pub struct Shown {
    ends: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Draws a bar on standard error until the returned value is dropped; none if standard error is not a terminal. `unit`
/// names what is counted.
pub fn bar(progress: &Arc<Progress>, unit: &'static str) -> Option<Shown> {
    stderr().is_terminal().then(|| Shown::new(progress, unit))
}

impl Shown {
    fn new(progress: &Arc<Progress>, unit: &'static str) -> Shown {
        let (ends, ended) = channel::<()>();
        let progress = progress.clone();
        let thread = thread::spawn(move || {
            let mut view = View::new(unit);
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(FRAME) {
                view.update(&progress);
            }
            view.finish(&progress);
        });
        Shown { ends: Some(ends), thread: Some(thread) }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        drop(self.ends.take());
        // If the thread panicked while drawing, there is nothing more to show.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

enum View {
    Bar(ProgressBar),
    Lines { unit: &'static str, begin: Instant, last: Instant },
}

impl View {
    fn new(unit: &'static str) -> View {
        if stderr().is_terminal() {
            let bar = ProgressBar::new(0);
            let template = format!("{{wide_bar}} {{pos}}/{{len}} {unit}  {{msg}}  {{rate}}  {{eta}} left");
            let rate = |state: &ProgressState, out: &mut dyn fmt::Write| {
                let _ = write!(out, "{:.0}/s", state.per_sec());
            };
            let style = ProgressStyle::with_template(&template).expect("the template is valid");
            bar.set_style(style.with_key("rate", rate));
            View::Bar(bar)
        } else {
            View::Lines { unit, begin: Instant::now(), last: Instant::now() }
        }
    }

    fn update(&mut self, progress: &Progress) {
        match self {
            _ if progress.total() == 0 => {}
            View::Bar(bar) => {
                bar.set_length(progress.total() as u64);
                bar.set_position(progress.done() as u64);
                bar.set_message(match progress.rejected() {
                    0 => String::new(),
                    n => format!("{n} rejected"),
                });
            }
            View::Lines { unit, begin, last } => {
                if last.elapsed() >= LINE {
                    *last = Instant::now();
                    let rate = progress.done() as f64 / begin.elapsed().as_secs_f64();
                    let left = (progress.total() - progress.done()) as f64 / rate.max(0.01);
                    let (done, total, rejected) = (progress.done(), progress.total(), progress.rejected());
                    eprintln!("{done}/{total} {unit}, {rejected} rejected, {rate:.0}/s, {left:.0} s left");
                }
            }
        }
    }

    fn finish(&mut self, progress: &Progress) {
        self.update(progress);
        if let View::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
