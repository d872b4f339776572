//! The report as a page of HTML: one file that asks nothing of anyone, with a policy that holds browsers to that.

use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine};
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, context};
use sha2::{Digest, Sha256};

use super::Report;
use crate::error::Error;
use crate::look::file::{check, written};

const PAGE: &str = include_str!("report.html");
const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");

/// What tells a report from other pages.
const MARK: &str = "<meta name=\"generator\" content=\"inlaid ";

impl Report {
    /// The page.
    pub fn html(&self) -> String {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        let policy = format!(
            "default-src 'none'; img-src data:; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'",
            hash_of(STYLE),
            hash_of(SCRIPT)
        );
        let page = environment.render_named_str(
            "report.html",
            PAGE,
            context! { csp => policy, style => STYLE, script => SCRIPT, ..Value::from(Serde(self)) },
        );
        page.expect("the page is made of what a report has")
    }

    /// Checks that a page can be written to a file, before it is made.
    ///
    /// # Errors
    /// If there is something other than a report.
    pub fn check(file: impl AsRef<Path>) -> Result<(), Error> {
        check(file.as_ref(), is_report)
    }

    /// Writes the page to a file, whole or not at all. A report that is there is replaced.
    ///
    /// # Errors
    /// If there is something else, or the file can't be written.
    pub fn write(&self, file: impl AsRef<Path>) -> Result<(), Error> {
        written(file.as_ref(), self.html().as_bytes(), is_report)
    }
}

/// Whether a file is a report, by its beginning.
fn is_report(file: &[u8]) -> bool {
    let beginning = &file[..file.len().min(4096)];
    String::from_utf8_lossy(beginning).contains(MARK)
}

/// The hash of a text as a policy states it.
fn hash_of(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text)))
}
