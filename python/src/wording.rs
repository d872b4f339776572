//! Messages and hints of the command line in the words of Python: the option `--size 224` is the keyword `size=224` here,
//! and `inlaid append` is the function `inlaid.append`. So each is written once, for both.

use std::iter;

use inlaid::Dtype;
use pyo3::prelude::*;

/// The keywords that an option without a value makes true.
const SWITCHES: [&str; 6] = ["any_name", "croissant", "dry_run", "follow_links", "only_shrink", "overwrite"];

/// The commands that are functions of the package.
const FUNCTIONS: [&str; 11] =
    ["append", "card", "commit", "compact", "convert", "info", "plan", "repack", "rollback", "verify", "work"];

/// A text whose options and commands are in backticks.
#[pyfunction]
pub fn in_python(text: &str) -> String {
    let spans = text.split('`').zip(iter::repeat([false, true]).flatten());
    spans.map(|(span, code)| if code { format!("`{}`", code_in_python(span)) } else { span.to_owned() }).collect()
}

fn code_in_python(code: &str) -> String {
    if let Some(command) = code.strip_prefix("inlaid ") {
        let (function, options) = command.split_once(' ').unwrap_or((command, ""));
        return match options {
            _ if !FUNCTIONS.contains(&function) => code.to_owned(),
            "" => format!("inlaid.{function}"),
            "--help" => format!("help(inlaid.{function})"),
            options => format!("inlaid.{function}(..., {})", keywords(options)),
        };
    }
    if !code.starts_with("--") {
        return code.to_owned();
    }
    keywords(code)
}

/// One option, or several.
fn keywords(options: &str) -> String {
    let options = options.split("--").map(str::trim).filter(|option| !option.is_empty());
    options.map(keyword).collect::<Vec<_>>().join(", ")
}

/// An option, without the dashes before it.
fn keyword(option: &str) -> String {
    let (option, value) = option.split_once(' ').map_or((option, None), |(option, value)| (option, Some(value)));
    let name = option.replace('-', "_");
    match value {
        Some(value) => format!("{name}={}", literal(&name, value)),
        None if SWITCHES.contains(&&*name) => format!("{name}=True"),
        None => match name.strip_prefix("no_") {
            Some(name) => format!("{name}=False"),
            None => name,
        },
    }
}

/// The value of an option as Python writes it.
fn literal(name: &str, value: &str) -> String {
    let sides: Vec<_> = value.split('x').collect();
    match name {
        "dtype" => value.parse().map_or_else(|_| quoted(value), |dtype: Dtype| quoted(dtype.numpy_name())),
        "split" => {
            let shares = value.split(',').filter_map(|share| share.split_once('='));
            let shares: Vec<_> = shares.map(|(split, share)| format!("{}: {share}", quoted(split))).collect();
            format!("{{{}}}", shares.join(", "))
        }
        "size" | "shape" if sides.len() > 1 => format!("({})", sides.join(", ")),
        _ if value.parse::<f64>().is_ok() => value.to_owned(),
        _ => quoted(value),
    }
}

fn quoted(word: &str) -> String {
    format!("\"{word}\"")
}
