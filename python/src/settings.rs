//! What the keywords of `convert`, `append` and `repack` mean to the library. The defaults are in `python/inlaid/_write.py`.

use std::num::NonZeroUsize;

use inlaid::{History, Limits, OnChanged, OnError, Overwrite, RepackSpec, RunOptions, Spec};
use pyo3::prelude::*;

use crate::keywords::{Keyword, Keywords};

/// Whether anything is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Everything is.
    Write,
    /// Nothing is; the summary says what would be.
    DryRun,
}

/// Of a conversion.
pub fn convert(keywords: Keywords<'_>) -> PyResult<(Spec, RunOptions, Mode)> {
    let spec = Spec {
        size: keywords.take_if_some("size", Keyword::size)?,
        channels: keywords.take("channels", Keyword::word)?,
        dtype: keywords.take("dtype", Keyword::dtype)?,
        scale: keywords.take_if_some("scale", Keyword::word)?,
        mean: keywords.take_if_some("mean", Keyword::mean)?,
        std: keywords.take_if_some("std", Keyword::std)?,
        layout: keywords.take("layout", Keyword::word)?,
        fit: keywords.take("fit", Keyword::word)?,
        crop_ratio: keywords.take("crop_ratio", Keyword::crop_ratio)?,
        only_shrink: keywords.take("only_shrink", Keyword::switch)?,
        pad_color: keywords.take("pad_color", Keyword::color)?,
        resize_like: keywords.take_if_some("resize_like", Keyword::word)?,
        filter: keywords.take("filter", Keyword::word)?,
        antialias: keywords.take("antialias", Keyword::switch)?,
        exif: keywords.take("exif", Keyword::switch)?,
        color_profile: keywords.take("color_profile", Keyword::word)?,
        jpeg_decoder: keywords.take("jpeg_decoder", Keyword::word)?,
        jpeg_shrink: keywords.take("jpeg_shrink", Keyword::jpeg_shrink)?,
        shares: keywords.take("split", Keyword::shares)?,
        split_by: keywords.take_if_some("split_by", Keyword::word)?,
        seed: keywords.take("seed", |seed| seed.within(0..=u64::MAX))?,
        order: keywords.take("order", Keyword::word)?,
        folders: keywords.take("folders", Keyword::word)?,
        follow_links: keywords.take("follow_links", Keyword::switch)?,
        storage: keywords.take("storage", Keyword::word)?,
        encoding: keywords.take_if_some("encoding", Keyword::word)?,
        quality: keywords.take_if_some("quality", Keyword::quality)?,
        format: keywords.take("format", Keyword::word)?,
        compression: keywords.take("compression", Keyword::word)?,
        row_group_bytes: keywords.take("row_group_bytes", Keyword::bytes)?,
        shard_bytes: keywords.take("shard_bytes", Keyword::bytes)?,
        limits: Limits {
            file_bytes: keywords.take("max_file_bytes", Keyword::bytes)?,
            pixels: keywords.take("max_pixels", |pixels| pixels.within(1..=u64::MAX))?,
            ..Limits::default()
        },
    };
    let overwrite = match keywords.take("overwrite", Keyword::switch)? {
        true => Overwrite::Dataset,
        false => Overwrite::Refuse,
    };
    let (run, mode) = run(&keywords)?;
    keywords.end()?;
    Ok((spec, RunOptions { overwrite, ..run }, mode))
}

/// Of an append.
pub fn append(keywords: Keywords<'_>) -> PyResult<(RunOptions, Mode)> {
    let folders = keywords.take_if_some("folders", Keyword::word)?;
    let changed = [("skip", OnChanged::Skip), ("stop", OnChanged::Stop)];
    let on_changed = keywords.take("on_changed", |word| word.either(changed))?;
    let history = match keywords.take("history", Keyword::switch)? {
        true => History::Keep,
        false => History::Drop,
    };
    let (run, mode) = run(&keywords)?;
    keywords.end()?;
    Ok((RunOptions { folders, on_changed, history, ..run }, mode))
}

/// Of a repacking.
pub fn repack(keywords: Keywords<'_>) -> PyResult<RepackSpec> {
    let spec = RepackSpec {
        column: keywords.take_if_some("column", Keyword::text)?,
        shape: keywords.take_if_some("shape", Keyword::shape)?,
        compression: keywords.take("compression", Keyword::word)?,
        row_group_bytes: keywords.take("row_group_bytes", Keyword::bytes)?,
    };
    keywords.end()?;
    Ok(spec)
}

/// Of every run that makes rows.
fn run(keywords: &Keywords<'_>) -> PyResult<(RunOptions, Mode)> {
    let threads = keywords.take_if_some("threads", |threads| threads.within(1..=RunOptions::MAX_THREADS as u64))?;
    let options = RunOptions {
        threads: threads.and_then(|threads| NonZeroUsize::new(threads as usize)),
        on_error: keywords.take("on_error", |word| word.either([("skip", OnError::Skip), ("stop", OnError::Stop)]))?,
        max_errors: keywords.take_if_some("max_errors", Keyword::max_errors)?,
        ..RunOptions::default()
    };
    let mode = if keywords.take("dry_run", Keyword::switch)? { Mode::DryRun } else { Mode::Write };
    Ok((options, mode))
}
