//! The commands that write rows, `convert`, `append` and `repack`, as the arguments ask for them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::args::{Append, ConvertRun, Repack};
use crate::{Error, Progress, RepackSpec, RepackSummary, RunOptions, Spec, Summary};

/// A command that is ready to run.
pub struct Write {
    sources: Vec<PathBuf>,
    out: PathBuf,
    task: Task,
    options: RunOptions,
}

enum Task {
    Convert(Box<Spec>),
    /// With the spec of the dataset.
    Append,
    Repack(RepackSpec),
}

/// What a command has written.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Written {
    /// Rows of a dataset.
    Rows(Summary),
    /// Files of tables.
    Files(RepackSummary),
}

impl Write {
    /// The output folder.
    pub fn out(&self) -> &Path {
        &self.out
    }

    /// What the progress counts.
    pub fn unit(&self) -> &'static str {
        match self.task {
            Task::Repack(_) => "rows",
            _ => "images",
        }
    }

    /// Whether the same command resumes it after it was stopped.
    pub fn resumes(&self) -> bool {
        !matches!(self.task, Task::Repack(_))
    }

    /// What the run counts, and what can stop it.
    pub fn progress(&self) -> &Arc<Progress> {
        &self.options.progress
    }

    /// Runs it.
    ///
    /// # Errors
    /// As [`crate::convert`], [`crate::append`] and [`crate::repack`].
    pub fn run(&self) -> Result<Written, Error> {
        let Write { sources, out, task, options } = self;
        match task {
            Task::Convert(spec) => crate::convert(sources, out, spec, options).map(Written::Rows),
            Task::Append => crate::append(sources, out, options).map(Written::Rows),
            Task::Repack(spec) => crate::repack(sources, out, spec, &options.progress).map(Written::Files),
        }
    }
}

impl From<&ConvertRun> for Write {
    fn from(run: &ConvertRun) -> Write {
        let (spec, options) = run.resolve();
        let (convert, task) = (&run.convert, Task::Convert(Box::new(spec)));
        Write { sources: convert.sources.clone(), out: convert.out.clone(), task, options }
    }
}

impl From<&Append> for Write {
    fn from(append: &Append) -> Write {
        Write {
            sources: append.sources.clone(),
            out: append.out.clone(),
            task: Task::Append,
            options: append.resolve(),
        }
    }
}

impl From<&Repack> for Write {
    fn from(repack: &Repack) -> Write {
        let (sources, out) = (repack.sources.clone(), repack.out.clone());
        Write { sources, out, task: Task::Repack(repack.resolve()), options: RunOptions::default() }
    }
}
