//! How images are decoded, resized and augmented.

use std::num::NonZeroUsize;

use inlaid::{Augment, Crop, Limits, LoadOptions, RandomResizedCrop, RunOptions, Spec};
use pyo3::prelude::*;

use crate::casting::Casting;
use crate::errors::{misuse, setting};
use crate::keywords::Keyword;

/// The attributes of `PixelSettings` of `python/inlaid/_pixels.py`.
pub struct Pixels(pub LoadOptions);

impl<'py> FromPyObject<'_, 'py> for Pixels {
    type Error = PyErr;

    fn extract(settings: Borrowed<'_, 'py, PyAny>) -> PyResult<Pixels> {
        let some = |name| Keyword::of(&settings, name);
        let keyword = |name| some(name)?.ok_or_else(|| setting(format!("{name} has no value None")));
        let mut options = LoadOptions::default();
        options.cast = match settings.getattr("cast")? {
            cast if cast.is_none() => Default::default(),
            cast => cast.extract::<Casting>()?.0,
        };
        let spec = &mut options.spec;
        if let Some(size) = some("size")? {
            *spec = Spec::new(size.size()?);
        }
        spec.fit = keyword("fit")?.word()?;
        spec.crop_ratio = keyword("crop_ratio")?.crop_ratio()?;
        spec.only_shrink = keyword("only_shrink")?.switch()?;
        spec.pad_color = keyword("pad_color")?.color()?;
        spec.resize_like = some("resize_like")?.map(|like| like.word()).transpose()?;
        spec.filter = keyword("filter")?.word()?;
        spec.antialias = keyword("antialias")?.switch()?;
        spec.exif = keyword("exif")?.switch()?;
        spec.color_profile = keyword("color_profile")?.word()?;
        spec.jpeg_decoder = keyword("jpeg_decoder")?.word()?;
        spec.jpeg_shrink = keyword("jpeg_shrink")?.jpeg_shrink()?;
        spec.truncated = keyword("truncated")?.word()?;
        spec.limits = Limits { pixels: keyword("max_pixels")?.within(1..=u64::MAX)?, ..Limits::default() };
        options.channels = some("channels")?.map(|channels| channels.word()).transpose()?;
        options.augment = augment(&settings)?;
        let threads = |threads: Keyword<'py>| threads.within(1..=RunOptions::MAX_THREADS as u64);
        let threads = some("threads")?.map(threads).transpose()?;
        options.threads = threads.and_then(|threads| NonZeroUsize::new(threads as usize));
        options.memory = some("memory")?.map(|memory| memory.bytes()).transpose()?;
        Ok(Pixels(options))
    }
}

impl Pixels {
    /// The options of one of several workers of a machine, whose threads share its cores.
    pub fn shared_by(mut self, workers: usize) -> LoadOptions {
        if workers > 1 && self.0.threads.is_none() {
            let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
            self.0.threads = NonZeroUsize::new((cores / workers).max(1));
        }
        self.0
    }
}

fn augment(settings: &Bound<'_, PyAny>) -> PyResult<Augment> {
    let mut augment = Augment::default();
    augment.random_resized_crop = random_resized_crop(&settings.getattr("random_resized_crop")?)?;
    let padding = Keyword::of(settings, "padding")?.map_or(Ok(0), |padding| padding.within(0..=65_535))?;
    augment.crop = match Keyword::of(settings, "crop")? {
        Some(crop) => Some(Crop { size: crop.size()?, padding: padding as u32 }),
        None if padding > 0 => {
            return Err(setting("padding is the margin that crop chooses from: add crop=...".into()));
        }
        None => None,
    };
    let flip = settings.getattr("horizontal_flip")?;
    let flip: Option<f64> = flip.extract().ok();
    augment.horizontal_flip = flip.filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| {
        let given = settings.getattr("horizontal_flip").and_then(|given| given.repr());
        setting(format!("horizontal_flip is a probability from 0 to 1, not {}", shown(given)))
    })?;
    Ok(augment)
}

fn random_resized_crop(value: &Bound<'_, PyAny>) -> PyResult<Option<RandomResizedCrop>> {
    if let Ok(is_wanted) = value.extract::<bool>() {
        return Ok(is_wanted.then(RandomResizedCrop::default));
    }
    let ([least, most], [narrow, wide]): ([f64; 2], [f64; 2]) = value.extract().map_err(|_| {
        setting(format!(
            "random_resized_crop is True, or the ranges of shares and of ratios, as in ((0.08, 1.0), (0.75, 1.33)), not {}",
            shown(value.repr())
        ))
    })?;
    Ok(Some(RandomResizedCrop { scale: [least, most], ratio: [narrow, wide] }))
}

fn shown(text: PyResult<Bound<'_, pyo3::types::PyString>>) -> String {
    text.map_or_else(|_| "that".to_owned(), |text| text.to_string())
}

/// The part of an image that random numbers choose: left, top, width and height. For tests.
#[pyfunction]
pub fn random_crop(height: u32, width: u32, scale: [f64; 2], ratio: [f64; 2], numbers: Vec<f64>) -> PyResult<[u32; 4]> {
    let mut numbers = numbers.into_iter();
    let mut has_run_out = false;
    let next = || {
        numbers.next().unwrap_or_else(|| {
            has_run_out = true;
            0.0
        })
    };
    let crop = inlaid::random_resized_crop([width, height], &RandomResizedCrop { scale, ratio }, next);
    if has_run_out { Err(misuse("there are too few numbers".to_owned())) } else { Ok(crop) }
}
