//! The command that makes a dataset again.

use std::fmt::Display;
use std::path::Path;

use crate::spec::{Color, Folders, LabelKind, Limits, Spec, SplitFractions, Storage};

/// The command of a conversion with these settings. Manifests don't say where the images were: `SOURCE` stands for that.
pub(super) fn of(spec: &Spec, out: &Path) -> String {
    let mut command = Command(format!("inlaid convert SOURCE --out {}", quoted(&out.display().to_string())));
    let plain = Spec::originals();
    match (spec.size, spec.storage) {
        (Some(size), Storage::Tensor) => command.add("size", size),
        (Some(size), storage) => {
            command.add("size", size);
            command.add("storage", storage);
        }
        (None, storage) => command.add("storage", storage),
    }
    command.add_unless("channels", spec.channels, plain.channels);
    command.add_unless("dtype", spec.dtype, plain.dtype);
    command.add_some("scale", spec.scale.filter(|scale| *scale != Default::default()));
    command.add_some("mean", spec.mean.as_ref().map(|mean| listed(mean.numbers())));
    command.add_some("std", spec.std.as_ref().map(|std| listed(std.numbers())));
    command.add_unless("layout", spec.layout, plain.layout);
    command.add_unless("fit", spec.fit, plain.fit);
    command.add_unless("crop-ratio", spec.crop_ratio, plain.crop_ratio);
    command.add_switch("only-shrink", spec.only_shrink);
    if spec.pad_color != plain.pad_color {
        let Color([r, g, b]) = spec.pad_color;
        command.add("pad-color", format!("{r},{g},{b}"));
    }
    command.add_some("resize-like", spec.resize_like);
    command.add_unless("filter", spec.filter, plain.filter);
    command.add_switch("no-antialias", !spec.antialias);
    command.add_switch("no-exif", !spec.exif);
    command.add_unless("color-profile", spec.color_profile, plain.color_profile);
    command.add_unless("jpeg-decoder", spec.jpeg_decoder, plain.jpeg_decoder);
    if let Some(shrink) = spec.jpeg_shrink {
        command.0 += &format!(" --jpeg-shrink={shrink}");
    }
    command.add_unless("truncated", spec.truncated, plain.truncated);
    command.add_unless("split", &spec.shares, &SplitFractions::default());
    command.add_some("split-by", spec.split_by);
    command.add_unless("seed", spec.seed, 0);
    command.add_unless("order", spec.order, plain.order);
    command.add_unless("folders", spec.folders, Folders::Auto);
    command.add_switch("follow-links", spec.follow_links);
    command.add_switch("any-name", spec.any_name);
    command.add_some("encoding", spec.encoding.filter(|encoding| *encoding != Default::default()));
    command.add_some("quality", spec.quality.filter(|quality| *quality != Default::default()));
    command.add_unless("format", spec.format, plain.format);
    command.add_unless("compression", spec.compression, plain.compression);
    command.add_unless("row-group-bytes", spec.row_group_bytes.0, plain.row_group_bytes.0);
    command.add_unless("shard-bytes", spec.shard_bytes.0, plain.shard_bytes.0);
    command.add_unless("max-file-bytes", spec.limits.file_bytes.0, Limits::default().file_bytes.0);
    command.add_unless("max-pixels", spec.limits.pixels, Limits::default().pixels);
    if spec.label == LabelKind::Class && spec.columns.is_empty() && spec.tensors.is_empty() {
        return command.0;
    }
    // Which columns of a table they were is not in the manifest either.
    command.0 + " --metadata TABLE"
}

/// A command that is being put together.
struct Command(String);

impl Command {
    fn add(&mut self, option: &str, value: impl Display) {
        self.0 += &format!(" --{option} {}", quoted(&value.to_string()));
    }

    fn add_some(&mut self, option: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.add(option, value);
        }
    }

    fn add_unless<T: Display + PartialEq>(&mut self, option: &str, value: T, default: T) {
        if value != default {
            self.add(option, value);
        }
    }

    fn add_switch(&mut self, option: &str, is_set: bool) {
        if is_set {
            self.0 += &format!(" --{option}");
        }
    }
}

fn listed(numbers: &[f32]) -> String {
    numbers.iter().map(f32::to_string).collect::<Vec<_>>().join(",")
}

/// A word as a shell takes it. Characters that are not seen, or turn the order of others around, are escaped as bash, zsh
/// and ksh have it.
fn quoted(word: &str) -> String {
    let is_plain = |character: char| character.is_alphanumeric() || "/._-=,:+@%#~".contains(character);
    let is_unseen = |character: char| {
        character.is_control()
            || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if word.chars().any(is_unseen) {
        let escaped = word.chars().map(|character| match character {
            '\'' | '\\' => format!("\\{character}"),
            _ if is_unseen(character) => format!("\\u{:04x}", u32::from(character)),
            _ => character.to_string(),
        });
        return format!("$'{}'", escaped.collect::<String>());
    }
    match !word.is_empty() && word.chars().all(is_plain) && !word.starts_with(['~', '#']) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_shells() {
        assert_eq!(quoted("/data/flowers-2"), "/data/flowers-2");
        assert_eq!(quoted("my photos"), "'my photos'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("a\u{202e}'b\n"), r"$'a\u202e\'b\u000a'");
    }

    #[test]
    fn only_what_differs_from_defaults_is_said() {
        let mut spec = Spec::new("224".parse().unwrap());
        assert_eq!(of(&spec, Path::new("a")), "inlaid convert SOURCE --out a --size 224x224");
        (spec.exif, spec.seed, spec.fit) = (false, 7, "crop".parse().unwrap());
        let command = of(&spec, Path::new("a"));
        assert_eq!(command, "inlaid convert SOURCE --out a --size 224x224 --fit crop --no-exif --seed 7");
        let files = Spec::originals();
        assert_eq!(of(&files, Path::new("a")), "inlaid convert SOURCE --out a --storage encoded");
    }
}
