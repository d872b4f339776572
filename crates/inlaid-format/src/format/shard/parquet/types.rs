//! The column types that the parquet crate can write.

use std::io;
use std::sync::Arc;

use arrow_array::new_empty_array;
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowRowGroupWriterFactory, compute_leaves};
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedFileWriter;

use crate::format::catch_panic::contain;

/// Whether a column of this field can be written. The parquet crate panics on some types, rejects others, and
/// writes times in seconds as plain numbers.
pub fn is_writable(field: &Field) -> bool {
    let by_the_second = |data_type: &DataType| {
        matches!(data_type, DataType::Timestamp(TimeUnit::Second, _) | DataType::Time32(TimeUnit::Second))
    };
    if has(field.data_type(), &by_the_second) {
        return false;
    }
    let begin = || {
        let schema = Arc::new(Schema::new(vec![field.clone()]));
        let root = ArrowSchemaConverter::new().schema_root("schema").convert(&schema)?.root_schema_ptr();
        let writer = SerializedFileWriter::new(io::sink(), root, Arc::default())?;
        let encoders = ArrowRowGroupWriterFactory::new(&writer, schema).create_column_writers(0)?;
        compute_leaves(field, &new_empty_array(field.data_type()))?;
        Ok::<_, ParquetError>(encoders.len())
    };
    contain(begin).is_ok_and(|begun| begun.is_ok())
}

/// Whether the schema has dates in milliseconds. Parquet lacks them: unless they are coerced to dates in days, other
/// readers see plain numbers.
pub(super) fn needs_coercion(schema: &Schema) -> bool {
    let is_date = |data_type: &DataType| matches!(data_type, DataType::Date64);
    schema.fields().iter().any(|field| has(field.data_type(), &is_date))
}

/// Whether a type, or any type nested in it, satisfies `is_it`.
fn has(data_type: &DataType, is_it: &dyn Fn(&DataType) -> bool) -> bool {
    is_it(data_type)
        || match data_type {
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                has(item.data_type(), is_it)
            }
            DataType::Map(entries, _) => has(entries.data_type(), is_it),
            DataType::Struct(fields) => fields.iter().any(|field| has(field.data_type(), is_it)),
            DataType::Dictionary(_, values) => has(values, is_it),
            _ => false,
        }
}
