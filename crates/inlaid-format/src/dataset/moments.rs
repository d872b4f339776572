//! Mean and standard deviation of the elements of rows, channel by channel, and how they add up.

use serde::{Deserialize, Deserializer, Serialize};

/// Mean and deviation of the elements of some rows, in the units in which they are stored.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Moments {
    /// How many rows; each has as many elements as any other.
    pub rows: usize,
    /// Of each channel; empty without rows, and of images that are stored as they are. Not a number, in
    /// JSON null, where elements are not finite.
    #[serde(deserialize_with = "numbers")]
    pub mean: Vec<f64>,
    /// Of each channel: the root of the mean squared deviation (of all elements, not of a sample).
    #[serde(deserialize_with = "numbers")]
    pub std: Vec<f64>,
}

/// As they are told in JSON, in which all numbers that are not finite are the same.
impl PartialEq for Moments {
    fn eq(&self, other: &Moments) -> bool {
        let told = |numbers: &[f64]| numbers.iter().map(|n| n.is_finite().then_some(*n)).collect::<Vec<_>>();
        self.rows == other.rows && told(&self.mean) == told(&other.mean) && told(&self.std) == told(&other.std)
    }
}

/// Numbers of which JSON has those that are finite.
fn numbers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    let numbers = Vec::<Option<f64>>::deserialize(deserializer)?;
    Ok(numbers.into_iter().map(|number| number.unwrap_or(f64::NAN)).collect())
}

impl Moments {
    /// Of a row whose elements nobody has summed up.
    pub fn of_unknown() -> Moments {
        Moments { rows: 1, ..Moments::default() }
    }

    /// Adds other rows, whose tensors have the same shape.
    ///
    /// Source: Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample
    /// Variances", 1979: the squared deviations add up, and those of the two means from the new one.
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
