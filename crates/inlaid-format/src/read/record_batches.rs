//! A table as Arrow record batches. Their tensors are slices of the mapped files if pages are
//! verbatim.

use std::fmt;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchReader};
use arrow_buffer::Buffer;
use arrow_schema::{ArrowError, FieldRef, Schema, SchemaRef};

use super::image_batches::ImageBatches;
use super::table::Table;
use crate::error::Error;
use crate::format::tensor::tensor_array;

/// The rows of a table in order, as Arrow record batches. Each batch has as many rows as are stored contiguously:
/// a page, or the rows that are decoded together; batches of a view have at least 16 MiB of tensors, where there are
/// as many rows. Encoded images are read a row group at a time.
pub struct RecordBatches {
    table: Table,
    schema: SchemaRef,
    /// All values of each column; none for a column of tensors, or of encoded images.
    columns: Vec<Option<ArrayRef>>,
    images: Option<ImageBatches>,
    row: usize,
}

/// Bytes of the tensors of a view that are copied into one batch.
const TOGETHER: usize = 16 << 20;

impl Table {
    /// The rows in order, as Arrow record batches with the given columns, or all columns for `None`.
    ///
    /// # Errors
    /// If a column does not exist, or a row group is damaged.
    pub fn record_batches(&self, columns: Option<&[String]>) -> Result<RecordBatches, Error> {
        RecordBatches::new(self.clone(), columns)
    }
}

impl RecordBatches {
    /// Reads all columns except tensors and encoded images into memory.
    pub(super) fn new(table: Table, names: Option<&[String]>) -> Result<RecordBatches, Error> {
        let all = table.schema();
        let fields: Vec<FieldRef> = match names {
            None => all.fields().iter().cloned().collect(),
            Some(names) => {
                let field = |name: &String| match all.fields().find(name) {
                    Some((_, field)) => Ok(field.clone()),
                    None => Err(table.no_column(name)),
                };
                names.iter().map(field).collect::<Result<_, _>>()?
            }
        };
        let is_tensors = |name: &str| table.tensor_columns().iter().any(|column| column.name == name);
        let images = table.image_column().map(|_| ImageBatches::new(&table)).transpose()?;
        let is_images = |name: &str| images.is_some() && table.main_column() == name;
        let column = |field: &FieldRef| match is_tensors(field.name()) {
            true => table.tensors(field.name()).map(|_| None),
            false if is_images(field.name()) => Ok(None),
            false => table.column(field.name()).map(Some),
        };
        let columns: Vec<Option<ArrayRef>> = fields.iter().map(column).collect::<Result<_, _>>()?;
        // Dictionary columns were decoded, so their types have changed.
        let of_column = |(field, column): (&FieldRef, &Option<ArrayRef>)| match column {
            Some(column) if column.data_type() != field.data_type() => {
                Arc::new(field.as_ref().clone().with_data_type(column.data_type().clone()))
            }
            None if is_images(field.name()) => {
                let data_type = images.as_ref().map_or(field.data_type(), |images| &images.data_type);
                Arc::new(field.as_ref().clone().with_data_type(data_type.clone()))
            }
            _ => field.clone(),
        };
        let fields: Vec<FieldRef> = fields.iter().zip(&columns).map(of_column).collect();
        let schema = Arc::new(Schema::new_with_metadata(fields, all.metadata().clone()));
        Ok(RecordBatches { table, schema, columns, images, row: 0 })
    }

    /// The next rows of a table of images.
    fn batch_of_images(&mut self, left: usize) -> Result<RecordBatch, ArrowError> {
        let rows = ImageBatches::count(&self.table, self.row).min(left);
        let columns = self.columns.iter().map(|column| match (column, &mut self.images) {
            (Some(column), _) => Ok(column.slice(self.row, rows)),
            (None, Some(images)) => images.of(&self.table, self.row..self.row + rows),
            (None, None) => Err(self.table.no_tensors()),
        });
        let columns = columns.collect::<Result<Vec<_>, _>>();
        let columns = columns.map_err(|error| ArrowError::ExternalError(Box::new(error)))?;
        RecordBatch::try_new(self.schema.clone(), columns)
    }

    /// The next rows: as many as are stored contiguously in every tensor column.
    fn batch(&mut self, left: usize) -> Result<RecordBatch, ArrowError> {
        if self.images.is_some() {
            return self.batch_of_images(left);
        }
        let external = |error: Error| ArrowError::ExternalError(Box::new(error));
        let mut rows = left;
        // If no tensor column was requested, the main one decides.
        let named = self.schema.fields().iter().zip(&self.columns).filter(|(_, column)| column.is_none());
        let mut tensors: Vec<&str> = named.map(|(field, _)| &**field.name()).collect();
        if tensors.is_empty() {
            tensors.extend(self.table.tensor_column().map(|column| &*column.name));
        }
        let mut row_bytes = 1;
        for name in &tensors {
            let tensors = self.table.tensors(name).map_err(external)?;
            row_bytes = row_bytes.max(tensors.column().row_bytes());
            rows = tensors.count(self.row, rows).map_err(external)?;
        }
        // The rows of a view lie here and there: some of them are copied into one batch.
        let together = left.min(TOGETHER / row_bytes);
        let gathered = self.table.chosen.is_some() && rows < together;
        if gathered {
            rows = together;
        }
        let columns = self.schema.fields().iter().zip(&self.columns).map(|(field, column)| match column {
            Some(column) => Ok(column.slice(self.row, rows)),
            None => {
                let tensors = self.table.tensors(field.name()).map_err(external)?;
                let values = match gathered {
                    true => tensors.copy(&(self.row..self.row + rows).collect::<Vec<_>>()),
                    false => tensors.run(self.row, rows).map(|(tensors, _)| Buffer::from(tensors)),
                };
                tensor_array(field, values.map_err(external)?)
            }
        });
        RecordBatch::try_new(self.schema.clone(), columns.collect::<Result<_, _>>()?)
    }
}

impl Iterator for RecordBatches {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Result<RecordBatch, ArrowError>> {
        let left = self.table.len().checked_sub(self.row).filter(|left| *left > 0)?;
        let batch = self.batch(left);
        // An error ends the iteration.
        self.row = batch.as_ref().map_or(self.table.len(), |batch| self.row + batch.num_rows());
        Some(batch)
    }
}

impl RecordBatchReader for RecordBatches {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

impl fmt::Debug for RecordBatches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordBatches").field("table", &self.table).field("row", &self.row).finish_non_exhaustive()
    }
}
