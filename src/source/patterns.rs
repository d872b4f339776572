//! Paths with patterns that no shell has expanded: `shard-{000..099}.tar`, `*.tar`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::remote::{Stores, is_url};

/// The files that a path stands for, sorted: itself if there is such a file, or if it has no pattern. None if nothing
/// fits its pattern.
///
/// # Errors
/// If it is a URL, and its store can't be listed.
pub(super) fn matches_of(path: &Path, stores: &Stores) -> Result<Vec<PathBuf>, Error> {
    let is_pattern = |text: &&str| text.contains(['{', '*', '?']);
    let Some(text) = path.to_str().filter(is_pattern) else { return Ok(vec![path.to_owned()]) };
    if path.exists() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for text in braces(text) {
        found.extend(files(Path::new(&text), stores)?);
    }
    found.dedup();
    Ok(found)
}

/// Texts without braces: `{a,b}` and `{00..12}` each stand for several.
fn braces(text: &str) -> Vec<String> {
    let parts = || {
        let (before, rest) = text.split_once('{')?;
        let (inside, after) = rest.split_once('}')?;
        Some((before, inside, after))
    };
    let Some((before, inside, after)) = parts() else { return vec![text.to_owned()] };
    let choices: Vec<String> = match range(inside) {
        Some(numbers) => numbers,
        None if inside.contains(',') => inside.split(',').map(str::to_owned).collect(),
        None => vec![format!("{{{inside}}}")],
    };
    let after = braces(after);
    choices.iter().flat_map(|choice| after.iter().map(move |after| format!("{before}{choice}{after}"))).collect()
}

/// The numbers of `000..099`, with leading zeros if it has them.
fn range(text: &str) -> Option<Vec<String>> {
    /// More files than any dataset has shards.
    const MOST: u64 = 1_000_000;
    let (from, to) = text.split_once("..")?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(from) || !is_number(to) {
        return None;
    }
    let (first, last): (u64, u64) = (from.parse().ok()?, to.parse().ok()?);
    if last.checked_sub(first)? >= MOST {
        return None;
    }
    let width = if from.starts_with('0') || to.starts_with('0') { from.len().max(to.len()) } else { 0 };
    Some((first..=last).map(|number| format!("{number:0width$}")).collect())
}

/// The files whose names match the last part of a path, sorted; the path itself if that has no pattern.
fn files(path: &Path, stores: &Stores) -> Result<Vec<PathBuf>, Error> {
    let Some(pattern) = path.file_name().and_then(|name| name.to_str()).filter(|name| name.contains(['*', '?'])) else {
        return Ok(vec![path.to_owned()]);
    };
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let names: Vec<String> = match is_url(folder) {
        true => stores.names(folder)?,
        false => {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
        }
    };
    let named = names.iter().filter(|name| fits(pattern, name));
    let mut found: Vec<PathBuf> = named.map(|name| path.with_file_name(name)).collect();
    found.sort();
    Ok(found)
}

/// Whether a name fits a pattern of `*` (any text) and `?` (any character). Hidden names fit only what begins with a dot.
fn fits(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        if p < pattern.len() && (pattern[p] == '?' || pattern[p] == name[n] && pattern[p] != '*') {
            (p, n) = (p + 1, n + 1);
        } else if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, n));
            p += 1;
        } else if let Some((at, taken)) = star {
            (p, n) = (at + 1, taken + 1);
            star = Some((at, n));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|character| *character == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_stand_for_several() {
        assert_eq!(braces("s-{008..011}.tar"), ["s-008.tar", "s-009.tar", "s-010.tar", "s-011.tar"]);
        assert_eq!(braces("{a,b}{1..2}"), ["a1", "a2", "b1", "b2"]);
        assert_eq!(braces("a{b}c"), ["a{b}c"]);
        assert_eq!(braces("a{1..x}"), ["a{1..x}"]);
    }

    #[test]
    fn stars_and_question_marks() {
        for (pattern, name, expected) in [
            ("*.tar", "a.tar", true),
            ("*.tar", ".a.tar", false),
            ("a?c*", "abcd", true),
            ("a?c*", "abd", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "xxaxxbxx", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }
}
