//! Converts samples from the colors of an embedded ICC profile to sRGB. The home of `moxcms`.
//!
//! A profile is applied if it is for the samples' color space, gray or RGB (the profile of a CMYK file is not: its
//! samples were converted to RGB without it). A profile that can't be read is ignored, like broken EXIF, and so is one
//! that differs from sRGB only by rounding. The rendering intent is perceptual; alpha is unchanged.

use std::sync::Arc;

use image::ColorType;
use moxcms::{ColorProfile, DataColorSpace, Layout, TransformExecutor, TransformOptions};

/// Conversion of samples from one profile to sRGB.
enum Transform {
    /// Pixels of three 8-bit samples, or four with alpha.
    Bytes(Arc<dyn TransformExecutor<u8> + Send + Sync>),
    /// Pixels of three 16-bit samples, or four with alpha.
    Words(Arc<dyn TransformExecutor<u16> + Send + Sync>),
    /// Gray pixels: a lookup table by 8-bit or 16-bit sample.
    Gray(Vec<u16>),
}

/// Converter of images to sRGB. Keeps the last transform, since photos of one camera share a profile.
#[derive(Default)]
pub(super) struct ToSrgb {
    /// Last profile, the sample type that it was for, and its transform.
    last: Option<(Vec<u8>, ColorType, Option<Transform>)>,
    bytes: Vec<u8>,
    words: [Vec<u16>; 2],
}

impl std::fmt::Debug for ToSrgb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ToSrgb").finish_non_exhaustive()
    }
}

impl ToSrgb {
    /// Bytes of the buffers.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len() + 2 * self.words.iter().map(Vec::len).sum::<usize>()
    }

    /// Converts all samples in place; 16-bit samples are in native byte order.
    pub(super) fn apply(&mut self, profile: &[u8], color: ColorType, samples: &mut [u8]) {
        let known = self.last.as_ref().is_some_and(|(last, of, _)| last == profile && *of == color);
        if !known {
            self.last = Some((profile.to_vec(), color, transform(profile, color)));
        }
        let Some((.., Some(transform))) = &self.last else { return };
        match transform {
            Transform::Bytes(transform) => {
                self.bytes.clear();
                self.bytes.extend_from_slice(samples);
                keep_on_error(transform.transform(&self.bytes, samples), &self.bytes, samples);
            }
            Transform::Words(transform) => {
                let [from, to] = &mut self.words;
                from.clear();
                from.extend(samples.as_chunks().0.iter().map(|word| u16::from_ne_bytes(*word)));
                to.clone_from(from);
                if transform.transform(from, to).is_ok() {
                    samples.as_chunks_mut().0.iter_mut().zip(to).for_each(|(out, word)| *out = word.to_ne_bytes());
                }
            }
            Transform::Gray(table) => look_up(table, color, samples),
        }
    }
}

/// Restores the samples if a transform failed.
fn keep_on_error<E>(outcome: Result<(), E>, before: &[u8], samples: &mut [u8]) {
    if outcome.is_err() {
        samples.copy_from_slice(before);
    }
}

/// Transform from a profile to sRGB; none if the profile is not applied.
fn transform(profile: &[u8], color: ColorType) -> Option<Transform> {
    let profile = ColorProfile::new_from_slice(profile).ok()?;
    let (srgb, options) = (ColorProfile::new_srgb(), TransformOptions::default());
    let layout = if color.has_alpha() { Layout::Rgba } else { Layout::Rgb };
    match (profile.color_space, color) {
        (DataColorSpace::Rgb, ColorType::Rgb8 | ColorType::Rgba8) if !is_srgb(&profile) => {
            profile.create_transform_8bit(layout, &srgb, layout, options).ok().map(Transform::Bytes)
        }
        (DataColorSpace::Rgb, ColorType::Rgb16 | ColorType::Rgba16) if !is_srgb(&profile) => {
            profile.create_transform_16bit(layout, &srgb, layout, options).ok().map(Transform::Words)
        }
        (DataColorSpace::Gray, ColorType::L8 | ColorType::La8) => gray_table(&profile, &srgb, 255),
        (DataColorSpace::Gray, ColorType::L16 | ColorType::La16) => gray_table(&profile, &srgb, u16::MAX),
        _ => None,
    }
}

/// Whether a profile changes no color of a coarse grid by more than one level of 255.
fn is_srgb(profile: &ColorProfile) -> bool {
    const STEP: usize = 15;
    let levels = || (0..=255).step_by(STEP);
    let grid: Vec<u8> =
        levels().flat_map(|r| levels().flat_map(move |g| levels().flat_map(move |b| [r, g, b]))).collect();
    let mut changed = vec![0; grid.len()];
    let options = TransformOptions::default();
    let transform = profile.create_transform_8bit(Layout::Rgb, &ColorProfile::new_srgb(), Layout::Rgb, options);
    transform.and_then(|transform| transform.transform(&grid, &mut changed)).is_ok()
        && grid.iter().zip(&changed).all(|(before, after)| before.abs_diff(*after) <= 1)
}

/// Lookup table of the sRGB value of every gray sample from 0 to `max`.
fn gray_table(profile: &ColorProfile, srgb: &ColorProfile, max: u16) -> Option<Transform> {
    let options = TransformOptions::default();
    // Gray becomes RGB with three equal samples.
    let transform = profile.create_transform_16bit(Layout::Gray, srgb, Layout::Rgb, options).ok()?;
    let depth = u32::from(u16::MAX / max);
    let gray: Vec<u16> = (0..=max).map(|value| (u32::from(value) * depth) as u16).collect();
    let mut rgb = vec![0; 3 * gray.len()];
    transform.transform(&gray, &mut rgb).ok()?;
    let table = rgb.as_chunks::<3>().0.iter().map(|[red, ..]| ((u32::from(*red) + depth / 2) / depth) as u16);
    Some(Transform::Gray(table.collect()))
}

fn look_up(table: &[u16], color: ColorType, samples: &mut [u8]) {
    match color {
        ColorType::L8 => samples.iter_mut().for_each(|gray| *gray = table[usize::from(*gray)] as u8),
        ColorType::La8 => {
            samples.as_chunks_mut().0.iter_mut().for_each(|[gray, _]| *gray = table[usize::from(*gray)] as u8);
        }
        _ => {
            let step = if color.has_alpha() { 2 } else { 1 };
            for gray in samples.as_chunks_mut().0.iter_mut().step_by(step) {
                *gray = table[usize::from(u16::from_ne_bytes(*gray))].to_ne_bytes();
            }
        }
    }
}
