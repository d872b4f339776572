//! The encoded images of a file: where each of them is, or what has to be decoded for it.

use std::ops::{ControlFlow, Range};
use std::sync::{Arc, OnceLock};

use arrow_array::{Array, ArrayRef};
use bytes::Bytes;
use parquet::basic::Compression;

use super::byte_values::{BytesColumn, Item, ParquetColumn, Piece, Value, Visit, bytes_of, visit_arrow};
use super::cache::Cache;
use super::chunk::Chunk;
use super::file::{Content, TensorFile};
use super::image_column::{ImageColumn, Look};
use super::image_parts::{ImagePart, Pages};
use super::input::Input;
use super::present::Present;
use super::source_file::SourceFileError;
use crate::error::Error;
use crate::format::catch_panic::contain;
use crate::format::magic::is_image;

/// Number of values whose first bytes are looked at.
const LOOKS: usize = 4;

/// The column of images of a file.
pub(super) struct Images {
    pub(super) column: ImageColumn,
    bytes: BytesColumn,
    /// Where the files are, and their names, by row group, once it is known.
    contents: Vec<OnceLock<Places>>,
    names: Vec<OnceLock<Places>>,
}

/// Where the values of a row group are.
enum Places {
    /// In the file, as they are.
    File(Present<Range<u64>>),
    /// In the pages of a leaf column.
    Pages(usize, Chunk),
    /// In a record batch that is read as a whole, and takes this much memory.
    Batch(usize),
}

impl Images {
    pub(super) fn new(column: ImageColumn, bytes: BytesColumn, row_groups: usize) -> Images {
        let unknown = || (0..row_groups).map(|_| OnceLock::new()).collect();
        Images { column, bytes, contents: unknown(), names: unknown() }
    }

    /// Whether images may have names.
    pub(super) fn has_names(&self) -> bool {
        self.column.item == Item::File
    }
}

impl Content {
    /// What the first values of a column are.
    ///
    /// # Errors
    /// A description of the damage.
    pub(super) fn look(&self, input: &Input, column: BytesColumn, row_groups: &[usize]) -> Result<Look, String> {
        let (mut looks, mut is_one) = (0, false);
        let mut look = |_: usize, value: Value<'_>| {
            if let Value::Bytes { bytes, .. } = value {
                looks += 1;
                is_one |= is_image(bytes);
            }
            Ok(if looks < LOOKS && !is_one { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        };
        let first = row_groups.iter().position(|rows| *rows > 0);
        if let Some(row_group) = first {
            let _ = self.visit(input, row_group, column, Piece::Content, &mut look)?;
        }
        Ok(match (is_one, looks) {
            (true, _) => Look::Images,
            (false, 0) => Look::Nothing,
            (false, _) => Look::Others,
        })
    }

    /// Calls `visit` with the values of a row group until told to stop.
    fn visit(
        &self,
        input: &Input,
        row_group: usize,
        column: BytesColumn,
        piece: Piece,
        visit: Visit<'_, SourceFileError>,
    ) -> Result<ControlFlow<()>, String> {
        let visited = match self {
            Content::Parquet(metadata) => {
                let column = ParquetColumn { map: &|| Ok(input.clone()), metadata, column, piece };
                // Elsewhere, each header is looked at when it is read.
                if !input.is_elsewhere() {
                    let leaf = column.leaf().map_err(|error| error.to_string())?;
                    Chunk::find(input, metadata.metadata().row_group(row_group).column(leaf))?;
                }
                column.visit(row_group, visit)
            }
            Content::Arrow(blocks) => visit_arrow(blocks, row_group, column, piece, visit),
        };
        visited.map_err(|error| error.to_string())
    }
}

impl TensorFile {
    /// The file of an image, or its name; none if it is null. `number` is that of the row group in the table.
    pub(super) fn image(
        &self,
        images: &Images,
        piece: Piece,
        (row_group, row): (usize, usize),
        (parts, number): (&Cache<ImagePart>, usize),
    ) -> Result<Option<Bytes>, Error> {
        let key = |part| (usize::from(piece == Piece::Name), number, part);
        let decoded = |decode: &dyn Fn() -> Result<ImagePart, String>| {
            self.fetch(row_group, &[&images.column.name])?;
            contain(decode).flatten().map_err(|reason| self.blamed(self.damaged(row_group, &reason)))
        };
        match self.places(images, piece, row_group)? {
            Places::File(places) => {
                places.get(row).map(|place| self.slice(place.start as usize..place.end as usize)).transpose()
            }
            Places::Pages(leaf, chunk) => {
                let Content::Parquet(metadata) = &self.content else { return Ok(None) };
                let pages = Pages { input: &self.input, metadata, row_group, leaf: *leaf, chunk };
                let (page, rows) = pages.part_of(row);
                let decode = || Ok(ImagePart::Values(Arc::new(pages.decode(page, rows.clone())?)));
                Ok(parts.get(key(rows.start), 0, || decoded(&decode))?.get(row, piece))
            }
            Places::Batch(weight) => {
                let read = || {
                    let batch = self.read(row_group, &[&images.column.name])?;
                    Ok::<_, Error>(ImagePart::Batch(batch.column(0).clone(), *weight))
                };
                Ok(parts.get(key(0), *weight, read)?.get(row, piece))
            }
        }
    }

    /// Where the values of a row group are.
    fn places<'i>(&self, images: &'i Images, piece: Piece, row_group: usize) -> Result<&'i Places, Error> {
        let places = match piece {
            Piece::Content => &images.contents[row_group],
            Piece::Name => &images.names[row_group],
        };
        if let Some(places) = places.get() {
            return Ok(places);
        }
        // Of a record batch, only offsets are read.
        if matches!(self.content, Content::Parquet(_)) {
            self.fetch(row_group, &[&images.column.name])?;
        }
        let located = contain(|| self.locate_images(images.bytes, piece, row_group)).flatten();
        let located = located.map_err(|reason| self.blamed(self.damaged(row_group, &reason)))?;
        Ok(places.get_or_init(|| located))
    }

    fn locate_images(&self, column: BytesColumn, piece: Piece, row_group: usize) -> Result<Places, String> {
        let rows = self.row_groups[row_group];
        match &self.content {
            Content::Parquet(metadata) => {
                let leaf = ParquetColumn { map: &|| Ok(self.input.clone()), metadata, column, piece }.leaf();
                let leaf = leaf.map_err(|error| error.to_string())?;
                let whole = metadata.metadata().row_group(row_group).column(leaf);
                let chunk = Chunk::find(&self.input, whole)?;
                if chunk.values != rows {
                    return Err(format!("it has {} images instead of {rows}", chunk.values));
                }
                let is_plain = chunk.is_plain && whole.compression() == Compression::UNCOMPRESSED;
                let mapped = if is_plain { self.mapped_values(column, piece, row_group)? } else { None };
                Ok(mapped.map_or(Places::Pages(leaf, chunk), Places::File))
            }
            Content::Arrow(blocks) => {
                let claim = blocks.claim(row_group).map_err(|error| error.to_string())?;
                let length = blocks.range(row_group).map_or(0, |range| range.len());
                let found = match &self.input {
                    _ if claim.is_compressed => None,
                    Input::Mapped(_) => self.mapped_values(column, piece, row_group)?,
                    // What can't be read is found out when the batch is.
                    Input::File(..) | Input::Elsewhere(..) => {
                        let find = |array: &ArrayRef, place: &dyn Fn(&[u8]) -> Option<u64>| {
                            (array.len() == rows).then(|| located(array, piece, place)).flatten()
                        };
                        blocks.locate_bytes(row_group, column.index, find).ok().flatten()
                    }
                };
                Ok(found.map_or(Places::Batch(claim.bytes.max(length)), Places::File))
            }
        }
    }

    /// Where all values of a row group are in the map of the file; none if one of them is not there.
    fn mapped_values(
        &self,
        column: BytesColumn,
        piece: Piece,
        row_group: usize,
    ) -> Result<Option<Present<Range<u64>>>, String> {
        if !matches!(self.input, Input::Mapped(_)) {
            return Ok(None);
        }
        let mut places = Present::default();
        let mut add = |row: usize, value: Value<'_>| {
            match value {
                Value::Bytes { bytes, offset: Some(offset), .. } => {
                    places.push(row, offset..offset + bytes.len() as u64)
                }
                Value::Bytes { offset: None, .. } => return Ok(ControlFlow::Break(())),
                Value::Null | Value::NoItem => {}
            }
            Ok(ControlFlow::Continue(()))
        };
        let visited = self.content.visit(&self.input, row_group, column, piece, &mut add)?;
        places.shrink_to_fit();
        Ok(visited.is_continue().then_some(places))
    }
}

/// Where the values of an array are in the file; none if one of them is not there.
fn located(array: &ArrayRef, piece: Piece, place: &dyn Fn(&[u8]) -> Option<u64>) -> Option<Present<Range<u64>>> {
    let mut places = Present::default();
    for row in 0..array.len() {
        if let Some((bytes, _)) = bytes_of(array, row, piece) {
            let start = if bytes.is_empty() { 0 } else { place(bytes)? };
            places.push(row, start..start + bytes.len() as u64);
        }
    }
    places.shrink_to_fit();
    Some(places)
}
