//! The header of an IDX file, the format of MNIST: `00 00`, the type of the elements, the number of dimensions, and the
//! dimensions as 32-bit numbers, big-endian.

use std::io::Read;

use super::element::{Element, Kind};
use crate::error::SourceError;

/// The header of an IDX file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) element: Element,
    pub(super) shape: Vec<u64>,
    /// Length of the header, in bytes.
    pub(super) length: u64,
}

/// Whether a file may begin so.
pub(super) fn is_idx(head: &[u8]) -> bool {
    matches!(head, [0, 0, 0x08 | 0x09 | 0x0B..=0x0E, 1..=4, ..])
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// If it can't be read, or is none.
    pub(super) fn read(file: &mut dyn Read) -> Result<Header, SourceError> {
        let mut start = [0; 4];
        let cut = |_| SourceError::Damaged("it ends in its header".to_owned());
        file.read_exact(&mut start).map_err(cut)?;
        if !is_idx(&start) {
            return Err(SourceError::Damaged("it does not begin as an IDX file".to_owned()));
        }
        let kind = match start[2] {
            0x08 => Kind::Unsigned(1),
            0x09 => Kind::Signed(1),
            0x0B => Kind::Signed(2),
            0x0C => Kind::Signed(4),
            0x0D => Kind::Float(4),
            _ => Kind::Float(8),
        };
        let mut shape = Vec::new();
        for _ in 0..start[3] {
            let mut side = [0; 4];
            file.read_exact(&mut side).map_err(cut)?;
            shape.push(u32::from_be_bytes(side).into());
        }
        let length = 4 + 4 * shape.len() as u64;
        Ok(Header { element: Element { kind, is_big_endian: true }, shape, length })
    }
}
