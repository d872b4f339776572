//! The commands that write rows, `convert` and `append`, as they were asked for: by arguments, or by
//! Python.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Parser;

use super::args::{Append, Arguments, Command, Convert};
use crate::{Error, Progress, RunOptions, Spec, Summary};

/// A conversion or an append that is ready to run.
pub struct Write {
    sources: Vec<PathBuf>,
    out: PathBuf,
    /// Of a conversion; an append has that of the dataset.
    spec: Option<Spec>,
    options: RunOptions,
    dry_run: bool,
}

impl Write {
    /// Takes the arguments of `inlaid convert` or `inlaid append`, the program's name first.
    ///
    /// # Errors
    /// What is wrong with them, in a line.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Write, String> {
        let arguments = Arguments::try_parse_from(arguments).map_err(|error| in_a_line(&error.to_string()))?;
        match arguments.command {
            Command::Convert(convert) => Ok(Write::from(&*convert)),
            Command::Append(append) => Ok(Write::from(&append)),
            _ => Err("only `convert` and `append` write rows".to_owned()),
        }
    }

    /// The dataset's folder.
    pub fn out(&self) -> &Path {
        &self.out
    }

    /// What the run counts, and what can stop it.
    pub fn progress(&self) -> &Arc<Progress> {
        &self.options.progress
    }

    /// Runs it.
    ///
    /// # Errors
    /// As [`crate::convert`], [`crate::append`] and their dry runs.
    pub fn run(&self) -> Result<Summary, Error> {
        let Write { sources, out, spec, options, dry_run } = self;
        match (spec, dry_run) {
            (Some(spec), false) => crate::convert(sources, out, spec, options),
            (Some(spec), true) => crate::dry_run(sources, out, spec, options),
            (None, false) => crate::append(sources, out, options),
            (None, true) => crate::append_dry_run(sources, out, options),
        }
    }
}

impl From<&Convert> for Write {
    fn from(convert: &Convert) -> Write {
        let (spec, options) = convert.resolve();
        let (sources, out) = (convert.sources.clone(), convert.out.clone());
        Write { sources, out, spec: Some(spec), options, dry_run: convert.run.dry_run }
    }
}

impl From<&Append> for Write {
    fn from(append: &Append) -> Write {
        let (sources, out) = (append.sources.clone(), append.out.clone());
        Write { sources, out, spec: None, options: append.resolve(), dry_run: append.run.dry_run }
    }
}

/// The first paragraph of what clap says, without `error:`.
fn in_a_line(text: &str) -> String {
    let first = text.split("\n\n").next().unwrap_or(text);
    let first = first.strip_prefix("error: ").unwrap_or(first);
    first.split_whitespace().collect::<Vec<_>>().join(" ")
}
