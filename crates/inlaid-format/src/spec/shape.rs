//! The shape of tensors in files of other tools.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::SpecError;

/// Most elements of one tensor: its values have to fit in a Parquet page of less than 2^31 bytes, even
/// when a writer needs four bytes per element.
pub const MAX_ELEMENTS: u64 = 536_870_911;

/// Lengths of a tensor's dimensions, at least 1 each, in row-major order: the last dimension is contiguous.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// A shape with these dimensions.
    ///
    /// # Errors
    /// If there are no dimensions, one of them is 0, or a tensor has more than [`MAX_ELEMENTS`] elements.
    pub fn new(dims: Vec<usize>) -> Result<Shape, SpecError> {
        if dims.is_empty() || dims.contains(&0) {
            return Err(SpecError::Shape(Shape(dims).to_string()));
        }
        let elements = dims.iter().fold(1_u64, |product, dim| product.saturating_mul(*dim as u64));
        if elements > MAX_ELEMENTS {
            return Err(SpecError::TensorTooLarge { elements, most: MAX_ELEMENTS });
        }
        Ok(Shape(dims))
    }

    /// Lengths of the dimensions.
    pub fn dims(&self) -> &[usize] {
        &self.0
    }

    /// Number of elements in a tensor: the product of the dimensions.
    pub fn elements(&self) -> usize {
        self.0.iter().product()
    }
}

impl FromStr for Shape {
    type Err = SpecError;

    /// Parses `224x224x3` or `224,224,3`.
    fn from_str(text: &str) -> Result<Shape, SpecError> {
        let dims = text.split(['x', ',']).map(|dim| dim.trim().parse()).collect::<Result<_, _>>();
        let wrong = || SpecError::Shape(text.to_owned());
        match Shape::new(dims.map_err(|_| wrong())?) {
            Err(SpecError::Shape(_)) => Err(wrong()),
            shape => shape,
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("x"))
    }
}
