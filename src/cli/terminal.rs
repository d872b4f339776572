//! Progress during a run, on standard error: a bar on a terminal, lines elsewhere.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{IsTerminal, stderr};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressState, ProgressStyle};
use serde::Serialize;

use super::Write;
use super::args::ProgressForm;
use super::hints::notice_hint;
use super::report::visible;
use crate::{Notice, Progress, Split};

/// Interval at which the bar is drawn.
const FRAME: Duration = Duration::from_millis(100);

/// Interval at which a line is printed where there is no terminal.
const LINE: Duration = Duration::from_secs(10);

/// Interval at which progress is printed as JSON.
const SECOND: Duration = Duration::from_secs(1);

pub struct Terminal {
    quiet: bool,
}

impl Terminal {
    pub fn new(quiet: bool) -> Terminal {
        Terminal { quiet }
    }

    /// Shows the progress until the returned value is dropped. `--quiet` does not silence JSON, which programs read.
    pub fn show(&self, write: &Write, form: ProgressForm) -> Option<Shown> {
        let view = match form {
            ProgressForm::Json => View::json(),
            ProgressForm::Auto if !self.quiet => View::new(write.unit()),
            _ => return None,
        };
        Some(Shown::new(write.progress(), view))
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
    stderr().is_terminal().then(|| Shown::new(progress, View::new(unit)))
}

impl Shown {
    fn new(progress: &Arc<Progress>, mut view: View) -> Shown {
        let (ends, ended) = channel::<()>();
        let progress = progress.clone();
        let thread = thread::spawn(move || {
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
    Json { begin: Instant, last: Option<Instant> },
}

/// A line of progress as JSON.
#[derive(Debug, Serialize)]
struct Line {
    done: usize,
    total: usize,
    rejected: usize,
    rows: BTreeMap<Split, usize>,
    bytes_read: u64,
    bytes_written: u64,
    seconds: f64,
    seconds_left: Option<f64>,
}

impl View {
    fn new(unit: &'static str) -> View {
        if stderr().is_terminal() {
            let bar = ProgressBar::new(0);
            let template = format!("{{wide_bar}} {{human_pos}}/{{human_len}} {unit}  {{rate}}  {{left}}\n{{msg}}");
            let rate = |state: &ProgressState, out: &mut dyn fmt::Write| {
                let _ = write!(out, "{:.0}/s", state.per_sec());
            };
            let left = |state: &ProgressState, out: &mut dyn fmt::Write| {
                // Nothing is known of the first second.
                if state.elapsed() >= SECOND && state.per_sec() > 0.0 {
                    let _ = write!(out, "{} left", HumanDuration(state.eta()));
                }
            };
            let style = ProgressStyle::with_template(&template).expect("the template is valid");
            bar.set_style(style.with_key("rate", rate).with_key("left", left));
            View::Bar(bar)
        } else {
            View::Lines { unit, begin: Instant::now(), last: Instant::now() }
        }
    }

    fn json() -> View {
        View::Json { begin: Instant::now(), last: None }
    }

    fn update(&mut self, progress: &Progress) {
        match self {
            _ if progress.total() == 0 => {}
            View::Bar(bar) => {
                bar.set_length(progress.total() as u64);
                bar.set_position(progress.done() as u64);
                bar.set_message(details(progress, bar.elapsed()));
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
            View::Json { begin, last } => {
                if last.is_none_or(|last| last.elapsed() >= SECOND) {
                    *last = Some(Instant::now());
                    print_line(progress, begin.elapsed());
                }
            }
        }
    }

    fn finish(&mut self, progress: &Progress) {
        match self {
            View::Json { begin, .. } if progress.total() > 0 => print_line(progress, begin.elapsed()),
            _ => self.update(progress),
        }
        if let View::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// What is below the bar, such as `102 MB/s in, 147 MB/s out, 3 rejected, train 1600, test 200`.
fn details(progress: &Progress, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64().max(0.1);
    let mut parts = Vec::new();
    for (bytes, way) in [(progress.bytes_read(), "in"), (progress.bytes_written(), "out")] {
        if bytes > 0 {
            parts.push(format!("{:.0} MB/s {way}", bytes as f64 / 1e6 / seconds));
        }
    }
    match progress.rejected() {
        0 => {}
        rejected => parts.push(format!("{rejected} rejected")),
    }
    parts.extend(progress.rows().iter().map(|(split, rows)| format!("{split} {rows}")));
    parts.join(", ")
}

fn print_line(progress: &Progress, elapsed: Duration) {
    let (done, total, seconds) = (progress.done(), progress.total(), elapsed.as_secs_f64());
    let line = Line {
        done,
        total,
        rejected: progress.rejected(),
        rows: progress.rows().into_iter().collect(),
        bytes_read: progress.bytes_read(),
        bytes_written: progress.bytes_written(),
        seconds,
        seconds_left: (done > 0).then(|| seconds * total.saturating_sub(done) as f64 / done as f64),
    };
    eprintln!("{}", serde_json::to_string(&line).expect("a line is made of numbers"));
}
