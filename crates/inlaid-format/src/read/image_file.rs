//! The encoded image of a row: bytes of the table, or a file that the row names.

use std::path::Path;

use bytes::Bytes;

use super::byte_values::Piece;
use super::image_column::ImageColumn;
use super::table::Table;
use crate::error::Error;
use crate::format::open;

impl Table {
    /// The column of encoded images, if that is the main column; none if tensors are.
    pub fn image_column(&self) -> Option<&ImageColumn> {
        self.stored.files[0].images.as_ref().map(|images| &images.column)
    }

    /// The name of the main column: that of [`Table::tensor_column`] or [`Table::image_column`].
    pub fn main_column(&self) -> &str {
        self.stored.files[0].main_column()
    }

    /// The encoded image of a row, as a file has it: JPEG, PNG or another format. A slice of the mapped file if that holds
    /// it as it is. Where the row has only the name of a file, that file is read: a path that is absolute, or relative to
    /// the folder of the table.
    ///
    /// # Errors
    /// If `row` is not less than the number of rows, the row has no image, its page is damaged or can't be read, or the
    /// table is one of tensors.
    pub fn image_file(&self, row: usize) -> Result<Bytes, Error> {
        let stored = &*self.stored;
        if row >= self.len() {
            return Err(Error::NoRow { row, rows: self.len() });
        }
        let at = self.stored(row);
        let number = self.row_group_of(at);
        let (start, file, row_group) = stored.row_groups[number];
        let file = &stored.files[file];
        let none = |reason: String| Error::NoImage { path: file.path.clone(), row, reason };
        let images = file.images.as_ref().ok_or_else(|| none("its table holds tensors".to_owned()))?;
        let value = |piece| {
            file.image(images, piece, (row_group, at - start), (&stored.images, number)).map_err(|error| match error {
                Error::Damaged { reason, .. } => none(reason),
                error => error,
            })
        };
        if let Some(bytes) = value(Piece::Content)? {
            return Ok(bytes);
        }
        let name = if images.has_names() { value(Piece::Name)? } else { None };
        let name = name.as_deref().and_then(|name| std::str::from_utf8(name).ok()).filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| none("it is null".to_owned()))?;
        if file.cached().is_some() || name.contains("://") {
            return Err(none(format!("it is null, and its file `{name}` is not on this machine")));
        }
        let path = file.path.parent().unwrap_or(Path::new("")).join(name);
        open::read(&path).map(Bytes::from).map_err(|error| none(format!("can't read `{}`: {error}", path.display())))
    }
}
