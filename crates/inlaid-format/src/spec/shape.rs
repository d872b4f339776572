//! The shape of tensors that others wrote.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::SpecError;

/// The most elements of one tensor: its values have to fit a Parquet page of less than 2^31 bytes, also
/// when a writer needs four bytes an element.
pub const MAX_ELEMENTS: u64 = 536_870_911;

/// The lengths of a tensor's dimensions, 1 or more each; the elements of the last one lie side by side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// # Errors
    /// If there is no dimension, one is 0, or a tensor has more than [`MAX_ELEMENTS`] elements.
    pub fn new(dims: Vec<usize>) -> Result<Shape, SpecError> {
        if dims.is_empty() || dims.contains(&0) {
            return Err(SpecError::Shape(Shape(dims).to_string()));
        }
        let elements = dims.iter().fold(1_u64, |product, dim| product.saturating_mul(*dim as u64));
        match elements <= MAX_ELEMENTS {
            true => Ok(Shape(dims)),
            false => Err(SpecError::TensorTooLarge { elements, most: MAX_ELEMENTS }),
        }
    }

    /// The lengths of the dimensions.
    pub fn dims(&self) -> &[usize] {
        &self.0
    }

    /// The product of the dimensions.
    pub fn elements(&self) -> usize {
        self.0.iter().product()
    }
}

impl FromStr for Shape {
    type Err = SpecError;

    /// `224x224x3` or `224,224,3`.
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
