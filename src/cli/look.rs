//! The commands that show a dataset: `report` and `show`.

use std::io::{IsTerminal, stdout};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use super::args::{Report, Show};
use super::picture::{Pixels, Protocol};
use super::report::{Failure, visible_name};
use super::{report, stopped_by_signals};
use crate::{Error, ReportOptions, Sheet};

/// Columns of characters that a picture takes in a terminal, and those between two.
const WIDE: usize = 24;
const BETWEEN: usize = 2;

/// Most pixels of a column.
const MOST_PIXELS: usize = 32;

/// Pictures next to each other in a file.
const IN_FILE: NonZeroUsize = NonZeroUsize::new(8).unwrap();

/// Writes the page of a dataset and returns the exit code.
pub fn write_report(asked: &Report) -> u8 {
    let options = asked.resolve();
    let make = || {
        if !asked.json {
            crate::Report::check(&asked.out)?;
        }
        crate::report(&asked.dataset, &options)
    };
    let made = stopped_by_signals(false, asked.json, &options.progress, make);
    if asked.json {
        return report(made, true, report::report);
    }
    let written = made.and_then(|made| made.write(&asked.out));
    report(written, false, |()| {
        let code = report::print(&report::visible(&format!("`{}`\n", asked.out.display())), 0);
        if asked.open
            && let Err(error) = open::that_detached(&asked.out)
        {
            report::note(&format!("can't open the page in a browser: {error}"));
        }
        code
    })
}

/// The page of a dataset that is about to be made: in its folder unless a file is named.
///
/// # Errors
/// If there is something else.
pub fn page_of(dataset: &Path, page: Option<&Path>) -> Result<PathBuf, Error> {
    let page = page.map_or_else(|| dataset.join("report.html"), Path::to_owned);
    crate::Report::check(&page).map(|()| page)
}

/// Writes the page of a dataset that was just made. Returns the exit code of a failure.
pub fn report_on(dataset: &Path, page: &Path, json: bool) -> Option<u8> {
    // A tenth of the rows, so that it takes little besides the conversion.
    let rows = crate::info(dataset).map_or(0, |info| info.manifest.snapshot.rows());
    let mut options = ReportOptions::default();
    options.rows = (rows / 10).clamp(1_000, options.rows);
    let make = || crate::report(dataset, &options)?.write(page);
    // Standard output has the summary.
    match stopped_by_signals(false, false, &options.progress, make) {
        Ok(()) if json => None,
        Ok(()) => match report::print(&report::visible(&format!("`{}`\n", page.display())), 0) {
            0 => None,
            code => Some(code),
        },
        Err(error) => {
            report::note(&"the dataset is complete, but not its page; `inlaid report` makes it");
            Some(report::failure(&Failure::new(&error, report::exit_code(&error)), false))
        }
    }
}

/// Shows rows of a dataset and returns the exit code.
pub fn show(asked: &Show) -> u8 {
    if asked.rejects {
        return show_rejects(asked);
    }
    let is_dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
    if asked.out.is_none() && (is_dumb || !stdout().is_terminal()) {
        return report(Err::<(), _>(Error::NotATerminal), false, |()| 0);
    }
    let sheet = asked.out.as_ref().map_or(Ok(()), Sheet::check);
    let sheet = sheet.and_then(|()| crate::show(&asked.dataset, asked.split.as_deref(), &asked.shown(), asked.threads));
    match &asked.out {
        Some(file) => {
            let written = sheet.and_then(|sheet| sheet.write(file, asked.columns.unwrap_or(IN_FILE)));
            report(written, false, |()| report::print(&report::visible(&format!("`{}`\n", file.display())), 0))
        }
        None => report(sheet, false, |sheet| in_terminal(sheet, asked.columns)),
    }
}

/// Shows the images that could not become rows: as a list, or on a sheet.
fn show_rejects(asked: &Show) -> u8 {
    let most = usize::try_from(asked.count).unwrap_or(usize::MAX);
    let found = asked.out.as_ref().map_or(Ok(()), Sheet::check).and_then(|()| crate::rejects(&asked.dataset));
    match &asked.out {
        Some(file) if !matches!(&found, Ok(found) if found.is_empty()) => {
            let sheet = found.and_then(|found| Sheet::of_rejects(&found[..found.len().min(most)]));
            let written = sheet.and_then(|sheet| sheet.write(file, asked.columns.unwrap_or(IN_FILE)));
            report(written, false, |()| report::print(&report::visible(&format!("`{}`\n", file.display())), 0))
        }
        _ => report(found, false, |found| {
            let lines = found.iter().take(most).map(|reject| format!("`{}`: {}\n", reject.path, reject.detail));
            let mut text: String = lines.map(|line| report::visible(&line)).collect();
            text += &match (found.len(), found.len().saturating_sub(most)) {
                (0, _) => "no image was rejected\n".to_owned(),
                (_, 0) => String::new(),
                (_, more) => format!("and {more} more, in rejects.jsonl\n"),
            };
            report::print(&text, 0)
        }),
    }
}

/// Shows pictures line by line, with the texts of each below it.
fn in_terminal(sheet: &Sheet, columns: Option<NonZeroUsize>) -> u8 {
    let size = rustix::termios::tcgetwinsize(stdout()).ok().filter(|size| size.ws_col > 0);
    let (wide, pixels) = size.map_or((80, 0), |size| (usize::from(size.ws_col), size.ws_xpixel / size.ws_col));
    let protocol = Protocol::of(|name| std::env::var(name).ok());
    let column = match protocol {
        Protocol::Blocks { .. } => 1,
        // The width of a terminal column, so that captions line up with their pictures.
        Protocol::Sixel if pixels > 0 => usize::from(pixels).min(MOST_PIXELS),
        _ => 6,
    };
    let fit = ((wide + BETWEEN) / (WIDE + BETWEEN)).max(1);
    for tiles in sheet.tiles().chunks(columns.map_or(fit, NonZeroUsize::get)) {
        let mut text = String::new();
        if let Some((width, rgb, png)) = Sheet::strip(tiles, WIDE * column, BETWEEN * column) {
            let columns = tiles.len() * (WIDE + BETWEEN) - BETWEEN;
            text += &protocol.text(Pixels { width, rgb: &rgb }, &png, columns);
        }
        for line in 0..2 {
            let texts = tiles.iter().map(|tile| padded(&visible_name(&tile.lines()[line])));
            let texts = texts.collect::<Vec<_>>().join(&" ".repeat(BETWEEN));
            if !texts.trim().is_empty() {
                text += &format!("{}\n", texts.trim_end());
            }
        }
        let code = report::print(&text, 0);
        if code != 0 {
            return code;
        }
    }
    0
}

/// A text as wide as a picture.
fn padded(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    match characters.len() > WIDE {
        true => characters[..WIDE - 1].iter().chain(&['\u{2026}']).collect(),
        false => format!("{text:<WIDE$}"),
    }
}
