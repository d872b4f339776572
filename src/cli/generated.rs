//! What is generated of the arguments: completions of shells, and manual pages.

use std::fs;
use std::io;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::args::Arguments;
use super::report;
use crate::{Error, FormatError};

/// Prints the completions for a shell and returns the exit code.
pub fn completions(shell: Shell) -> u8 {
    let mut script = Vec::new();
    generate(shell, &mut Arguments::command(), "inlaid", &mut script);
    report::print(&String::from_utf8_lossy(&script), 0)
}

/// Writes a manual page for the program and one for each of its commands, and returns the exit code.
pub fn manual(folder: &Path) -> u8 {
    let written = fs::create_dir_all(folder).map_err(FormatError::io("create", folder));
    let written = written.and_then(|()| write_pages(folder).map_err(FormatError::io("write manual pages to", folder)));
    report(written.map_err(Error::from), false, |()| {
        report::print(&report::visible(&format!("`{}`\n", folder.display())), 0)
    })
}

/// Writes the pages beside their places first: a link in the place of one is replaced, not followed.
fn write_pages(folder: &Path) -> io::Result<()> {
    let staging = tempfile::Builder::new().prefix(".inlaid-").tempdir_in(folder)?;
    clap_mangen::generate_to(Arguments::command(), staging.path())?;
    for page in fs::read_dir(staging.path())? {
        let page = page?;
        fs::rename(page.path(), folder.join(page.file_name()))?;
    }
    Ok(())
}
