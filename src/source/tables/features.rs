//! What Hugging Face `datasets` says about columns in the metadata of a schema.

use arrow_schema::Schema;
use serde_json::Value;

use crate::format::columns::told_features;

/// The features of a schema's columns.
pub(super) struct Features(Value);

impl Features {
    pub(super) fn of(schema: &Schema) -> Features {
        Features(told_features(schema).unwrap_or(Value::Null))
    }

    /// The type of a column, or of the items of its lists: `Image`, `ClassLabel`.
    pub(super) fn kind(&self, column: &str) -> Option<&str> {
        self.item(column)?.get("_type")?.as_str()
    }

    /// Whether a column has a class in every row: no lists.
    pub(super) fn is_class(&self, column: &str) -> bool {
        let kind = self.0.get(column).and_then(|feature| feature.get("_type"));
        kind.is_some_and(|kind| kind == "ClassLabel")
    }

    /// Names of the classes of a column, in the order of their numbers.
    pub(super) fn class_names(&self, column: &str) -> Option<Vec<String>> {
        let item = self.item(column)?;
        if item.get("_type")? != "ClassLabel" {
            return None;
        }
        item.get("names")?.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect()
    }

    /// The feature of a column or, if it has lists, of their items: a list of one feature in old releases.
    fn item(&self, column: &str) -> Option<&Value> {
        let feature = self.0.get(column)?;
        let item = feature.get("feature").filter(|_| {
            let kind = feature.get("_type").and_then(Value::as_str);
            matches!(kind, Some("List" | "LargeList" | "Sequence"))
        });
        item.or_else(|| feature.as_array()?.first()).or(Some(feature))
    }
}
