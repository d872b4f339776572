//! The schema of a repacked file: the schema of its source, except for the tensor columns.

use std::sync::Arc;

use arrow_schema::{Field, FieldRef, Schema, SchemaRef};
use serde_json::{Value, json};

use super::column::is_extension;
use super::tensors::Tensors;
use super::times;
use crate::error::RepackError;
use crate::format::columns::told_features;
use crate::format::keys::{
    DTYPE, EXTENSION_METADATA, EXTENSION_NAME, FIXED_SHAPE_TENSOR, HUGGINGFACE, ROW_GROUPS, SHAPE, TENSORS,
};
use crate::format::shard;
use crate::format::tensor::list_type;
use crate::read::TensorColumn;

/// The schema of a repacked file. `tensors` are the tensor columns with their indices in the `source` schema, the main
/// one first.
pub(super) fn repacked(source: &Schema, tensors: &[(usize, &Tensors)]) -> Result<SchemaRef, RepackError> {
    let mut fields: Vec<FieldRef> = source.fields().iter().map(written_as).collect();
    let others = fields.iter().enumerate().filter(|(at, _)| !tensors.iter().any(|(index, _)| index == at));
    others.map(|(_, field)| field).try_for_each(|field| match shard::is_writable(field) {
        true => Ok(()),
        false => Err(RepackError::Unwritable { column: field.name().clone(), found: field.data_type().clone() }),
    })?;
    let mut metadata = source.metadata().clone();
    // The checksums of the source's row groups do not apply to the new file.
    metadata.remove(ROW_GROUPS);
    let features = told_features(source);
    for &(index, tensors) in tensors {
        let column = source.field(index);
        let is_feature = features.as_ref().is_some_and(|features| features.get(column.name()).is_some());
        if is_feature {
            let told = metadata.get(HUGGINGFACE).map_or("{}", String::as_str);
            let told = with_feature(told, column.name(), tensors);
            metadata.insert(HUGGINGFACE.to_owned(), told);
        }
        fields[index] = Arc::new(field(column, tensors, is_feature));
    }
    let name = source.field(tensors[0].0).name().clone();
    metadata.remove(TENSORS);
    let mut schema = Schema::new_with_metadata(fields, metadata);
    // A reader takes the first possible tensor column unless the metadata names another.
    if TensorColumn::find(&schema).is_none_or(|found| found.name != name) {
        schema.metadata.insert(TENSORS.to_owned(), name);
    }
    Ok(Arc::new(schema))
}

/// The field of a column other than tensors. Parquet keeps the values of a dictionary but not their order, so an
/// ordered dictionary becomes an unordered one.
fn written_as(field: &FieldRef) -> FieldRef {
    let mut written = field.as_ref().clone();
    if written.dict_is_ordered() == Some(true) {
        written = written.with_dict_is_ordered(false);
    }
    Arc::new(written.with_data_type(times::written_as(field.data_type())))
}

/// The field of a tensor column. It has Arrow's extension type if the source has, or if it has more than one
/// dimension and is not a feature of Hugging Face `datasets`, which rejects the extension.
fn field(source: &Field, tensors: &Tensors, is_feature: bool) -> Field {
    let dims = tensors.shape.dims();
    let mut metadata = source.metadata().clone();
    let name = metadata.remove(EXTENSION_NAME);
    let told = metadata.remove(EXTENSION_METADATA).filter(|_| name.is_some_and(|name| name == FIXED_SHAPE_TENSOR));
    metadata.remove(SHAPE);
    metadata.remove(DTYPE);
    let shape = json!({ "shape": dims }).to_string();
    if is_extension(source) || (dims.len() > 1 && !is_feature) {
        // Other metadata, such as names of dimensions, is kept.
        let told = told.filter(|told| shape_of(told).is_some_and(|told| told == dims));
        metadata.insert(EXTENSION_NAME.to_owned(), FIXED_SHAPE_TENSOR.to_owned());
        metadata.insert(EXTENSION_METADATA.to_owned(), told.unwrap_or(shape));
    } else if dims.len() > 1 {
        metadata.insert(SHAPE.to_owned(), shape);
    }
    let list = list_type(tensors.dtype, tensors.shape.elements());
    Field::new(source.name(), list, false).with_metadata(metadata)
}

fn shape_of(metadata: &str) -> Option<Vec<usize>> {
    let metadata: Value = serde_json::from_str(metadata).ok()?;
    serde_json::from_value(metadata.get("shape")?.clone()).ok()
}

/// The metadata of Hugging Face `datasets`, with the column's feature replaced by a list.
fn with_feature(features: &str, column: &str, tensors: &Tensors) -> String {
    let item = json!({ "dtype": tensors.dtype.numpy_name(), "_type": "Value" });
    let feature = json!({ "feature": item, "length": tensors.shape.elements(), "_type": "List" });
    let mut told: Value = serde_json::from_str(features).unwrap_or_default();
    told["info"]["features"][column] = feature;
    told.to_string()
}
