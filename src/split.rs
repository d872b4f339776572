//! Assigns every record its split. Pure: the result depends on the records, the spec and the seed,
//! never on thread timing, the listing order or the machine.
//!
//! Chance comes from hashes, not from a stream of random numbers: a record's rank is the XXH3 hash
//! of its key, seeded, so it is the same whatever other records there are.

use std::collections::BTreeMap;

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use twox_hash::XxHash3_64;

use crate::discover::Record;
use crate::error::Error;
use crate::sha256::Sha256;
use crate::spec::{Shares, Split, SplitBy};

/// Ranks that are unrelated to one another, all drawn from one seed.
#[derive(Clone, Copy, Debug)]
pub struct Ranks {
    split: u64,
    order: u64,
}

impl Ranks {
    /// The ranks of a spec's seed.
    pub fn of_seed(seed: u64) -> Ranks {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        Ranks { split: random.next_u64(), order: random.next_u64() }
    }

    fn split(self, bytes: &[u8]) -> u64 {
        XxHash3_64::oneshot_with_seed(self.split, bytes)
    }

    /// Where a key stands in the shuffled order of rows.
    pub fn order(self, key: &str) -> u64 {
        XxHash3_64::oneshot_with_seed(self.order, key.as_bytes())
    }
}

/// Assigns a split to every record. `hashes` has the hash of every record's file where the rule is
/// [`SplitBy::Content`], and is not looked at otherwise.
///
/// # Errors
/// If a class, or with [`SplitBy::Random`] the whole, is too small to give each split a row.
pub fn assign(
    records: &mut [Record],
    classes: &[String],
    rule: SplitBy,
    shares: &Shares,
    seed: u64,
    hashes: &[Sha256],
) -> Result<(), Error> {
    let ranks = Ranks::of_seed(seed);
    match rule {
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
        SplitBy::Random => assign_shares(records, 0..records.len(), shares, ranks)
            .map_err(|count| Error::TooFewImages { count, shares: shares.to_string() })?,
        SplitBy::Label => {
            let mut members: BTreeMap<Option<u32>, Vec<usize>> = BTreeMap::new();
            for (index, record) in records.iter().enumerate() {
                members.entry(record.label).or_default().push(index);
            }
            for (label, members) in members {
                assign_shares(records, members, shares, ranks).map_err(|count| match label {
                    Some(label) => Error::ClassTooSmall {
                        class: classes[label as usize].clone(),
                        count,
                        shares: shares.to_string(),
                    },
                    None => Error::TooFewImages { count, shares: shares.to_string() },
                })?;
            }
        }
    }
    Ok(())
}

/// Gives each split its exact share of `members`; says how many there are if a split gets none.
fn assign_shares(
    records: &mut [Record],
    members: impl IntoIterator<Item = usize>,
    shares: &Shares,
    ranks: Ranks,
) -> Result<(), usize> {
    let mut members: Vec<(u64, usize)> =
        members.into_iter().map(|index| (ranks.split(records[index].key.as_bytes()), index)).collect();
    members.sort_unstable_by(|a, b| (a.0, &records[a.1].key).cmp(&(b.0, &records[b.1].key)));
    let counts = largest_remainder(members.len(), shares);
    if counts.iter().any(|(_, count)| *count == 0) {
        return Err(members.len());
    }
    let mut rest = members.iter();
    for (split, count) in counts {
        for (_, index) in rest.by_ref().take(count) {
            records[*index].split = Some(split);
        }
    }
    Ok(())
}

/// Divides `total` in proportion to the shares: each gets the whole part of its quota, and what is
/// left goes one each to the largest fractional parts, the earlier split first where they are equal
/// (the Hamilton method of apportionment).
pub fn largest_remainder(total: usize, shares: &Shares) -> Vec<(Split, usize)> {
    /// Quotas are rounded to this fraction, so that 0.1 and 0.1 (as 0.30000000000000004 - 0.2) tie.
    const GRAIN: f64 = 1e9;
    let quotas: Vec<f64> = shares.iter().map(|(_, share)| (share * total as f64 * GRAIN).round() / GRAIN).collect();
    let mut counts: Vec<(Split, usize)> =
        shares.iter().zip(&quotas).map(|((split, _), quota)| (split, quota.floor() as usize)).collect();
    let mut by_remainder: Vec<usize> = (0..counts.len()).collect();
    by_remainder.sort_by(|a, b| quotas[*b].fract().total_cmp(&quotas[*a].fract()));
    let assigned: usize = counts.iter().map(|(_, count)| count).sum();
    for index in by_remainder.into_iter().cycle().take(total.saturating_sub(assigned)) {
        counts[index].1 += 1;
    }
    counts
}

/// The split whose interval of [0, 1) a hash falls into.
fn split_at(hash: u64, shares: &Shares) -> Split {
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
        largest_remainder(total, &shares.parse().unwrap()).into_iter().map(|(_, count)| count).collect()
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
        let ranks = Ranks::of_seed(0);
        // Written down from the first release: other values would move records between splits.
        assert_eq!(
            (ranks.split(b"cat/1.jpg"), ranks.order("cat/1.jpg")),
            (5_616_944_815_125_377_293, 3_535_933_280_081_829_204)
        );
    }
}
