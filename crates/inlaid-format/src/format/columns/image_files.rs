//! The column of images that are stored as files. Hugging Face `datasets` reads it as its `Image` type: a struct of
//! `bytes`, the contents of the file, and `path`, its name.
//!
//! A re-encoded file follows the spec and carries no EXIF and no color profile. Without a target size, images are
//! stored byte for byte as found.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, StringArray, StructArray};
use arrow_schema::{DataType, Field, Fields};

use crate::format::columns::Row;
use crate::spec::Encoding;

/// The fields of the struct, as `datasets` defines them.
fn parts() -> Fields {
    [Field::new("bytes", DataType::Binary, true), Field::new("path", DataType::Utf8, true)].into_iter().collect()
}

/// The Arrow field of a column of files.
pub fn field(name: &str) -> Field {
    // Nullable, because `datasets` keeps it as an `Image` only then.
    Field::new(name, DataType::Struct(parts()), true)
}

/// Whether a column holds images stored as files.
pub fn is_encoded(field: &Field) -> bool {
    matches!(field.data_type(), DataType::Struct(fields) if fields.iter().zip(&parts()).all(|(field, part)| {
        field.name() == part.name() && field.data_type() == part.data_type()
    }) && fields.len() == 2)
}

/// Length of every file in such a column, in bytes; 0 for a null.
pub fn lengths(images: &ArrayRef) -> Vec<u64> {
    let files = images.as_struct().column(0).as_binary::<i32>();
    files.iter().map(|file| file.map_or(0, |file| file.len() as u64)).collect()
}

/// The files of these rows, as an array of such a column. Re-encoded files get the extension of their new encoding.
pub fn array(rows: &[Row<'_>], encoding: Option<Encoding>) -> ArrayRef {
    let files = BinaryArray::from_iter_values(rows.iter().map(|row| &row.image[..]));
    let names = StringArray::from_iter_values(rows.iter().map(|row| {
        let name = row.path.rsplit('/').next().unwrap_or(row.path);
        match (encoding, name.rsplit_once('.')) {
            (None, _) => name.to_owned(),
            (Some(encoding), Some((stem, _))) => format!("{stem}.{}", encoding.extension()),
            (Some(encoding), None) => format!("{name}.{}", encoding.extension()),
        }
    }));
    let arrays: Vec<Arc<dyn Array>> = vec![Arc::new(files), Arc::new(names)];
    Arc::new(StructArray::new(parts(), arrays, None))
}
