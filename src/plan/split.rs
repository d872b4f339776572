//! Assigns every record to a split. Pure: the result depends on the records, the spec and the seed,
//! never on thread timing, the listing order or the machine.
//!
//! Randomness comes from hashes, not from a stream of random numbers: a record's rank is the seeded XXH3
//! hash of its key, so it does not depend on which other records exist.

use std::collections::BTreeMap;

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use twox_hash::XxHash3_64;

use crate::dataset::manifest::SplitInfo;
use crate::error::Error;
use crate::format::sha256::Sha256;
use crate::source::record::Record;
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

/// Assigns a split to every record. `hashes` holds the hash of every record's file where the rule is
/// [`SplitBy::Content`], and is ignored otherwise. `there` holds the existing splits of a dataset that the
/// records are added to: exact fractions apply to all rows, as closely as the new ones allow.
///
/// # Errors
/// If nothing is there yet and a class, or with [`SplitBy::Random`] the whole, is too small to give
/// each split a row.
pub fn assign(
    records: &mut [Record],
    classes: &[String],
    spec: &Spec,
    hashes: &[Sha256],
    there: &BTreeMap<Split, SplitInfo>,
) -> Result<(), Error> {
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
            assign_shares(records, 0..records.len(), shares, ranks, &rows, there.is_empty())
                .map_err(|count| too_few(None, count, shares))?;
        }
        SplitBy::Label => {
            let mut members: BTreeMap<Option<u32>, Vec<usize>> = BTreeMap::new();
            for (index, record) in records.iter().enumerate() {
                members.entry(record.label).or_default().push(index);
            }
            for (label, members) in members {
                let rows = |split| there.get(&split).map_or(0, |info| info.rows_of(label));
                let class = label.map(|label| &*classes[label as usize]);
                assign_shares(records, members, shares, ranks, &rows, there.is_empty())
                    .map_err(|count| too_few(class, count, shares))?;
            }
        }
    }
    Ok(())
}

/// Gives each split its fraction of `members`, given the `rows` it has already. Returns the number of
/// members as an error if `each_gets_one` and a split gets none.
fn assign_shares(
    records: &mut [Record],
    members: impl IntoIterator<Item = usize>,
    shares: &SplitFractions,
    ranks: Ranks,
    rows: &dyn Fn(Split) -> usize,
    each_gets_one: bool,
) -> Result<(), usize> {
    let mut members: Vec<(u64, usize)> =
        members.into_iter().map(|index| (ranks.split(records[index].key.as_bytes()), index)).collect();
    members.sort_unstable_by(|a, b| (a.0, &records[a.1].key).cmp(&(b.0, &records[b.1].key)));
    let there: Vec<usize> = shares.iter().map(|(split, _)| rows(split)).collect();
    let counts = apportion(members.len(), shares, &there);
    if each_gets_one && counts.contains(&0) {
        return Err(members.len());
    }
    let mut rest = members.iter();
    for ((split, _), count) in shares.iter().zip(counts) {
        for (_, index) in rest.by_ref().take(count) {
            records[*index].split = Some(split);
        }
    }
    Ok(())
}

/// The error for a class, or all images, too few to give each split a row. A quota of one row is enough for one.
fn too_few(class: Option<&str>, count: usize, shares: &SplitFractions) -> Error {
    let least = shares.iter().map(|(_, share)| share).fold(1.0, f64::min);
    let (shares, enough) = (shares.to_string(), (1.0 / least - SplitFractions::SUM_TOLERANCE).ceil() as usize);
    match class {
        Some(class) => Error::ClassTooSmall { class: class.to_owned(), count, shares, enough },
        None => Error::TooFewImages { count, shares, enough },
    }
}

/// Divides `new` rows so that all rows, including the existing ones in `there`, come as close to the
/// fractions as the new rows allow: each goes to the split that lacks the most, or to the earliest of several.
/// Without existing rows this is the method of largest remainders (Hamilton's method of apportionment).
pub fn apportion(new: usize, shares: &SplitFractions, there: &[usize]) -> Vec<usize> {
    /// Parts of a row in which quotas are counted, so that 0.1 and 0.3 - 0.2 tie.
    const GRAIN: f64 = 1e9;
    const ROW: i128 = GRAIN as i128;
    let all = new + there.iter().sum::<usize>();
    let mut lacking: Vec<i128> = shares
        .iter()
        .zip(there)
        .map(|((_, share), &there)| (share * all as f64 * GRAIN).round() as i128 - there as i128 * ROW)
        .collect();
    let mut counts = vec![0; lacking.len()];
    for _ in 0..new {
        let Some(most) = (0..lacking.len()).rev().max_by_key(|&split| lacking[split]) else { break };
        lacking[most] -= ROW;
        counts[most] += 1;
    }
    counts
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

    fn counts(total: usize, shares: &str) -> Vec<usize> {
        let shares: SplitFractions = shares.parse().unwrap();
        apportion(total, &shares, &vec![0; shares.iter().count()])
    }

    #[test]
    fn new_rows_go_where_rows_are_lacking() {
        let shares = "train=0.8,validation=0.1,test=0.1".parse().unwrap();
        assert_eq!(apportion(10, &shares, &[8, 1, 1]), [8, 1, 1]);
        assert_eq!(apportion(1, &shares, &[8, 1, 1]), [1, 0, 0]);
        assert_eq!(apportion(2, &shares, &[16, 1, 1]), [0, 1, 1]);
        // Existing rows stay, even if they are too many.
        assert_eq!(apportion(3, &shares, &[0, 9, 0]), [3, 0, 0]);
    }

    #[test]
    fn remainders_add_up() {
        assert_eq!(counts(10, "train=0.8,validation=0.1,test=0.1"), [8, 1, 1]);
        assert_eq!(counts(7, "train=0.8,validation=0.1,test=0.1"), [5, 1, 1]);
        assert_eq!(counts(6, "train=0.8,validation=0.1,test=0.1"), [5, 1, 0]);
        assert_eq!(counts(1, "train=0.5,test=0.5"), [1, 0]);
        for total in 0..1000 {
            assert_eq!(counts(total, "train=0.7,validation=0.2,test=0.1").iter().sum::<usize>(), total);
        }
    }

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
