//! The mean and standard deviation that floating point elements are normalized with, and how people
//! write them.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::SpecError;

/// The mean of ImageNet on scale 0..1, as torchvision's models want it.
pub const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];

/// The standard deviation of ImageNet on scale 0..1, as torchvision's models want it.
pub const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

/// What is subtracted from scaled elements: one number for all colours, or one each for red, green and
/// blue. Alpha is never normalized.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<f32>", into = "Vec<f32>")]
pub struct Mean(Vec<f32>);

/// What scaled elements are divided by: above 0; one number for all colours, or one each for red, green
/// and blue. Alpha is never normalized.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<f32>", into = "Vec<f32>")]
pub struct Std(Vec<f32>);

impl Mean {
    /// # Errors
    /// If these are not one or three finite numbers.
    pub fn new(numbers: Vec<f32>) -> Result<Mean, SpecError> {
        let fits = matches!(numbers.len(), 1 | 3) && numbers.iter().all(|number| number.is_finite());
        if fits { Ok(Mean(numbers)) } else { Err(SpecError::Mean(joined(&numbers))) }
    }

    /// One number, or those of red, green and blue.
    pub fn numbers(&self) -> &[f32] {
        &self.0
    }
}

impl Std {
    /// # Errors
    /// If these are not one or three finite numbers above 0.
    pub fn new(numbers: Vec<f32>) -> Result<Std, SpecError> {
        let fits = matches!(numbers.len(), 1 | 3) && numbers.iter().all(|number| number.is_finite() && *number > 0.0);
        if fits { Ok(Std(numbers)) } else { Err(SpecError::Std(joined(&numbers))) }
    }

    /// One number, or those of red, green and blue.
    pub fn numbers(&self) -> &[f32] {
        &self.0
    }
}

impl FromStr for Mean {
    type Err = SpecError;

    /// `R,G,B`, one number, or `imagenet`: 0.485,0.456,0.406, of scale 0..1, as torchvision's models want it.
    fn from_str(text: &str) -> Result<Mean, SpecError> {
        match text {
            "imagenet" => Mean::new(IMAGENET_MEAN.to_vec()),
            _ => Mean::new(numbers(text).ok_or_else(|| SpecError::Mean(text.to_owned()))?),
        }
    }
}

impl FromStr for Std {
    type Err = SpecError;

    /// `R,G,B`, one number, or `imagenet`: 0.229,0.224,0.225, of scale 0..1, as torchvision's models want it.
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
