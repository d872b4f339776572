//! The column of encoded images of a table without tensors, as its schema tells it or the first bytes of its values.

use arrow_schema::Schema;
use serde_json::Value;

use super::byte_values::{BytesColumn, Item};
use crate::format::columns::told_features;
use crate::format::keys;

/// What columns of images are called that nothing else declares as such. In lower case; any case is accepted.
const NAMES: [&str; 10] =
    ["image", "images", "img", "image_bytes", "img_bytes", "jpg", "jpeg", "png", "picture", "photo"];

/// A column of images that are stored as files: structs of `bytes` and `path`, as Hugging Face `datasets` stores them, or
/// plain bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageColumn {
    /// Name of the column.
    pub name: String,
    pub(super) item: Item,
}

/// What the first values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// One of them begins like an image.
    Images,
    /// None of them does.
    Others,
    /// There are none.
    Nothing,
}

impl ImageColumn {
    /// The main column of a file without tensors: the first one that `datasets` declares as images, or else of structs
    /// as it stores files, or else of bytes whose first values `look` like images. None if there is none.
    ///
    /// # Errors
    /// As `look`.
    pub(super) fn find<E>(
        schema: &Schema,
        mut look: impl FnMut(BytesColumn) -> Result<Look, E>,
    ) -> Result<Option<ImageColumn>, E> {
        let told = told_features(schema).unwrap_or(Value::Null);
        let name = |column: &BytesColumn| schema.field(column.index).name();
        let kind = |column: &BytesColumn| told.get(name(column)).and_then(|feature| feature.get("_type")?.as_str());
        let image = |column: &BytesColumn| ImageColumn { name: name(column).clone(), item: column.item };
        let all = (0..schema.fields().len()).filter_map(|index| BytesColumn::of(schema, index));
        let all: Vec<BytesColumn> = all.filter(|column| !column.is_list).collect();
        if let Some(column) = all.iter().find(|column| kind(column) == Some("Image")) {
            return Ok(Some(image(column)));
        }
        // Sounds, videos and documents have the same form.
        let is_open = |column: &&BytesColumn| kind(column).is_none_or(|kind| kind == "Value");
        let (files, mut plain): (Vec<_>, Vec<_>) =
            all.iter().filter(is_open).partition(|column| column.item == Item::File);
        if let [only] = files[..] {
            return Ok(Some(image(only)));
        }
        for column in &files {
            if look(**column)? == Look::Images {
                return Ok(Some(image(column)));
            }
        }
        if let Some(first) = files.first() {
            return Ok(Some(image(first)));
        }
        let is_named = |column: &BytesColumn| NAMES.iter().any(|known| known.eq_ignore_ascii_case(name(column)));
        plain.sort_by_key(|column| !is_named(column));
        for column in &plain {
            match look(**column)? {
                Look::Images => return Ok(Some(image(column))),
                Look::Nothing if is_named(column) || plain.len() == 1 => return Ok(Some(image(column))),
                Look::Nothing | Look::Others => {}
            }
        }
        Ok(None)
    }
}

/// Whether `datasets` declares a column of a schema as images.
pub(super) fn declares_images(schema: &Schema) -> bool {
    let told = told_features(schema).unwrap_or(Value::Null);
    let columns = (0..schema.fields().len()).filter_map(|index| BytesColumn::of(schema, index));
    let mut names = columns.filter(|column| !column.is_list).map(|column| schema.field(column.index).name());
    names.any(|name| told.get(name).is_some_and(|feature| feature.get("_type").is_some_and(|kind| kind == "Image")))
}

/// Whether a schema is that of a dataset of inlaid whose images are files. Its labels may be lists, as tensors are.
pub(super) fn stores_files(schema: &Schema) -> bool {
    let spec = schema.metadata().get(keys::SPEC).and_then(|text| serde_json::from_str::<Value>(text).ok());
    spec.is_some_and(|spec| spec.get("storage").is_some_and(|storage| storage == "encoded"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use arrow_schema::{DataType, Field, Fields};
    use serde_json::json;

    use super::*;

    fn file(name: &str) -> Field {
        let parts = [Field::new("bytes", DataType::Binary, true), Field::new("path", DataType::Utf8, true)];
        Field::new(name, DataType::Struct(parts.into_iter().collect::<Fields>()), true)
    }

    fn bytes(name: &str) -> Field {
        Field::new(name, DataType::LargeBinary, true)
    }

    /// The name of the column of images among these, of which those at `images` begin like images, and those at `empty`
    /// have no values.
    fn found(fields: Vec<Field>, told: Value, images: &[usize], empty: &[usize]) -> Option<String> {
        let text = json!({ "info": { "features": told } }).to_string();
        let schema = Schema::new_with_metadata(fields, HashMap::from([(keys::HUGGINGFACE.to_owned(), text)]));
        let look = |column: BytesColumn| {
            Ok::<_, ()>(match (images.contains(&column.index), empty.contains(&column.index)) {
                (true, _) => Look::Images,
                (_, true) => Look::Nothing,
                _ => Look::Others,
            })
        };
        ImageColumn::find(&schema, look).unwrap().map(|column| column.name)
    }

    #[test]
    fn declared_images_come_first_then_files_then_bytes() {
        let all = || vec![bytes("image"), file("b"), file("c")];
        let image = |name: &str| json!({ name: { "_type": "Image" } });
        assert_eq!(found(all(), image("c"), &[0], &[]).as_deref(), Some("c"));
        assert_eq!(found(all(), image("image"), &[], &[]).as_deref(), Some("image"));
        assert_eq!(found(all(), json!({}), &[0], &[]).as_deref(), Some("b"));
        assert_eq!(found(all(), json!({}), &[0, 2], &[]).as_deref(), Some("c"));
        assert_eq!(found(all(), json!({ "b": { "_type": "Audio" } }), &[], &[]).as_deref(), Some("c"));
        assert_eq!(found(vec![file("a")], json!({ "a": { "_type": "Audio" } }), &[0], &[]), None);
    }

    #[test]
    fn bytes_are_images_only_if_they_look_like_them() {
        let all = || vec![bytes("audio"), bytes("Image")];
        assert_eq!(found(all(), json!({}), &[0, 1], &[]).as_deref(), Some("Image"));
        assert_eq!(found(all(), json!({}), &[0], &[]).as_deref(), Some("audio"));
        assert_eq!(found(all(), json!({}), &[], &[]), None);
        assert_eq!(found(all(), json!({}), &[], &[0, 1]).as_deref(), Some("Image"));
        assert_eq!(found(vec![bytes("x")], json!({}), &[], &[0]).as_deref(), Some("x"));
        assert_eq!(found(vec![bytes("x")], json!({}), &[], &[]), None);
        assert_eq!(found(vec![bytes("x"), bytes("y")], json!({}), &[], &[0, 1]), None);
    }
}
