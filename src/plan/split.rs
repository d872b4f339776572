//! Assigns every record to a split. Pure: the result depends on the records, the spec and the seed,
//! never on thread timing, the listing order or the machine.
//!
//! Randomness comes from hashes, not from a stream of random numbers: a record's rank is the seeded XXH3
//! hash of its key, so it does not depend on which other records exist. The number of rows of a class in each split is
//! decided in `apportion`.

use std::collections::BTreeMap;

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use serde::Serialize;
use twox_hash::XxHash3_64;

use super::apportion::{self, ClassRows};
use crate::dataset::manifest::SplitInfo;
use crate::error::Error;
use crate::format::sha256::Sha256;
use crate::run::SmallClasses;
use crate::source::Record;
use crate::spec::{Spec, Split, SplitBy, SplitFractions};

/// Two independent rankings of records, derived from one seed.
#[derive(Clone, Copy, Debug)]
pub struct Ranks {
    split: u64,
    order: u64,
}

impl Ranks {
    /// The rankings of a spec's seed.
    pub fn from_seed(seed: u64) -> Ranks {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        Ranks { split: random.next_u64(), order: random.next_u64() }
    }

    fn split(self, bytes: &[u8]) -> u64 {
        XxHash3_64::oneshot_with_seed(self.split, bytes)
    }

    /// Rank of a key in the shuffled order of rows.
    pub fn order(self, key: &str) -> u64 {
        XxHash3_64::oneshot_with_seed(self.order, key.as_bytes())
    }
}

/// Class that is too small for exact fractions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SmallClass {
    /// Name of the class; none if all images are divided as one class and are too few.
    pub class: Option<String>,
    /// Number of images in the class, including rows that were already in the dataset.
    pub images: usize,
    /// Number of these images in each split; splits without any are left out.
    pub splits: BTreeMap<Split, usize>,
}

/// Assigns a split to every record. `hashes` holds the hash of every record's file where the rule is
/// [`SplitBy::Content`], and is ignored otherwise. `there` holds the existing splits of a dataset that the
/// records are added to: exact fractions apply to all rows, as closely as the new ones allow.
///
/// Returns the classes of the records that are too small for exact fractions; with [`SplitBy::Random`] all records count
/// as one class.
pub fn assign(
    records: &mut [Record],
    classes: &[String],
    spec: &Spec,
    hashes: &[Sha256],
    there: &BTreeMap<Split, SplitInfo>,
) -> Vec<SmallClass> {
    let (ranks, shares) = (Ranks::from_seed(spec.seed), &spec.shares);
    match spec.split_by.unwrap_or(SplitBy::Label) {
        SplitBy::Folder => {}
        SplitBy::Path => {
            for record in records {
                record.split = Some(split_at(ranks.split(record.key.as_bytes()), shares));
            }
        }
        SplitBy::Content => {
            for (record, hash) in records.iter_mut().zip(hashes) {
                record.split = Some(split_at(ranks.split(hash.as_bytes()), shares));
            }
        }
        SplitBy::Random => {
            let rows = |split| there.get(&split).map_or(0, |info| info.rows);
            let whole = Group { class: None, members: (0..records.len()).collect(), there: rows_of(shares, rows) };
            return assign_shares(records, vec![whole], shares, ranks);
        }
        SplitBy::Label => {
            // Also classes that get no new rows: their rows count for the shares of the whole.
            let mut members: BTreeMap<Option<u32>, Vec<usize>> = BTreeMap::new();
            members.extend((0..).take(classes.len()).map(|label| (Some(label), Vec::new())));
            members.insert(None, Vec::new());
            for (index, record) in records.iter().enumerate() {
                members.entry(record.label).or_default().push(index);
            }
            let group = |(label, members): (Option<u32>, Vec<usize>)| Group {
                class: label.map(|label| classes[label as usize].clone()),
                members,
                there: rows_of(shares, |split| there.get(&split).map_or(0, |info| info.rows_of(label))),
            };
            let groups = members.into_iter().map(group).collect();
            return assign_shares(records, groups, shares, ranks);
        }
    }
    Vec::new()
}

/// Records that are divided together, and the rows that are there already, in each split that has a share.
struct Group {
    class: Option<String>,
    /// Indices of records.
    members: Vec<usize>,
    there: Vec<usize>,
}

/// Checks whether a run may go on with these classes, which are too small for exact fractions.
///
/// # Errors
/// If there are any, and the run stops at them.
pub(crate) fn check(small: &[SmallClass], rule: SmallClasses, shares: &SplitFractions) -> Result<(), Error> {
    let (Some(first), SmallClasses::Stop) = (small.first(), rule) else { return Ok(()) };
    let (text, enough) = (shares.to_string(), apportion::rows_enough(shares));
    Err(match first.class {
        None => Error::TooFewImages { count: first.images, shares: text, enough },
        Some(_) => {
            let named = small.iter().filter_map(|small| Some((small.class.clone()?, small.images)));
            Error::SmallClasses { classes: named.collect(), shares: text, enough }
        }
    })
}

fn rows_of(shares: &SplitFractions, rows: impl Fn(Split) -> usize) -> Vec<usize> {
    shares.iter().map(|(split, _)| rows(split)).collect()
}

/// Gives each split its fraction of every group, by rank. Returns the groups with new rows that are too small for exact
/// fractions.
fn assign_shares(records: &mut [Record], groups: Vec<Group>, shares: &SplitFractions, ranks: Ranks) -> Vec<SmallClass> {
    let rows = groups.iter().map(|group| ClassRows { new: group.members.len(), there: group.there.clone() });
    let rows: Vec<ClassRows> = rows.collect();
    let mut small = Vec::new();
    for ((group, rows), counts) in groups.into_iter().zip(&rows).zip(apportion::divide(&rows, shares)) {
        if rows.new > 0 && rows.is_small(shares) {
            let held = shares.iter().zip(rows.there.iter().zip(&counts));
            let splits = held.map(|((split, _), (there, new))| (split, there + new)).filter(|(_, held)| *held > 0);
            small.push(SmallClass { class: group.class, images: rows.all(), splits: splits.collect() });
        }
        let rank = |index: usize| ranks.split(records[index].key.as_bytes());
        let mut members: Vec<(u64, usize)> = group.members.into_iter().map(|index| (rank(index), index)).collect();
        members.sort_unstable_by(|a, b| (a.0, &records[a.1].key).cmp(&(b.0, &records[b.1].key)));
        let mut rest = members.iter();
        for ((split, _), count) in shares.iter().zip(counts) {
            for (_, index) in rest.by_ref().take(count) {
                records[*index].split = Some(split);
            }
        }
    }
    small
}

/// Split whose interval of [0, 1) contains a hash.
fn split_at(hash: u64, shares: &SplitFractions) -> Split {
    let point = (hash >> 11) as f64 / (1_u64 << 53) as f64;
    let mut end = 0.0;
    let mut last = Split::Train;
    for (split, share) in shares.iter() {
        end += share;
        last = split;
        if point < end {
            break;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_never_change() {
        let ranks = Ranks::from_seed(0);
        // Values of the first release: any others would move records between splits.
        assert_eq!(
            (ranks.split(b"cat/1.jpg"), ranks.order("cat/1.jpg")),
            (5_616_944_815_125_377_293, 3_535_933_280_081_829_204)
        );
    }
}
