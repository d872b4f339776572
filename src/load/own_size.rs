//! One image at the size that it has.

use super::row_image::decoded;
use crate::error::FormatError;
use crate::image::decode::{Decoder, Samples, Wanted};
use crate::read::Table;
use crate::run::Memory;
use crate::spec::{Dtype, Spec};

/// The image of a row at its own size, as bytes of shape `[height, width, channels]` with these sides. `spec` says how
/// files are decoded.
///
/// # Errors
/// If the row has no image file, or that can't be decoded.
pub fn decode(table: &Table, row: usize, spec: &Spec) -> Result<(Vec<u8>, [usize; 3]), FormatError> {
    let file = table.image_file(row)?;
    let mut spec = spec.clone();
    spec.dtype = Dtype::U8;
    let memory = Memory::of(None);
    let mut decoder = Decoder::default();
    decoded(table, row, |name| {
        let whole = &mut |_, _| Wanted { window: None, least: None };
        let raw = decoder.read(&file, name, &spec, whole, &mut |claim| memory.check(claim.fresh))?;
        let pixels = decoder.pixels(&raw, &spec)?;
        let Samples::U8(samples) = pixels.samples else { unreachable!("samples are bytes") };
        Ok((samples.to_vec(), [pixels.height as usize, pixels.width as usize, spec.channels.count()]))
    })
}
