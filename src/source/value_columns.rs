//! Columns of values that come with images, on their way into a dataset.

use arrow_array::ArrayRef;

use super::listing::Listing;
use super::notice::Notice;
use super::values::{cast, kind_of};
use crate::error::SourceError;
use crate::run::SourceOptions;
use crate::spec::{ColumnSpec, Spec};

/// Why a column is left out whose name another one has.
pub(super) const TAKEN: &str = "its name is taken";

/// Columns of values, one row for each row of a source.
#[derive(Debug, Default)]
pub(super) struct ValueColumns {
    columns: Vec<(ColumnSpec, ArrayRef)>,
}

impl ValueColumns {
    /// The columns to keep, of the types that were asked for or that they have. Those that can't be kept are told.
    ///
    /// # Errors
    /// If values are not of the type that was asked for.
    pub(super) fn choose(
        columns: impl IntoIterator<Item = (String, ArrayRef)>,
        options: &SourceOptions,
        is_taken: impl Fn(&str) -> bool,
        notices: &mut Vec<Notice>,
    ) -> Result<ValueColumns, SourceError> {
        let (mut chosen, mut left) = (ValueColumns::default(), Vec::new());
        for (name, values) in columns {
            if options.keep_columns.as_ref().is_some_and(|kept| !kept.contains(&name)) {
                continue;
            }
            let asked = options.column_types.iter().find(|asked| asked.name == name).map(|asked| asked.kind);
            match asked.or_else(|| kind_of(values.data_type())) {
                Some(kind) if ColumnSpec::is_free(&name) && !is_taken(&name) && !chosen.has(&name) => {
                    let values = cast(&name, &values, kind)?;
                    chosen.columns.push((ColumnSpec::new(name, kind), values));
                }
                Some(_) => left.push((name, TAKEN.to_owned())),
                None => left.push((name, format!("it is of type {}", values.data_type()))),
            }
        }
        if !left.is_empty() {
            notices.push(Notice::ColumnsLeft(left));
        }
        Ok(chosen)
    }

    fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|(column, _)| column.name == name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(column, _)| &*column.name)
    }

    /// Gives a listing the columns of the spec, then the others.
    ///
    /// # Errors
    /// If there is no such column, or its values are not of its type.
    pub(super) fn give(self, listing: &mut Listing, spec: &Spec) -> Result<(), SourceError> {
        for asked in &spec.columns {
            let found = self.columns.iter().find(|(column, _)| column.name == asked.name);
            let (_, values) = found.ok_or_else(|| SourceError::NoColumn {
                column: asked.name.clone(),
                columns: self.names().map(str::to_owned).collect(),
            })?;
            listing.columns.push(cast(&asked.name, values, asked.kind)?);
        }
        for (column, values) in self.columns {
            if !spec.columns.iter().any(|asked| asked.name == column.name) {
                listing.found.push(column);
                listing.columns.push(values);
            }
        }
        Ok(())
    }
}
