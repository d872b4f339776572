//! An array in a file: its type, its shape, and where its elements are.

use std::io::Read;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};

use super::element::{Element, Kind};
use super::stored::Stored;
use super::{idx, npy};
use crate::error::{Error, SourceError};

/// Bytes of rows that are read at a time.
const TOGETHER: u64 = 1 << 20;

/// Most elements of an array of labels or of a column: what is held in memory for each row is small.
const MOST_VALUES: u64 = 1 << 32;

/// An array in a file.
#[derive(Debug)]
pub(super) struct Array {
    pub(super) stored: Stored,
    /// Name of the array, or of its file.
    pub(super) name: String,
    pub(super) element: Element,
    pub(super) shape: Vec<u64>,
    pub(super) is_fortran: bool,
    /// Offset of the first row, in bytes.
    pub(super) first: u64,
    /// Bytes from one row to the next.
    pub(super) stride: u64,
}

impl Array {
    /// The array of a `.npy` file.
    ///
    /// # Errors
    /// If its header is damaged, or its length is not what the header says.
    pub(super) fn of_npy(stored: Stored, name: String) -> Result<Array, Error> {
        let header = npy::Header::read(&mut *stored.reader().map_err(Error::io("open", stored.path()))?);
        let header = header.map_err(Error::source(stored.path()))?;
        let npy::Header { element, is_fortran, shape, length } = header;
        Array::new(stored, name, element, shape, length, is_fortran)
    }

    /// The array of an IDX file.
    ///
    /// # Errors
    /// If its header is damaged, or its length is not what the header says.
    pub(super) fn of_idx(stored: Stored, name: String) -> Result<Array, Error> {
        let header = idx::Header::read(&mut *stored.reader().map_err(Error::io("open", stored.path()))?);
        let idx::Header { element, shape, length } = header.map_err(Error::source(stored.path()))?;
        Array::new(stored, name, element, shape, length, false)
    }

    fn new(
        stored: Stored,
        name: String,
        element: Element,
        shape: Vec<u64>,
        first: u64,
        is_fortran: bool,
    ) -> Result<Array, Error> {
        let mut array = Array { stored, name, element, shape, is_fortran, first, stride: 0 };
        // Of elements of an unknown size, only the name matters.
        if array.element.bytes().is_some() {
            let length = array.row_bytes().and_then(|bytes| {
                array.stride = bytes;
                array.length()
            });
            match (length, array.stored.length()) {
                (None, _) => return Err(array.error(SourceError::Damaged("its shape is too large".to_owned()))),
                (Some(length), Some(found)) => array.stored.check_length(found, length)?,
                (Some(_), None) => {}
            }
        }
        Ok(array)
    }

    /// Number of rows.
    pub(super) fn rows(&self) -> u64 {
        self.shape.first().copied().unwrap_or(0)
    }

    /// Number of elements of a row; none if there are too many to be counted.
    pub(super) fn row_elements(&self) -> Option<u64> {
        self.shape.iter().skip(1).try_fold(1_u64, |elements, side| elements.checked_mul(*side))
    }

    /// Bytes of the elements of a row.
    pub(super) fn row_bytes(&self) -> Option<u64> {
        self.row_elements()?.checked_mul(self.element.bytes()?)
    }

    /// Length of the file, in bytes, with its header.
    pub(super) fn length(&self) -> Option<u64> {
        let rows = match self.shape.is_empty() {
            true => 1,
            false => self.rows(),
        };
        rows.checked_mul(self.stride)?.checked_add(self.first)
    }

    /// The shape as NumPy writes it.
    pub(super) fn shape_text(&self) -> String {
        let sides: Vec<String> = self.shape.iter().map(u64::to_string).collect();
        match &sides[..] {
            [side] => format!("({side},)"),
            sides => format!("({})", sides.join(", ")),
        }
    }

    /// An error about the file.
    pub(super) fn error(&self, source: SourceError) -> Error {
        Error::source(self.stored.path())(source)
    }

    /// Whether each row is one value of a column: a number or a text.
    pub(super) fn is_column(&self) -> bool {
        let is_flat = self.shape.len() == 1 || self.shape.len() == 2 && self.shape[1] == 1;
        is_flat && self.element.bytes().is_some()
    }

    /// All elements in the order of rows, little- or big-endian as they are stored.
    fn elements(&self) -> Result<Vec<u8>, Error> {
        let damaged = |reason: &str| self.error(SourceError::Damaged(reason.to_owned()));
        let bytes = self.row_bytes().filter(|bytes| {
            bytes.checked_mul(self.rows()).is_some_and(|all| all / self.element.bytes().unwrap_or(1) <= MOST_VALUES)
        });
        let bytes = bytes.ok_or_else(|| damaged("its shape is too large"))? as usize;
        if self.rows() == 0 || bytes == 0 {
            return Ok(Vec::new());
        }
        let mut reader = self.stored.reader().map_err(Error::io("open", self.stored.path()))?;
        let cut = |error: std::io::Error| self.error(SourceError::Damaged(error.to_string()));
        std::io::copy(&mut (&mut reader).take(self.first), &mut std::io::sink()).map_err(cut)?;
        let together = (TOGETHER / self.stride).max(1);
        let (mut all, mut part, mut left) = (Vec::new(), Vec::new(), self.rows());
        // The first row may begin after the start of its record; the last one may not end its record.
        while left > 0 {
            let rows = together.min(left);
            part.clear();
            let wanted = (rows - 1) * self.stride + bytes as u64;
            let read = (&mut reader).take(rows * self.stride).read_to_end(&mut part).map_err(cut)? as u64;
            if read < wanted {
                return Err(damaged("it ends before its last row"));
            }
            for row in part.chunks(self.stride as usize).take(rows as usize) {
                all.extend_from_slice(&row[..bytes]);
            }
            left -= rows;
        }
        Ok(if self.is_fortran && self.shape.len() == 2 { self.transposed(&all) } else { all })
    }

    /// Elements of two dimensions, of which the first changed fastest, in the order of rows.
    fn transposed(&self, elements: &[u8]) -> Vec<u8> {
        let (size, rows) = (self.element.bytes().unwrap_or(1) as usize, self.rows() as usize);
        let columns = elements.len() / size / rows;
        let mut turned = Vec::with_capacity(elements.len());
        for row in 0..rows {
            for column in 0..columns {
                turned.extend_from_slice(&elements[(column * rows + row) * size..][..size]);
            }
        }
        turned
    }

    /// The values of a column, one for each row.
    ///
    /// # Errors
    /// If they can't be read, or are no numbers and no texts.
    pub(super) fn values(&self) -> Result<ArrayRef, Error> {
        let elements = match self.element.kind {
            Kind::Object => return Err(self.error(SourceError::Pickled { name: Some(self.name.clone()) })),
            Kind::Other(_) => return Err(self.not_numbers()),
            _ => self.elements()?,
        };
        if self.element.kind == Kind::Bool {
            return Ok(Arc::new(BooleanArray::from_iter(elements.iter().map(|element| Some(*element != 0)))));
        }
        if let Some(integers) = self.element.integers(&elements) {
            return Ok(Arc::new(Int64Array::from(integers)));
        }
        if let Some(floats) = self.element.floats(&elements) {
            return Ok(Arc::new(Float64Array::from(floats)));
        }
        let texts = self.element.texts(&elements).ok_or_else(|| self.not_numbers())?;
        Ok(Arc::new(StringArray::from(texts)))
    }

    /// The values of several columns: 0 and 1 for each class; none if they are something else.
    ///
    /// # Errors
    /// If they can't be read.
    pub(super) fn hot(&self) -> Result<Option<Vec<u8>>, Error> {
        let elements = match self.element.kind {
            Kind::Bool | Kind::Unsigned(_) | Kind::Signed(_) | Kind::Float(_) => self.elements()?,
            _ => return Ok(None),
        };
        if self.element.kind == Kind::Bool {
            return Ok(Some(elements.iter().map(|element| u8::from(*element != 0)).collect()));
        }
        if let Some(integers) = self.element.integers(&elements) {
            let hot = integers.iter().map(|value| u8::try_from(*value).ok().filter(|value| *value <= 1));
            return Ok(hot.collect());
        }
        let Some(floats) = self.element.floats(&elements) else { return Ok(None) };
        let hot = floats.iter().map(|value| match value {
            0.0 => Some(0),
            1.0 => Some(1),
            _ => None,
        });
        Ok(hot.collect())
    }

    pub(super) fn not_numbers(&self) -> Error {
        let name = match &self.element.kind {
            Kind::Other(name) => name.clone(),
            kind => format!("{kind:?}"),
        };
        self.error(SourceError::ArrayElements { array: self.name.clone(), element: name })
    }
}
