//! Makes pictures of the rows of a table.

use std::num::NonZeroUsize;

use super::picture::Picture;
use crate::error::{Error, FormatError};
use crate::load::{LoadOptions, Loader, stored_spec};
use crate::read::{DrawnRow, Element, Epoch, Table, TensorMaker};
use crate::spec::{Channels, Dtype, Fit, Layout, Scale, Size, Spec};

/// Makes pictures of the rows of a table. Tensors are shown whole, with normalization undone; of image files, the middle
/// is shown, as a square.
#[derive(Debug)]
pub(crate) struct PictureMaker {
    loader: Loader,
    levels: Levels,
}

/// How elements become bytes, by the inverse of the rule that made them.
#[derive(Clone, Copy, Debug)]
struct Levels {
    channels: usize,
    scale: Scale,
    mean: [f32; 3],
    std: [f32; 3],
}

impl PictureMaker {
    /// What makes pictures of at most `side` pixels a side, on this many threads, or one for each core.
    ///
    /// # Errors
    /// If the tensors are not images, or threads can't be started.
    pub(crate) fn new(table: &Table, side: u32, threads: Option<NonZeroUsize>) -> Result<PictureMaker, Error> {
        let stored = stored_spec(table);
        let mut options = LoadOptions::new(size(table, side)?);
        (options.threads, options.cast.layout) = (threads, Some(Layout::Hwc));
        match table.tensor_column() {
            Some(column) if matches!(column.element, Element::U8 | Element::U16) => {
                options.cast.dtype = Some(Dtype::U8);
            }
            Some(_) => options.cast.dtype = Some(Dtype::F32),
            None => (options.spec.fit, options.channels) = (Fit::Crop, Some(Channels::Rgb)),
        }
        let loader = Loader::new(table, &options)?;
        let levels = Levels::new(stored.as_ref(), loader.target().shape[2]);
        Ok(PictureMaker { loader, levels })
    }

    /// The pictures of rows; none of a row whose image can't be used.
    ///
    /// # Errors
    /// If a file can't be read.
    pub(crate) fn make(&self, table: &Table, rows: &[usize]) -> Result<Vec<Option<Picture>>, FormatError> {
        let drawn: Vec<_> = rows.iter().map(|row| DrawnRow { row: *row, repeat: 0 }).collect();
        let target = self.loader.target();
        let mut tensors = vec![0; rows.len() * target.row_bytes()];
        let bad = self.loader.make(table, &Epoch::default(), &drawn, &mut tensors)?;
        let mut is_bad = vec![false; rows.len()];
        for (row, error) in bad {
            match error {
                FormatError::NoImage { .. } | FormatError::Damaged { .. } => is_bad[row] = true,
                error => return Err(error),
            }
        }
        let (height, width) = (target.shape[0], target.shape[1]);
        let pictures = tensors.chunks_exact(target.row_bytes()).zip(is_bad).map(|(tensor, is_bad)| {
            let rgb = || match target.element {
                Element::F32 => self.levels.of_floats(tensor),
                _ => self.levels.of_bytes(tensor),
            };
            (!is_bad).then(|| Picture { width, height, rgb: rgb() })
        });
        Ok(pictures.collect())
    }
}

/// Height and width of the tensors of a table, if they are images.
pub(crate) fn sides(table: &Table) -> Option<[usize; 2]> {
    match (&table.tensor_column()?.shape[..], table.layout()?) {
        (&[height, width, _], Layout::Hwc) | (&[_, height, width], Layout::Chw) => Some([height, width]),
        _ => None,
    }
}

/// The size of pictures of at most `side` pixels a side: of the shape of tensors, which are not enlarged.
fn size(table: &Table, side: u32) -> Result<Size, Error> {
    // Image files have none; the loader refuses what is not an image.
    let Some([height, width]) = sides(table) else { return Ok(Size::new(side, side)?) };
    let (longest, side) = (height.max(width).max(1), side as usize);
    let scaled = |length: usize| if longest <= side { length } else { (length * side).div_ceil(longest) } as u32;
    Ok(Size::new(scaled(height), scaled(width))?)
}

impl Levels {
    fn new(spec: Option<&Spec>, channels: usize) -> Levels {
        let three = |numbers: Option<&[f32]>, none| match numbers {
            Some(&[r, g, b]) => [r, g, b],
            Some(&[one]) => [one; 3],
            _ => [none; 3],
        };
        Levels {
            channels,
            scale: spec.and_then(|spec| spec.scale).unwrap_or_default(),
            mean: three(spec.and_then(|spec| spec.mean.as_ref()).map(|mean| mean.numbers()), 0.0),
            std: three(spec.and_then(|spec| spec.std.as_ref()).map(|std| std.numbers()), 1.0),
        }
    }

    fn of_floats(&self, tensor: &[u8]) -> Vec<u8> {
        let channels = self.channels;
        let byte = |(at, element): (usize, &[u8; 4])| {
            let (value, channel) = (f32::from_ne_bytes(*element), at % channels);
            let value = match channel {
                3 => value,
                channel => value * self.std[channel] + self.mean[channel],
            };
            let unit = match self.scale {
                Scale::Unit => value,
                Scale::Signed => (value + 1.0) / 2.0,
                Scale::Bytes => value / 255.0,
            };
            (unit * 255.0).round().clamp(0.0, 255.0) as u8
        };
        let bytes: Vec<u8> = tensor.as_chunks().0.iter().enumerate().map(byte).collect();
        self.of_bytes(&bytes)
    }

    /// Gray three times; what is transparent is white.
    fn of_bytes(&self, tensor: &[u8]) -> Vec<u8> {
        match self.channels {
            1 => tensor.iter().flat_map(|gray| [*gray; 3]).collect(),
            4 => tensor.as_chunks().0.iter().flat_map(|pixel| on_white(*pixel)).collect(),
            _ => tensor.to_vec(),
        }
    }
}

fn on_white([r, g, b, alpha]: [u8; 4]) -> [u8; 3] {
    let alpha = u32::from(alpha);
    [r, g, b].map(|color| ((u32::from(color) * alpha + 255 * (255 - alpha) + 127) / 255) as u8)
}
