//! The images of an array: which of its dimensions is what, and the samples of a row.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::OnceLock;

use super::array::Array;
use super::element::Kind;
use crate::error::{Error, RecordError, SourceError};
use crate::source::raw_pixels::{RawChannels, RawOrder, RawPixels};

/// Bytes of elements that are converted at a time.
const CONVERTED: usize = 1 << 16;

/// Bytes of an array that are turned into rows at a time.
const TURNED: u64 = 1 << 25;

/// Bytes of the largest row that is turned, which has to be in memory.
const LARGEST_TURNED: u64 = 1 << 30;

/// Height and width from which an array of three or four pixels in the last dimension is a single image.
const SMALLEST: u64 = 8;

/// An array of images.
#[derive(Debug)]
pub(super) struct Images {
    pub(super) array: Array,
    /// Number of images.
    pub(super) rows: u32,
    pub(super) pixels: RawPixels,
    /// Whether the channels could also be the dimension after the rows.
    pub(super) is_ambiguous: bool,
    /// The array row by row, if the first dimension changes fastest in its file.
    turned: OnceLock<File>,
}

impl Images {
    /// Whether an array may hold images.
    pub(super) fn are(array: &Array) -> bool {
        array.element.sample().is_some() && matches!(array.shape.len(), 3 | 4)
    }

    /// The images of an array.
    ///
    /// # Errors
    /// If its elements or its shape are not those of images.
    pub(super) fn new(array: Array) -> Result<Images, Error> {
        let sample = match (&array.element.kind, array.element.sample()) {
            (_, Some(sample)) => sample,
            (Kind::Object, None) => return Err(array.error(SourceError::Pickled { name: Some(array.name.clone()) })),
            (_, None) => return Err(array.not_numbers()),
        };
        let Some((height, width, channels, order, is_ambiguous)) = layout(&array.shape) else {
            return Err(array.error(SourceError::ArrayShape { array: array.name.clone(), shape: array.shape_text() }));
        };
        if height == 0 || width == 0 {
            return Err(array.error(SourceError::ArrayShape { array: array.name.clone(), shape: array.shape_text() }));
        }
        let side = |side: u64| u32::try_from(side).ok();
        let (Some(rows), Some(height), Some(width)) = (side(array.rows()), side(height), side(width)) else {
            return Err(array.error(SourceError::Damaged("its shape is too large".to_owned())));
        };
        let pixels = RawPixels { height, width, channels, sample, order };
        Ok(Images { array, rows, pixels, is_ambiguous, turned: OnceLock::new() })
    }

    /// Makes rows readable in any order. In the folder `scratch`, writes a copy of what is compressed or in the order
    /// of columns; if there is no folder, only checks what is compressed.
    ///
    /// # Errors
    /// If the file is damaged, or a copy can't be written.
    pub(super) fn prepare(&self, scratch: Option<&Path>) -> Result<(), Error> {
        let length = self.array.length().unwrap_or(u64::MAX);
        self.array.stored.inflate(scratch, length)?;
        match scratch {
            Some(scratch) if self.array.is_fortran && self.rows > 0 && self.can_turn() => {
                let full = |error| Error::io("copy arrays into", scratch)(error).or_disk_full(length);
                let turned = self.turn(scratch).map_err(full)?;
                // Set once: a source is prepared once.
                let _ = self.turned.set(turned);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn can_turn(&self) -> bool {
        self.array.row_bytes().is_some_and(|bytes| bytes <= LARGEST_TURNED)
    }

    /// A copy with one row after another, and the last index changing fastest.
    fn turn(&self, scratch: &Path) -> io::Result<File> {
        let copy = tempfile::tempfile_in(scratch)?;
        let size = self.array.element.bytes().unwrap_or(1);
        let elements = self.array.row_elements().unwrap_or(0);
        let together = (TURNED / (elements * size).max(1)).clamp(1, self.rows.into());
        let (mut column, mut rows) = (Vec::new(), Vec::new());
        let mut first = 0;
        while first < u64::from(self.rows) {
            let count = together.min(u64::from(self.rows) - first) as usize;
            column.resize(count * size as usize, 0);
            rows.resize(count * (elements * size) as usize, 0);
            for number in 0..elements {
                let offset = self.array.first + (number * u64::from(self.rows) + first) * size;
                self.array.stored.read_at(offset, &mut column)?;
                let to = (place(number, &self.array.shape[1..]) * size) as usize;
                for (element, row) in
                    column.chunks_exact(size as usize).zip(rows.chunks_exact_mut((elements * size) as usize))
                {
                    row[to..][..element.len()].copy_from_slice(element);
                }
            }
            copy.write_all_at(&rows, first * elements * size)?;
            first += count as u64;
        }
        Ok(copy)
    }

    /// Appends the samples of a row.
    ///
    /// # Errors
    /// If they can't be read, or are not on the scale of pixels.
    pub(super) fn read(&self, row: u32, samples: &mut Vec<u8>) -> Result<(), RecordError> {
        let bytes = self.array.row_bytes().unwrap_or(0) as usize;
        let element = &self.array.element;
        if element.is_sample() {
            let start = samples.len();
            samples.resize(start + bytes, 0);
            self.read_at(row, 0, &mut samples[start..])?;
            return element.order(&mut samples[start..]);
        }
        let mut part = vec![0; bytes.min(CONVERTED)];
        for at in (0..bytes).step_by(CONVERTED) {
            let part = &mut part[..(bytes - at).min(CONVERTED)];
            self.read_at(row, at as u64, part)?;
            element.append(part, samples)?;
        }
        Ok(())
    }

    fn read_at(&self, row: u32, at: u64, out: &mut [u8]) -> Result<(), RecordError> {
        let offset = u64::from(row) * self.array.stride + at;
        let read = match self.turned.get() {
            Some(file) => file.read_exact_at(out, offset),
            None if self.array.is_fortran => Err(io::Error::other("the order of its elements can't be changed")),
            None => self.array.stored.read_at(self.array.first + offset, out),
        };
        read.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => RecordError::Truncated,
            _ => RecordError::Unreadable(error),
        })
    }
}

/// Height, width, channels and order of images of this shape, and whether there is another way to see it; none if it is
/// not a shape of images.
fn layout(shape: &[u64]) -> Option<(u64, u64, RawChannels, RawOrder, bool)> {
    let channels = |side: u64| match side {
        1 => Some(RawChannels::Gray),
        3 => Some(RawChannels::Rgb),
        4 => Some(RawChannels::Rgba),
        _ => None,
    };
    match *shape {
        // A single image rather than many that are three pixels wide.
        [a, b, 3 | 4] if a.min(b) >= SMALLEST => None,
        [_, height, width] => Some((height, width, RawChannels::Gray, RawOrder::Interleaved, false)),
        [_, a, b, c] => match (channels(a), channels(c)) {
            (first, Some(last)) => Some((a, b, last, RawOrder::Interleaved, first.is_some())),
            (Some(first), None) => Some((b, c, first, RawOrder::Planar, false)),
            (None, None) => None,
        },
        _ => None,
    }
}

/// Place, in the order in which the last index changes fastest, of the element with this number in the order in which
/// the first does.
fn place(number: u64, shape: &[u64]) -> u64 {
    let (mut rest, mut place, mut step) = (number, 0, shape.iter().product::<u64>());
    for side in shape {
        step /= side;
        place += rest % side * step;
        rest /= side;
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_the_dimension_of_1_3_or_4() {
        let read = |shape: &[u64]| {
            layout(shape).map(|(height, width, channels, order, other)| {
                let order = if order == RawOrder::Planar { "planar" } else { "interleaved" };
                format!("{height}x{width}x{} {order}{}", channels.count(), if other { " or not" } else { "" })
            })
        };
        assert_eq!(read(&[9, 28, 28]).unwrap(), "28x28x1 interleaved");
        assert_eq!(read(&[9, 32, 30, 3]).unwrap(), "32x30x3 interleaved");
        assert_eq!(read(&[9, 3, 32, 30]).unwrap(), "32x30x3 planar");
        assert_eq!(read(&[9, 1, 32, 30]).unwrap(), "32x30x1 planar");
        assert_eq!(read(&[9, 3, 30, 4]).unwrap(), "3x30x4 interleaved or not");
        assert_eq!(read(&[9, 3, 30, 3]).unwrap(), "3x30x3 interleaved or not");
        assert_eq!(read(&[9, 2, 3]).unwrap(), "2x3x1 interleaved");
        for shape in [&[9, 784][..], &[32, 32, 3], &[9, 2, 2, 2], &[9, 5, 5, 5, 3], &[9], &[]] {
            assert_eq!(read(shape), None, "{shape:?}");
        }
    }

    #[test]
    fn elements_find_their_places() {
        // [2, 3] in the order of columns: (0,0) (1,0) (0,1) (1,1) (0,2) (1,2).
        assert_eq!([0, 1, 2, 3, 4, 5].map(|number| place(number, &[2, 3])), [0, 3, 1, 4, 2, 5]);
    }
}
