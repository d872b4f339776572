//! What the keywords of `convert`, `append`, `repack` and `verify` mean to the library. The defaults are in
//! `python/inlaid/_write.py` and `python/inlaid/_maintain.py`.

use std::num::NonZeroUsize;

use inlaid::{
    CardOptions, History, Limits, Mode, OnChanged, OnError, OnMissing, Overwrite, RepackSpec, RunOptions, SmallClasses,
    SourceOptions, Spec, StorageOptions, Writers,
};
use pyo3::prelude::*;

use crate::keywords::{Keyword, Keywords};

/// Of a conversion.
pub fn convert(keywords: Keywords<'_>) -> PyResult<(Spec, RunOptions)> {
    let mut spec = match keywords.take_if_some("size", Keyword::size)? {
        Some(size) => Spec::new(size),
        None => Spec::originals(),
    };
    spec.channels = keywords.take("channels", Keyword::word)?;
    spec.dtype = keywords.take("dtype", Keyword::dtype)?;
    spec.scale = keywords.take_if_some("scale", Keyword::word)?;
    spec.mean = keywords.take_if_some("mean", Keyword::mean)?;
    spec.std = keywords.take_if_some("std", Keyword::std)?;
    spec.layout = keywords.take("layout", Keyword::word)?;
    spec.fit = keywords.take("fit", Keyword::word)?;
    spec.crop_ratio = keywords.take("crop_ratio", Keyword::crop_ratio)?;
    spec.only_shrink = keywords.take("only_shrink", Keyword::switch)?;
    spec.pad_color = keywords.take("pad_color", Keyword::color)?;
    spec.resize_like = keywords.take_if_some("resize_like", Keyword::word)?;
    spec.filter = keywords.take("filter", Keyword::word)?;
    spec.antialias = keywords.take("antialias", Keyword::switch)?;
    spec.exif = keywords.take("exif", Keyword::switch)?;
    spec.color_profile = keywords.take("color_profile", Keyword::word)?;
    spec.jpeg_decoder = keywords.take("jpeg_decoder", Keyword::word)?;
    spec.jpeg_shrink = keywords.take("jpeg_shrink", Keyword::jpeg_shrink)?;
    spec.truncated = keywords.take("truncated", Keyword::word)?;
    spec.shares = keywords.take("split", Keyword::shares)?;
    spec.split_by = keywords.take_if_some("split_by", Keyword::word)?;
    spec.seed = keywords.take("seed", |seed| seed.within(0..=u64::MAX))?;
    spec.order = keywords.take("order", Keyword::word)?;
    spec.folders = keywords.take("folders", Keyword::word)?;
    spec.follow_links = keywords.take("follow_links", Keyword::switch)?;
    spec.any_name = keywords.take("any_name", Keyword::switch)?;
    spec.storage = keywords.take("storage", Keyword::word)?;
    spec.encoding = keywords.take_if_some("encoding", Keyword::word)?;
    spec.quality = keywords.take_if_some("quality", Keyword::quality)?;
    spec.format = keywords.take("format", Keyword::word)?;
    spec.compression = keywords.take("compression", Keyword::word)?;
    spec.limits = Limits {
        file_bytes: keywords.take("max_file_bytes", Keyword::bytes)?,
        pixels: keywords.take("max_pixels", |pixels| pixels.within(1..=u64::MAX))?,
        ..Limits::default()
    };
    let row_group = keywords.take_if_some("row_group_bytes", Keyword::bytes)?;
    let spec = spec.with_bytes(row_group, keywords.take_if_some("shard_bytes", Keyword::bytes)?);
    let mut options = run(&keywords)?;
    options.source = source(&keywords)?;
    if keywords.take("overwrite", Keyword::switch)? {
        options.overwrite = Overwrite::Dataset;
    }
    options.croissant = keywords.take("croissant", Keyword::switch)?;
    keywords.end()?;
    Ok((spec, options))
}

/// Of an append.
pub fn append(keywords: Keywords<'_>) -> PyResult<RunOptions> {
    let mut options = run(&keywords)?;
    options.source = source(&keywords)?;
    options.folders = keywords.take_if_some("folders", Keyword::word)?;
    let changed = [("skip", OnChanged::Skip), ("stop", OnChanged::Stop)];
    options.on_changed = keywords.take("on_changed", |word| word.either(changed))?;
    if !keywords.take("history", Keyword::switch)? {
        options.history = History::Drop;
    }
    options.croissant = keywords.take("croissant", Keyword::switch)?;
    keywords.end()?;
    Ok(options)
}

/// Of a repacking.
pub fn repack(keywords: Keywords<'_>) -> PyResult<RepackSpec> {
    let mut spec = RepackSpec::default();
    spec.column = keywords.take_if_some("column", Keyword::text)?;
    spec.shape = keywords.take_if_some("shape", Keyword::shape)?;
    spec.compression = keywords.take("compression", Keyword::word)?;
    spec.row_group_bytes = keywords.take("row_group_bytes", Keyword::bytes)?;
    keywords.end()?;
    Ok(spec)
}

/// Of a verification.
pub fn verify(keywords: Keywords<'_>) -> PyResult<RunOptions> {
    let mut options = RunOptions::default();
    options.threads = threads(&keywords)?;
    options.source.storage = storage(&keywords)?;
    keywords.end()?;
    Ok(options)
}

/// Of work on an item.
pub fn work(keywords: Keywords<'_>) -> PyResult<RunOptions> {
    let mut options = RunOptions::default();
    options.threads = threads(&keywords)?;
    options.memory = keywords.take_if_some("memory", Keyword::bytes)?;
    options.source.storage = storage(&keywords)?;
    keywords.end()?;
    Ok(options)
}

/// Of the commit of a plan.
pub fn commit(keywords: Keywords<'_>) -> PyResult<RunOptions> {
    let mut options = RunOptions::default();
    if keywords.take("single_writer", Keyword::switch)? {
        options.writers = Writers::Single;
    }
    options.croissant = keywords.take("croissant", Keyword::switch)?;
    options.source.storage = storage(&keywords)?;
    keywords.end()?;
    Ok(options)
}

/// Of a card.
pub fn card(keywords: Keywords<'_>) -> PyResult<CardOptions> {
    let mut options = CardOptions::default();
    options.about.title = keywords.take_if_some("title", Keyword::text)?;
    options.about.license = keywords.take_if_some("license", Keyword::license)?;
    options.about.source = keywords.take_if_some("source", Keyword::text)?;
    options.croissant = keywords.take("croissant", Keyword::switch)?;
    options.pictures = keywords.take("pictures", Keyword::switch)?;
    options.storage = storage(&keywords)?;
    keywords.end()?;
    Ok(options)
}

/// Of a look at a manifest.
pub fn info(keywords: Keywords<'_>) -> PyResult<StorageOptions> {
    let options = storage(&keywords)?;
    keywords.end()?;
    Ok(options)
}

/// Of every run that makes rows.
fn run(keywords: &Keywords<'_>) -> PyResult<RunOptions> {
    let mut options = RunOptions::default();
    options.threads = threads(keywords)?;
    options.memory = keywords.take_if_some("memory", Keyword::bytes)?;
    options.on_error =
        keywords.take("on_error", |word| word.either([("skip", OnError::Skip), ("stop", OnError::Stop)]))?;
    options.max_errors = keywords.take_if_some("max_errors", Keyword::max_errors)?;
    let small = [("fill", SmallClasses::Fill), ("stop", SmallClasses::Stop)];
    options.small_classes = keywords.take("small_classes", |word| word.either(small))?;
    if keywords.take("single_writer", Keyword::switch)? {
        options.writers = Writers::Single;
    }
    if keywords.take("dry_run", Keyword::switch)? {
        options.mode = Mode::DryRun;
    }
    Ok(options)
}

/// Of the sources of a run.
fn source(keywords: &Keywords<'_>) -> PyResult<SourceOptions> {
    let mut options = SourceOptions::default();
    options.metadata = keywords.take_if_some("metadata", Keyword::path)?;
    options.files_from = keywords.take_if_some("files_from", Keyword::path)?;
    options.file_column = keywords.take_if_some("file_column", Keyword::text)?;
    options.image_column = keywords.take_if_some("image_column", Keyword::text)?;
    options.label_columns = keywords.take_if_some("label_column", Keyword::texts)?.unwrap_or_default();
    options.column_types = keywords.take_if_some("column_types", Keyword::column_types)?.unwrap_or_default();
    options.keep_columns = keywords.take_if_some("keep_columns", Keyword::texts)?;
    options.storage = storage(keywords)?;
    let missing = [("reject", OnMissing::Reject), ("stop", OnMissing::Stop)];
    options.on_missing = keywords.take("missing", |word| word.either(missing))?;
    Ok(options)
}

/// Settings and credentials of stores.
pub fn storage(keywords: &Keywords<'_>) -> PyResult<StorageOptions> {
    let options = keywords.take_if_some("storage_options", Keyword::storage)?;
    Ok(options.unwrap_or_default())
}

fn threads(keywords: &Keywords<'_>) -> PyResult<Option<NonZeroUsize>> {
    let threads = keywords.take_if_some("threads", |threads| threads.within(1..=RunOptions::MAX_THREADS as u64))?;
    Ok(threads.and_then(|threads| NonZeroUsize::new(threads as usize)))
}
