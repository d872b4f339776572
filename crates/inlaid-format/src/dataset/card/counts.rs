//! The numbers of a card: rows of splits and of classes, and statistics of elements.

use std::cmp::Reverse;
use std::fmt::{self, Write};

use super::markdown::escaped;
use crate::dataset::manifest::{Manifest, SplitInfo};
use crate::spec::Split;

/// Most classes in a table; the largest ones.
const MOST_CLASSES: usize = 50;

/// Rows, files and bytes of each split.
pub(super) fn splits(out: &mut String, manifest: &Manifest) -> fmt::Result {
    writeln!(out, "| split | rows | files | bytes |\n|---|---:|---:|---:|")?;
    for (split, info) in &manifest.snapshot.splits {
        let (rows, bytes) = (grouped(info.rows as u64), grouped(info.bytes));
        writeln!(out, "| {split} | {rows} | {} | {bytes} |", grouped(info.shards.len() as u64))?;
    }
    Ok(())
}

/// Rows of each class by split, the largest classes first; nothing without classes.
pub(super) fn classes(out: &mut String, manifest: &Manifest) -> fmt::Result {
    let (classes, splits) = (&manifest.snapshot.classes, &manifest.snapshot.splits);
    let count = |info: &SplitInfo, label: usize| info.labels.get(label).copied().unwrap_or(0);
    let rows = |label: &usize| splits.values().map(|info| count(info, *label)).sum::<usize>();
    let mut labels: Vec<usize> = (0..classes.len()).collect();
    labels.sort_by_key(|label| Reverse(rows(label)));
    if labels.is_empty() {
        return Ok(());
    }
    let names: Vec<&Split> = splits.keys().collect();
    let heads = names.iter().map(|split| format!(" {split} |")).collect::<String>();
    writeln!(out, "\n| class | label |{heads}\n|---|---:|{}", "---:|".repeat(names.len()))?;
    for label in labels.iter().take(MOST_CLASSES) {
        let counts = splits.values().map(|info| format!(" {} |", grouped(count(info, *label) as u64)));
        writeln!(out, "| {} | {label} |{}", escaped(&classes[*label]), counts.collect::<String>())?;
    }
    match &labels[labels.len().min(MOST_CLASSES)..] {
        [] => Ok(()),
        [smaller] => writeln!(out, "\n1 smaller class has {} rows.", grouped(rows(smaller) as u64)),
        smaller => {
            let (most, least) = (rows(&smaller[0]), rows(&smaller[smaller.len() - 1]));
            let range = if most == least {
                grouped(most as u64)
            } else {
                format!("{} to {}", grouped(least as u64), grouped(most as u64))
            };
            writeln!(out, "\n{} smaller classes have {range} rows each.", grouped(smaller.len() as u64))
        }
    }
}

/// Mean and standard deviation of the elements of the first split, which models are normalized by; nothing where they are
/// not known.
pub(super) fn elements(out: &mut String, manifest: &Manifest) -> fmt::Result {
    let Some((split, info)) = manifest.snapshot.splits.iter().next() else { return Ok(()) };
    let Some(elements) = info.statistics.as_ref().map(|statistics| &statistics.elements) else { return Ok(()) };
    let is_known = |numbers: &[f64]| !numbers.is_empty() && numbers.iter().all(|number| number.is_finite());
    if !is_known(&elements.mean) || !is_known(&elements.std) {
        return Ok(());
    }
    let list = |numbers: &[f64]| numbers.iter().map(|number| rounded(*number)).collect::<Vec<_>>().join(", ");
    let (mean, std) = (list(&elements.mean), list(&elements.std));
    writeln!(out, "\nElements of {split}, by channel: mean {mean}; standard deviation {std}.")
}

/// Four digits, or the whole part of what has more.
fn rounded(number: f64) -> String {
    let whole = number.abs().log10().floor();
    let digits = if whole.is_finite() { (3.0 - whole).clamp(0.0, 9.0) as usize } else { 0 };
    format!("{number:.digits$}")
}

/// `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group).into_owned());
    groups.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (number, text) in
            [(0.0, "0"), (0.48512, "0.4851"), (-0.0012347, "-0.001235"), (123.675, "123.7"), (31_234.5, "31234")]
        {
            assert_eq!(rounded(number), text);
        }
        assert_eq!(
            (grouped(7), grouped(1_234), grouped(12_345_678)),
            ("7".into(), "1,234".into(), "12,345,678".into())
        );
    }
}
