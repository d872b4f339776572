//! The fraction of a dataset that each split gets. Which records it gets is decided by `plan` in the crate `inlaid`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::SpecError;
use super::Split;

/// Fraction of the rows for each split, above 0 and with a sum of 1. A split that is not named gets no rows. Default:
/// train 0.8, validation 0.1, test 0.1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<(Split, f64)>", into = "Vec<(Split, f64)>")]
pub struct SplitFractions(Vec<(Split, f64)>);

impl SplitFractions {
    /// Largest distance from 1 at which a sum still counts as 1: it covers decimal fractions that binary numbers
    /// can't represent, but no sum that a person would write by mistake.
    pub const SUM_TOLERANCE: f64 = 1e-6;

    /// Fractions for these splits, in any order.
    ///
    /// # Errors
    /// If a split is named twice, a fraction is not above 0 and at most 1, or the sum is not 1.
    pub fn new(mut fractions: Vec<(Split, f64)>) -> Result<SplitFractions, SpecError> {
        fractions.sort_by_key(|(split, _)| *split);
        if let Some(pair) = fractions.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(SpecError::SplitTwice(pair[0].0));
        }
        if let Some((split, fraction)) = fractions.iter().find(|(_, fraction)| !(*fraction > 0.0 && *fraction <= 1.0)) {
            return Err(SpecError::ShareRange { split: *split, share: *fraction });
        }
        let sum: f64 = fractions.iter().map(|(_, fraction)| fraction).sum();
        if (sum - 1.0).abs() > SplitFractions::SUM_TOLERANCE {
            return Err(SpecError::ShareSum(sum));
        }
        Ok(SplitFractions(fractions))
    }

    /// Splits and their fractions, in the order train, validation, test.
    pub fn iter(&self) -> impl Iterator<Item = (Split, f64)> + '_ {
        self.0.iter().copied()
    }

    /// Splits that have a fraction, in the order in which a class too small for exact fractions fills them: train, test,
    /// validation.
    pub fn filling(&self) -> impl Iterator<Item = Split> + '_ {
        let order = [Split::Train, Split::Test, Split::Validation];
        order.into_iter().filter(|split| self.iter().any(|(other, _)| other == *split))
    }
}

impl Default for SplitFractions {
    /// Train 0.8, validation 0.1, test 0.1.
    fn default() -> SplitFractions {
        SplitFractions(vec![(Split::Train, 0.8), (Split::Validation, 0.1), (Split::Test, 0.1)])
    }
}

impl TryFrom<Vec<(Split, f64)>> for SplitFractions {
    type Error = SpecError;
    fn try_from(fractions: Vec<(Split, f64)>) -> Result<SplitFractions, SpecError> {
        SplitFractions::new(fractions)
    }
}

impl From<SplitFractions> for Vec<(Split, f64)> {
    fn from(fractions: SplitFractions) -> Vec<(Split, f64)> {
        fractions.0
    }
}

impl FromStr for SplitFractions {
    type Err = SpecError;

    /// Parses `train=0.8,validation=0.1,test=0.1`. Splits may also be named as in [`Split::from_folder_name`].
    fn from_str(text: &str) -> Result<SplitFractions, SpecError> {
        let parse = |part: &str| {
            let (name, fraction) = part.split_once('=').ok_or_else(|| SpecError::ShareSyntax(part.to_owned()))?;
            let split = match Split::from_folder_name(name.trim()) {
                Some(split) => split,
                None => name.trim().parse()?,
            };
            let fraction = fraction.trim().parse().map_err(|_| SpecError::ShareSyntax(part.to_owned()))?;
            Ok((split, fraction))
        };
        SplitFractions::new(text.split(',').map(parse).collect::<Result<_, SpecError>>()?)
    }
}

impl fmt::Display for SplitFractions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self.iter().map(|(split, fraction)| format!("{split}={fraction}")).collect();
        f.write_str(&parts.join(","))
    }
}
