//! The output of `inlaid info`.

use std::collections::BTreeMap;
use std::path::Path;

use super::hints::hint;
use super::report;
use crate::remote::is_url;
use crate::{Bin, ByteSize, Info, LabelKind, Manifest, Moments, Spec, Split, SplitBy, SplitInfo, Statistics, counted};

/// Prints a description of a dataset, or its manifest as JSON, and notes a commit that is not complete. Returns the exit
/// code.
pub fn print(info: &Info, folder: &Path, json: bool) -> u8 {
    let Info { manifest, open_commit, .. } = info;
    let text = if json { manifest.to_json() } else { report::visible(&in_words(manifest, folder)) };
    if let Some(error) = open_commit {
        report::note(&report::message(error));
        if let Some(hint) = hint(error) {
            eprintln!("hint: {}", report::visible(&hint));
        }
    }
    let is_unfinished = manifest.unfinished.is_some() || open_commit.is_some();
    report::print(&text, if is_unfinished { report::UNFINISHED } else { 0 })
}

fn in_words(manifest: &Manifest, folder: &Path) -> String {
    let Manifest { format_version, tool, spec, snapshot, unfinished, previous, .. } = manifest;
    let number = snapshot.dataset_version;
    let mut text = format!("`{}`: snapshot {number}, format {format_version}, written by {tool}\n", folder.display());
    let (storage, format, compression) = (spec.storage, spec.format, spec.compression);
    text += &format!("{}, storage {storage}, format {format}, compression {compression}\n", images(spec));
    let splits = match spec.split_by.unwrap_or(SplitBy::Label) {
        SplitBy::Folder => "from the source's folders".to_owned(),
        rule => format!("{} by {rule}", spec.shares),
    };
    text += &format!("splits: {splits}, order {}, seed {}\n\n", spec.order, spec.seed);
    text += &format!("{:<11}{:>9} {:>11} {:>7} {:>11}\n", "split", "rows", "bytes", "files", "row groups");
    for (split, info) in &snapshot.splits {
        let (bytes, row_groups) = (ByteSize(info.bytes).to_string(), info.shards.iter().map(|s| s.row_groups));
        let (files, row_groups) = (info.shards.len(), row_groups.sum::<usize>());
        text += &format!("{:<11}{:>9} {bytes:>11} {files:>7} {row_groups:>11}\n", split.as_str(), info.rows);
    }
    let names: Vec<String> = snapshot.classes.iter().map(|name| report::visible_name(name)).collect();
    text += &classes(spec, &names, &snapshot.splits);
    text += &statistics(&names, &snapshot.splits);
    match snapshot.rejects {
        0 => {}
        1 => text += &format!("\n1 input was rejected, see `{}`\n", crate::REJECTS),
        n => text += &format!("\n{n} inputs were rejected, see `{}`\n", crate::REJECTS),
    }
    if unfinished.is_some() {
        text += "\nincomplete: a run is in progress or was interrupted; run the same command again to resume it\n";
    }
    // Objects are not rolled back.
    if let Some(previous) = previous.as_ref().filter(|_| !is_url(folder)) {
        let (rows, number) = (previous.splits.values().map(|info| info.rows).sum::<usize>(), previous.dataset_version);
        text += &format!("\n`inlaid rollback` returns to snapshot {number} with {}\n", counted(rows, "row"));
    }
    text
}

/// Description of the images.
fn images(spec: &Spec) -> String {
    let Some(size) = spec.size else { return "images: original files".to_owned() };
    let (channels, fit, filter) = (spec.channels, spec.fit_in_words(), spec.filter_in_words());
    match spec.encoding {
        Some(encoding) => {
            let quality = spec.quality.map(|quality| format!(" of quality {quality}")).unwrap_or_default();
            format!("images: {size}, {channels} {}{quality}, {fit}, {filter}", encoding.name())
        }
        None => format!("tensors: {size}, {channels} {}{} {}, {fit}, {filter}", spec.dtype, values(spec), spec.layout),
    }
}

/// Scale, mean and standard deviation of floating point elements; nothing for integers.
fn values(spec: &Spec) -> String {
    let list = |numbers: &[f32]| numbers.iter().map(f32::to_string).collect::<Vec<_>>().join(",");
    let scale = spec.scale.map(|scale| format!(" {scale}"));
    let mean = spec.mean.as_ref().map(|mean| format!(" mean {}", list(mean.numbers())));
    let std = spec.std.as_ref().map(|std| format!(" std {}", list(std.numbers())));
    [scale, mean, std].into_iter().flatten().collect()
}

/// One line per class, with its rows in every split.
fn classes(spec: &Spec, names: &[String], splits: &BTreeMap<Split, SplitInfo>) -> String {
    if names.is_empty() {
        return match spec.label {
            LabelKind::Number => "\nlabels are numbers\n".to_owned(),
            _ => "\nno labels\n".to_owned(),
        };
    }
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max("class".len());
    let mut text = format!("\n{:>5}  {:<width$}", "label", "class");
    splits.keys().for_each(|split| text += &format!(" {:>10}", split.as_str()));
    text += "\n";
    for (label, name) in (0..).zip(names) {
        text += &format!("{label:>5}  {name:<width$}");
        splits.values().for_each(|info| text += &format!(" {:>10}", info.rows_of(Some(label))));
        text += "\n";
    }
    text
}

/// Mean and standard deviation of the elements of every split and class, and histograms of the sources' sizes and
/// aspect ratios.
fn statistics(names: &[String], splits: &BTreeMap<Split, SplitInfo>) -> String {
    let known = splits.iter().filter_map(|(split, info)| Some((split, info.statistics.as_ref()?)));
    let known: Vec<(&Split, &Statistics)> = known.collect();
    if known.is_empty() {
        return String::new();
    }
    let mut lines: Vec<(&str, Moments)> =
        known.iter().map(|(split, statistics)| (split.as_str(), statistics.elements.clone())).collect();
    lines.extend((0..).zip(names).map(|(label, name)| (name.as_str(), moments_of_label(&known, label))));
    let width = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max("elements".len());
    // Files stored unchanged have no mean and standard deviation.
    lines.retain(|(_, moments)| !moments.mean.is_empty() || moments.rows == 0);
    let mut text = if lines.iter().any(|(_, moments)| !moments.mean.is_empty()) {
        format!("\n{:<width$}  mean and standard deviation by channel\n", "elements")
    } else {
        String::new()
    };
    for (name, moments) in lines {
        let channels = moments.mean.iter().zip(&moments.std);
        let channels: Vec<String> = channels.map(|(mean, std)| format!("{mean:>9.4} {std:>9.4}")).collect();
        text += &format!("{name:<width$} {}\n", channels.join("  "));
    }
    text += &histogram(&known, "pixels", |statistics| &statistics.source_pixels, |at_least| format!("{at_least:.0}"));
    let ratio = |at_least: f64| format!("{at_least:.3}");
    text + &histogram(&known, "width/height", |statistics| &statistics.source_aspects, ratio)
}

/// Mean and standard deviation of a label's rows in all splits.
fn moments_of_label(splits: &[(&Split, &Statistics)], label: usize) -> Moments {
    let mut all = Moments::default();
    splits.iter().filter_map(|(_, statistics)| statistics.labels.get(label)).for_each(|moments| all.add(moments));
    all
}

/// One line per bin, with its rows in every split.
fn histogram(
    splits: &[(&Split, &Statistics)],
    what: &str,
    bins: impl Fn(&Statistics) -> &[Bin],
    format: impl Fn(f64) -> String,
) -> String {
    let mut at_least: Vec<f64> =
        splits.iter().flat_map(|(_, statistics)| bins(statistics)).map(|bin| bin.at_least).collect();
    at_least.sort_by(f64::total_cmp);
    at_least.dedup();
    let mut text = format!("\n{:<20}", format!("source {what}"));
    splits.iter().for_each(|(split, _)| text += &format!(" {:>10}", split.as_str()));
    text += "\n";
    for at_least in at_least {
        text += &format!("{:<20}", format!("{} or more", format(at_least)));
        for (_, statistics) in splits {
            let bin = bins(statistics).iter().find(|bin| bin.at_least == at_least);
            text += &format!(" {:>10}", bin.map_or(0, |bin| bin.rows));
        }
        text += "\n";
    }
    text
}
