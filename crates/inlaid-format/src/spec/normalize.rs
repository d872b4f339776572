//! The mean and standard deviation that normalize floating point elements, with their human-readable
//! forms.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::SpecError;

/// Mean of ImageNet on the scale 0..1, red, green and blue, as torchvision's models expect it.
pub const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];

/// Standard deviation of ImageNet on the scale 0..1, red, green and blue, as torchvision's models expect it.
pub const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

/// Mean subtracted from scaled elements: one number for all colors, or three for red, green and blue.
/// Alpha is never normalized.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<f32>", into = "Vec<f32>")]
pub struct Mean(Vec<f32>);

/// Standard deviation that scaled elements are divided by, above 0: one number for all colors, or three for red,
/// green and blue. Alpha is never normalized.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<f32>", into = "Vec<f32>")]
pub struct Std(Vec<f32>);

impl Mean {
    /// A mean of one number for all colors, or three for red, green and blue.
    ///
    /// # Errors
    /// If `numbers` are not one or three finite numbers.
    pub fn new(numbers: Vec<f32>) -> Result<Mean, SpecError> {
        let fits = matches!(numbers.len(), 1 | 3) && numbers.iter().all(|number| number.is_finite());
        if fits { Ok(Mean(numbers)) } else { Err(SpecError::Mean(joined(&numbers))) }
    }

    /// One number for all colors, or three for red, green and blue.
    pub fn numbers(&self) -> &[f32] {
        &self.0
    }
}

impl Std {
    /// A standard deviation of one number for all colors, or three for red, green and blue.
    ///
    /// # Errors
    /// If `numbers` are not one or three finite numbers above 0.
    pub fn new(numbers: Vec<f32>) -> Result<Std, SpecError> {
        let fits = matches!(numbers.len(), 1 | 3) && numbers.iter().all(|number| number.is_finite() && *number > 0.0);
        if fits { Ok(Std(numbers)) } else { Err(SpecError::Std(joined(&numbers))) }
    }

    /// One number for all colors, or three for red, green and blue.
    pub fn numbers(&self) -> &[f32] {
        &self.0
    }
}

impl FromStr for Mean {
    type Err = SpecError;

    /// Parses one number, three numbers `R,G,B`, or `imagenet` ([`IMAGENET_MEAN`]).
    fn from_str(text: &str) -> Result<Mean, SpecError> {
        match text {
            "imagenet" => Mean::new(IMAGENET_MEAN.to_vec()),
            _ => Mean::new(numbers(text).ok_or_else(|| SpecError::Mean(text.to_owned()))?),
        }
    }
}

impl FromStr for Std {
    type Err = SpecError;

    /// Parses one number, three numbers `R,G,B`, or `imagenet` ([`IMAGENET_STD`]).
    fn from_str(text: &str) -> Result<Std, SpecError> {
        match text {
            "imagenet" => Std::new(IMAGENET_STD.to_vec()),
            _ => Std::new(numbers(text).ok_or_else(|| SpecError::Std(text.to_owned()))?),
        }
    }
}

impl TryFrom<Vec<f32>> for Mean {
    type Error = SpecError;
    fn try_from(numbers: Vec<f32>) -> Result<Mean, SpecError> {
        Mean::new(numbers)
    }
}

impl TryFrom<Vec<f32>> for Std {
    type Error = SpecError;
    fn try_from(numbers: Vec<f32>) -> Result<Std, SpecError> {
        Std::new(numbers)
    }
}

impl From<Mean> for Vec<f32> {
    fn from(mean: Mean) -> Vec<f32> {
        mean.0
    }
}

impl From<Std> for Vec<f32> {
    fn from(std: Std) -> Vec<f32> {
        std.0
    }
}

fn numbers(text: &str) -> Option<Vec<f32>> {
    text.split(',').map(|part| part.trim().parse().ok()).collect()
}

fn joined(numbers: &[f32]) -> String {
    numbers.iter().map(f32::to_string).collect::<Vec<_>>().join(",")
}
