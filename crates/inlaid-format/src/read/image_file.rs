//! The encoded image of a row: bytes of the table, or a file that the row names.

use std::path::Path;

use bytes::Bytes;

use super::byte_values::Piece;
use super::file::TensorFile;
use super::image_column::ImageColumn;
use super::images::Images;
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

    /// Begins to fetch what the main column of these rows needs, of files that are not on a disk, as far as there is room.
    #[doc(hidden)]
    pub fn fetch_main_ahead(&self, rows: &[usize]) {
        self.fetch_ahead(rows, self.main_column());
    }

    /// The encoded image of a row, as a file has it: JPEG, PNG or another format. A slice of the mapped file if that holds
    /// it as it is. Where the row has only the name of a file, that file is read: a path that is absolute, or relative to
    /// the folder of the table.
    ///
    /// # Errors
    /// If `row` is not less than the number of rows, the row has no image, its page is damaged or can't be read, or the
    /// table is one of tensors.
    pub fn image_file(&self, row: usize) -> Result<Bytes, Error> {
        if let Some(bytes) = self.image_value(row, Piece::Content)? {
            return Ok(bytes);
        }
        let file = self.image_table(row)?;
        let none = |reason: String| Error::NoImage { path: file.path.clone(), row, reason };
        let name = self.image_name(row)?.ok_or_else(|| none("it is null".to_owned()))?;
        if file.cached().is_some() || name.contains("://") {
            return Err(none(format!("it is null, and its file `{name}` is not on this machine")));
        }
        let path = file.path.parent().unwrap_or(Path::new("")).join(name);
        open::read(&path).map(Bytes::from).map_err(|error| none(format!("can't read `{}`: {error}", path.display())))
    }

    /// The name of the image file of a row, if it has one.
    ///
    /// # Errors
    /// As [`Table::image_file`].
    pub fn image_name(&self, row: usize) -> Result<Option<String>, Error> {
        let has_names = self.image_table(row)?.images.as_ref().is_some_and(Images::has_names);
        let name = if has_names { self.image_value(row, Piece::Name)? } else { None };
        let name = name.and_then(|name| std::str::from_utf8(&name).ok().map(ToOwned::to_owned));
        Ok(name.filter(|name| !name.is_empty()))
    }

    /// The file of the table with a row.
    fn image_table(&self, row: usize) -> Result<&TensorFile, Error> {
        if row >= self.len() {
            return Err(Error::NoRow { row, rows: self.len() });
        }
        let (_, file, _) = self.stored.row_groups[self.row_group_of(self.stored(row))];
        Ok(&self.stored.files[file])
    }

    /// A part of the image of a row; none if it is null.
    fn image_value(&self, row: usize, piece: Piece) -> Result<Option<Bytes>, Error> {
        let (file, at) = (self.image_table(row)?, self.stored(row));
        let number = self.row_group_of(at);
        let (start, _, row_group) = self.stored.row_groups[number];
        let none = |reason: String| Error::NoImage { path: file.path.clone(), row, reason };
        let images = file.images.as_ref().ok_or_else(|| none("its table holds tensors".to_owned()))?;
        file.image(images, piece, (row_group, at - start), (&self.stored.images, number)).map_err(|error| match error {
            Error::Damaged { reason, .. } => none(reason),
            error => error,
        })
    }
}
