//! How much of a dataset each split gets. Which records those are is decided in `split`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::SpecError;
use super::Split;

/// The share of each split: fractions above 0 that sum to 1. Splits that are not named get nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<(Split, f64)>", into = "Vec<(Split, f64)>")]
pub struct Shares(Vec<(Split, f64)>);

impl Shares {
    /// Sums within this distance of 1 count as 1: it covers decimal fractions that binary numbers
    /// can't hold, and nothing that a person would write by mistake.
    pub const SUM_TOLERANCE: f64 = 1e-6;

    /// # Errors
    /// If a split is named twice, a fraction is not above 0, or the sum is not 1.
    pub fn new(mut shares: Vec<(Split, f64)>) -> Result<Shares, SpecError> {
        shares.sort_by_key(|(split, _)| *split);
        if let Some(pair) = shares.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(SpecError::SplitTwice(pair[0].0));
        }
        if let Some((split, share)) = shares.iter().find(|(_, share)| !(*share > 0.0 && *share <= 1.0)) {
            return Err(SpecError::ShareRange { split: *split, share: *share });
        }
        let sum: f64 = shares.iter().map(|(_, share)| share).sum();
        if (sum - 1.0).abs() > Shares::SUM_TOLERANCE {
            return Err(SpecError::ShareSum(sum));
        }
        Ok(Shares(shares))
    }

    /// In the order train, validation, test.
    pub fn iter(&self) -> impl Iterator<Item = (Split, f64)> + '_ {
        self.0.iter().copied()
    }

    /// The splits that have a share, in the order in which a class that is too small for exact shares fills them: train,
    /// test, validation.
    pub fn filling(&self) -> impl Iterator<Item = Split> + '_ {
        let order = [Split::Train, Split::Test, Split::Validation];
        order.into_iter().filter(|split| self.iter().any(|(other, _)| other == *split))
    }
}

impl Default for Shares {
    /// Train 0.8, validation 0.1, test 0.1.
    fn default() -> Shares {
        Shares(vec![(Split::Train, 0.8), (Split::Validation, 0.1), (Split::Test, 0.1)])
    }
}

impl TryFrom<Vec<(Split, f64)>> for Shares {
    type Error = SpecError;
    fn try_from(shares: Vec<(Split, f64)>) -> Result<Shares, SpecError> {
        Shares::new(shares)
    }
}

impl From<Shares> for Vec<(Split, f64)> {
    fn from(shares: Shares) -> Vec<(Split, f64)> {
        shares.0
    }
}

impl FromStr for Shares {
    type Err = SpecError;

    /// `train=0.8,validation=0.1,test=0.1`; the split words of [`Split::from_folder_name`] are taken too.
    fn from_str(text: &str) -> Result<Shares, SpecError> {
        let parse = |part: &str| {
            let (name, share) = part.split_once('=').ok_or_else(|| SpecError::ShareSyntax(part.to_owned()))?;
            let split = match Split::from_folder_name(name.trim()) {
                Some(split) => split,
                None => name.trim().parse()?,
            };
            let share = share.trim().parse().map_err(|_| SpecError::ShareSyntax(part.to_owned()))?;
            Ok((split, share))
        };
        Shares::new(text.split(',').map(parse).collect::<Result<_, SpecError>>()?)
    }
}

impl fmt::Display for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self.iter().map(|(split, share)| format!("{split}={share}")).collect();
        f.write_str(&parts.join(","))
    }
}
