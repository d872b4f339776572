//! What stored tensors are cast to.

use inlaid::FormatError;
use inlaid::read::{Cast, CastError, CastOptions, Table};
use pyo3::prelude::*;

use crate::errors::{exception, setting};
use crate::keywords::Keyword;

/// What tensors are cast to: the attributes of `CastSettings` of `python/inlaid/_settings.py`.
pub struct Casting(pub CastOptions);

impl<'py> FromPyObject<'_, 'py> for Casting {
    type Error = PyErr;

    fn extract(settings: Borrowed<'_, 'py, PyAny>) -> PyResult<Casting> {
        let mut options = CastOptions::default();
        options.layout = Keyword::of(&settings, "layout")?.map(|layout| layout.word()).transpose()?;
        options.dtype = Keyword::of(&settings, "dtype")?.map(|dtype| dtype.dtype()).transpose()?;
        options.scale = Keyword::of(&settings, "scale")?.map(|scale| scale.word()).transpose()?;
        options.mean = Keyword::of(&settings, "mean")?.map(|mean| mean.mean()).transpose()?;
        options.std = Keyword::of(&settings, "std")?.map(|std| std.std()).transpose()?;
        Ok(Casting(options))
    }
}

impl Casting {
    /// The rule for the tensors of a table.
    pub fn of(&self, table: &Table) -> PyResult<Cast> {
        let column = table.tensor_column().ok_or_else(|| encoded(table))?;
        Cast::new(column, table.layout(), &self.0).map_err(|error| match error {
            CastError::Setting(error) => exception(error),
            error => setting(error.to_string()),
        })
    }
}

/// The error of a table of image files where tensors are asked for.
pub fn encoded(table: &Table) -> PyErr {
    let path = table.files().next().map(ToOwned::to_owned).unwrap_or_default();
    exception(FormatError::EncodedImages(path))
}
