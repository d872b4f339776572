//! Images that are stored as files: how resized pixels become one, and the column of such files, which Hugging
//! Face `datasets` reads as its `Image`: a struct of `bytes`, the file, and `path`, its name.
//!
//! A file is what the spec says and nothing else: it has no EXIF and no colour profile. Images without a size
//! are stored byte for byte as they were found.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, StringArray, StructArray};
use arrow_schema::{DataType, Field, Fields};

use crate::format::columns::Row;
use crate::spec::Encoding;

/// The fields of the struct, as `datasets` has them.
fn parts() -> Fields {
    [Field::new("bytes", DataType::Binary, true), Field::new("path", DataType::Utf8, true)].into_iter().collect()
}

/// The field of a column of files.
pub fn field(name: &str) -> Field {
    // Nullable: only so `datasets` keeps it as an `Image`.
    Field::new(name, DataType::Struct(parts()), true)
}

/// Whether a column is one of files.
pub fn is_encoded(field: &Field) -> bool {
    matches!(field.data_type(), DataType::Struct(fields) if fields.iter().zip(&parts()).all(|(field, part)| {
        field.name() == part.name() && field.data_type() == part.data_type()
    }) && fields.len() == 2)
}

/// Length of every file in such a column, in bytes.
pub fn lengths(images: &ArrayRef) -> Vec<u64> {
    let files = images.as_struct().column(0).as_binary::<i32>();
    files.iter().map(|file| file.map_or(0, |file| file.len() as u64)).collect()
}

/// The files of rows, as an array of such a column. Re-encoded files are named after what they are now.
pub fn array(rows: &[Row], encoding: Option<Encoding>) -> ArrayRef {
    let files = BinaryArray::from_iter_values(rows.iter().map(|row| &row.image[..]));
    let names = StringArray::from_iter_values(rows.iter().map(|row| {
        let name = row.path.rsplit('/').next().unwrap_or(&row.path);
        match (encoding, name.rsplit_once('.')) {
            (None, _) => name.to_owned(),
            (Some(encoding), Some((stem, _))) => format!("{stem}.{}", encoding.extension()),
            (Some(encoding), None) => format!("{name}.{}", encoding.extension()),
        }
    }));
    let arrays: Vec<Arc<dyn Array>> = vec![Arc::new(files), Arc::new(names)];
    Arc::new(StructArray::new(parts(), arrays, None))
}
