//! Mean and standard deviation of rows' elements, for each channel, and how to combine them.

use serde::{Deserialize, Deserializer, Serialize};

/// Mean and standard deviation of the elements of a set of rows, in stored units (0 to 255 for plain u8).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Moments {
    /// Number of rows, which all have the same number of elements.
    pub rows: usize,
    /// Mean of each channel. Empty if there are no rows, or if images are stored in their original encoding. NaN (in
    /// JSON, null) if elements are not finite.
    #[serde(deserialize_with = "numbers")]
    pub mean: Vec<f64>,
    /// Standard deviation of each channel, of the population rather than of a sample. Empty or NaN as `mean`.
    #[serde(deserialize_with = "numbers")]
    pub std: Vec<f64>,
}

/// Compares moments as they are written to JSON, where all numbers that are not finite are equal.
impl PartialEq for Moments {
    fn eq(&self, other: &Moments) -> bool {
        let json = |numbers: &[f64]| numbers.iter().map(|n| n.is_finite().then_some(*n)).collect::<Vec<_>>();
        self.rows == other.rows && json(&self.mean) == json(&other.mean) && json(&self.std) == json(&other.std)
    }
}

/// Reads numbers from JSON, where null stands for any number that is not finite.
fn numbers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    let numbers = Vec::<Option<f64>>::deserialize(deserializer)?;
    Ok(numbers.into_iter().map(|number| number.unwrap_or(f64::NAN)).collect())
}

impl Moments {
    /// Adds the moments of other rows, whose tensors have the same shape.
    ///
    /// Source: Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample
    /// Variances", 1979: the new sum of squared deviations is the sum of both, plus the squared deviations of the two
    /// means from the new mean.
    pub fn add(&mut self, other: &Moments) {
        if self.rows == 0 {
            return self.clone_from(other);
        }
        let rows = self.rows + other.rows;
        let share = other.rows as f64 / rows as f64;
        let channels = self.mean.iter_mut().zip(&mut self.std).zip(other.mean.iter().zip(&other.std));
        for ((mean, std), (other_mean, other_std)) in channels {
            let apart = other_mean - *mean;
            let variance = *std * *std * (1.0 - share) + other_std * other_std * share;
            *std = (variance + apart * apart * share * (1.0 - share)).sqrt();
            *mean += apart * share;
        }
        self.rows = rows;
    }
}
