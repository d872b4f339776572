//! The column of labels.

use std::sync::Arc;

use arrow_schema::{DataType, Field};

use super::LABEL;
use crate::spec::LabelKind;

/// The Arrow type of labels of this kind; `classes` is the number of classes.
pub fn data_type(kind: LabelKind, classes: usize) -> DataType {
    match kind {
        LabelKind::Class => DataType::Int64,
        LabelKind::MultiHot => {
            let item = Arc::new(Field::new("item", DataType::UInt8, false));
            DataType::FixedSizeList(item, i32::try_from(classes).expect("classes are listed in a file of their own"))
        }
        LabelKind::Number => DataType::Float64,
    }
}

/// The Arrow field of labels of this kind; `classes` is the number of classes.
pub fn field(kind: LabelKind, classes: usize) -> Field {
    // Nullable and 64 bits wide, because Hugging Face keeps classes as a ClassLabel only then.
    Field::new(LABEL, data_type(kind, classes), kind != LabelKind::MultiHot)
}
