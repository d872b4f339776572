//! Divides the rows of each class among the splits. Only numbers of rows: `split` decides which rows.
//!
//! A class that is large enough is divided on its own, by largest remainders. A smaller class fills the splits one row
//! at a time; the large classes then compensate, so that the splits of the whole dataset keep their fractions.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::spec::SplitFractions;

/// Parts of a row in which quotas are counted, so that 0.1 and 0.3 - 0.2 tie.
const GRAIN: f64 = 1e9;
const ROW: i128 = GRAIN as i128;

/// Numbers of rows of a class, or of everything that is divided as one class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClassRows {
    /// Number of new rows.
    pub(crate) new: usize,
    /// Number of existing rows, for each split that has a fraction.
    pub(crate) there: Vec<usize>,
}

impl ClassRows {
    /// Total number of rows.
    pub(crate) fn all(&self) -> usize {
        self.new + self.there.iter().sum::<usize>()
    }

    /// Whether exact fractions leave a split without any of the rows.
    pub(crate) fn is_small(&self, shares: &SplitFractions) -> bool {
        let all = self.all();
        (1..rows_enough(shares)).contains(&all) && apportion(all, shares, &vec![0; self.there.len()]).contains(&0)
    }
}

/// Number of rows that is enough for each split to get one: a split whose quota is at least one row gets one.
pub(crate) fn rows_enough(shares: &SplitFractions) -> usize {
    let least = shares.iter().map(|(_, share)| share).fold(1.0, f64::min);
    (1.0 / least - SplitFractions::SUM_TOLERANCE).ceil() as usize
}

/// Number of new rows of each class for each split that has a fraction.
pub(crate) fn divide(classes: &[ClassRows], shares: &SplitFractions) -> Vec<Vec<usize>> {
    let mut has_small = false;
    let mut counts = Vec::with_capacity(classes.len());
    for class in classes {
        let is_small = class.is_small(shares);
        has_small |= is_small;
        counts.push(match is_small {
            true => fill(class.new, shares, &class.there),
            false => apportion(class.new, shares, &class.there),
        });
    }
    if has_small {
        even_out(classes, &mut counts, shares);
    }
    counts
}

/// Divides `new` rows so that all rows, including the existing ones in `there`, come as close to the
/// fractions as the new rows allow: each goes to the split that lacks the most, or to the earliest of several.
/// Without existing rows this is the method of largest remainders (Hamilton's method of apportionment).
fn apportion(new: usize, shares: &SplitFractions, there: &[usize]) -> Vec<usize> {
    let all = new + there.iter().sum::<usize>();
    let mut lacking: Vec<i128> =
        quotas(all, shares).zip(there).map(|(quota, &there)| quota - there as i128 * ROW).collect();
    let mut counts = vec![0; lacking.len()];
    for _ in 0..new {
        let Some(most) = (0..lacking.len()).rev().max_by_key(|&split| lacking[split]) else { break };
        lacking[most] -= ROW;
        counts[most] += 1;
    }
    counts
}

/// Quota of each split of `all` rows, in grains.
fn quotas(all: usize, shares: &SplitFractions) -> impl Iterator<Item = i128> {
    shares.iter().map(move |(_, share)| (share * all as f64 * GRAIN).round() as i128)
}

/// Divides the `new` rows of a small class: each split that has none gets one, in the order of
/// [`SplitFractions::filling`], and the rest go where rows are lacking.
fn fill(new: usize, shares: &SplitFractions, there: &[usize]) -> Vec<usize> {
    let (mut counts, mut filled, mut rest) = (vec![0; there.len()], there.to_vec(), new);
    for split in shares.filling() {
        let Some(index) = shares.iter().position(|(other, _)| other == split) else { continue };
        if filled[index] == 0 && rest > 0 {
            (counts[index], filled[index]) = (1, 1);
            rest -= 1;
        }
    }
    let others = apportion(rest, shares, &filled);
    counts.iter().zip(others).map(|(one, others)| one + others).collect()
}

/// Moves rows of large classes between splits until every split has its fraction of all rows, or no large class can
/// give more. A class gives in proportion to its rows, and keeps half of its own quota and at least one row in each
/// split.
fn even_out(classes: &[ClassRows], counts: &mut [Vec<usize>], shares: &SplitFractions) {
    let weights: Vec<f64> = shares.iter().map(|(_, share)| share).collect();
    let splits = 0..weights.len();
    let sum = |of: &dyn Fn(usize) -> usize| (0..classes.len()).map(of).sum::<usize>();
    let whole = ClassRows {
        new: sum(&|class| classes[class].new),
        there: splits.clone().map(|split| sum(&|class| classes[class].there[split])).collect(),
    };
    let wanted = apportion(whole.new, shares, &whole.there);
    let mut surplus: Vec<i64> =
        splits.clone().map(|split| sum(&|class| counts[class][split]) as i64 - wanted[split] as i64).collect();

    let large = (0..classes.len()).filter(|&class| !classes[class].is_small(shares));
    let mut givers = Givers {
        classes: large.map(|class| Giver::of(class, &classes[class], &counts[class], shares)).collect(),
        moves: vec![None; weights.len() * weights.len()],
    };
    // Relative to the share, so that a deviation that can't be fixed is in proportion everywhere.
    let by_share = |surplus: &[i64], split: usize| surplus[split] as f64 / weights[split];
    let mut exhausted = vec![false; weights.len()];
    loop {
        let compare = |a: &usize, b: &usize| by_share(&surplus, *a).total_cmp(&by_share(&surplus, *b));
        let most = splits.clone().filter(|&split| surplus[split] > 0 && !exhausted[split]).max_by(compare);
        let least = splits.clone().filter(|&split| surplus[split] < 0).min_by(compare);
        let (Some(from), Some(to)) = (most, least) else { break };
        match givers.give(from, to) {
            Some(class) => {
                counts[class][from] -= 1;
                counts[class][to] += 1;
                surplus[from] -= 1;
                surplus[to] += 1;
            }
            None => exhausted[from] = true,
        }
    }
}

/// Large classes, and the next moves between splits.
struct Givers {
    classes: Vec<Giver>,
    /// Best move of every class, for each pair of splits. Moves only get worse as rows are moved, so the best one
    /// that is still up to date is the best of all.
    moves: Vec<Option<BinaryHeap<Move>>>,
}

/// Class that can give rows.
struct Giver {
    /// Index of the class.
    class: usize,
    /// Total number of rows.
    all: i128,
    /// Excess of each split over the class's own quota, in grains.
    above: Vec<i128>,
    /// Number of rows that each split can still give.
    spare: Vec<usize>,
}

impl Giver {
    fn of(class: usize, rows: &ClassRows, counts: &[usize], shares: &SplitFractions) -> Giver {
        let held: Vec<usize> = rows.there.iter().zip(counts).map(|(there, new)| there + new).collect();
        let above = quotas(rows.all(), shares).zip(&held).map(|(quota, &held)| held as i128 * ROW - quota);
        // Only new rows can be moved.
        let spare = held.iter().zip(counts).map(|(held, &new)| (held / 2).min(new));
        Giver { class, all: rows.all() as i128, above: above.collect(), spare: spare.collect() }
    }

    fn best_move(&self, index: usize, from: usize, to: usize) -> Option<Move> {
        let gain = self.above[from] - self.above[to] - ROW;
        (self.spare[from] > 0).then_some(Move { gain, all: self.all, index })
    }
}

/// Move of one row of a class to another split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Move {
    /// Change of the class's distance to its own fractions, in grains: positive if it comes closer.
    gain: i128,
    /// Number of rows of the class.
    all: i128,
    /// Index of the giver.
    index: usize,
}

impl Ord for Move {
    /// By gain relative to the size of the class; of equal moves, the one of the earlier class is greater.
    fn cmp(&self, other: &Move) -> Ordering {
        (self.gain * other.all).cmp(&(other.gain * self.all)).then(other.index.cmp(&self.index))
    }
}

impl PartialOrd for Move {
    fn partial_cmp(&self, other: &Move) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Givers {
    /// Moves a row and returns its class; none if no class has one to give.
    fn give(&mut self, from: usize, to: usize) -> Option<usize> {
        let Givers { classes, moves } = self;
        let splits = classes.first()?.spare.len();
        let heap = moves[from * splits + to].get_or_insert_with(|| {
            let moves = classes.iter().enumerate();
            moves.filter_map(|(index, giver)| giver.best_move(index, from, to)).collect()
        });
        while let Some(best) = heap.pop() {
            let giver = &mut classes[best.index];
            match giver.best_move(best.index, from, to) {
                Some(now) if now == best => {
                    giver.above[from] -= ROW;
                    giver.above[to] += ROW;
                    giver.spare[from] -= 1;
                    heap.extend(giver.best_move(best.index, from, to));
                    return Some(giver.class);
                }
                // Rows have been moved between other splits since.
                worse => heap.extend(worse),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::ChaCha8Rng;
    use rand::{Rng, SeedableRng};

    use super::*;

    const DEFAULT: &str = "train=0.8,validation=0.1,test=0.1";

    fn shares(text: &str) -> SplitFractions {
        text.parse().unwrap()
    }

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
        // Existing rows stay, even if there are too many.
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

    fn new_classes(sizes: &[usize], shares: &SplitFractions) -> Vec<ClassRows> {
        let there = vec![0; shares.iter().count()];
        sizes.iter().map(|&new| ClassRows { new, there: there.clone() }).collect()
    }

    fn divided(sizes: &[usize], text: &str) -> Vec<Vec<usize>> {
        divide(&new_classes(sizes, &shares(text)), &shares(text))
    }

    fn added(classes: &[(usize, [usize; 3])]) -> Vec<Vec<usize>> {
        let rows = |(new, there): &(usize, [usize; 3])| ClassRows { new: *new, there: there.to_vec() };
        divide(&classes.iter().map(rows).collect::<Vec<_>>(), &shares(DEFAULT))
    }

    fn sums(counts: &[Vec<usize>]) -> Vec<usize> {
        (0..counts[0].len()).map(|split| counts.iter().map(|of_class| of_class[split]).sum()).collect()
    }

    // In the order of the shares: train, validation, test.

    #[test]
    fn small_class_fills_train_then_test_then_validation() {
        let each =
            |sizes: &[usize], text| sizes.iter().map(|&size| divided(&[size], text).remove(0)).collect::<Vec<_>>();
        let expected = [[1, 0, 0], [1, 0, 1], [1, 1, 1], [2, 1, 1], [3, 1, 1], [4, 1, 1], [5, 1, 1], [6, 1, 1]];
        assert_eq!(each(&[1, 2, 3, 4, 5, 6, 7, 8], DEFAULT), expected);
        assert_eq!(each(&[1, 2, 3], "train=0.9,test=0.1"), [[1, 0], [1, 1], [2, 1]]);
        assert_eq!(each(&[1, 2, 3], "train=0.9,validation=0.1"), [[1, 0], [1, 1], [2, 1]]);
        assert_eq!(each(&[1, 2, 3], "validation=0.9,test=0.1"), [[0, 1], [1, 1], [2, 1]]);
        assert_eq!(each(&[0, 1, 2], "test=1"), [[0], [1], [2]]);
    }

    #[test]
    fn classes_are_small_where_exact_shares_leave_a_split_empty() {
        let small = |text: &str| {
            let shares = shares(text);
            (0..200).filter(|&size| new_classes(&[size], &shares)[0].is_small(&shares)).collect::<Vec<_>>()
        };
        assert_eq!(small(DEFAULT), [1, 2, 3, 4, 5, 6]);
        assert_eq!(small("train=0.5,test=0.5"), [1]);
        assert_eq!(small("train=1"), [0; 0]);
        assert_eq!(small("train=0.98,validation=0.01,test=0.01"), (1..67).collect::<Vec<_>>());
    }

    #[test]
    fn classes_that_are_large_enough_are_divided_by_themselves() {
        let sizes = [13, 7, 100, 28, 13, 13];
        let alone: Vec<_> = sizes.iter().map(|&size| counts(size, DEFAULT)).collect();
        assert_eq!(divided(&sizes, DEFAULT), alone);
    }

    #[test]
    fn large_classes_even_out() {
        // 20 in train by themselves, so 4 of these are taken back from the 80 of the large class.
        let mut sizes = vec![1; 20];
        sizes.push(100);
        assert_eq!(divided(&sizes, DEFAULT)[20], [76, 12, 12]);
        // In proportion to their rows.
        sizes.extend([300]);
        assert_eq!(divided(&sizes, DEFAULT)[20..], [[79, 11, 10], [237, 31, 32]]);
        assert_eq!(sums(&divided(&sizes, DEFAULT)), [336, 42, 42]);
    }

    #[test]
    fn large_class_keeps_half_of_its_own_share() {
        let mut sizes = vec![1; 1000];
        sizes.push(100);
        assert_eq!(divided(&sizes, DEFAULT)[1000], [40, 30, 30]);
        // The shares that can't be kept are off by the same part.
        let mut sizes = vec![2; 100];
        sizes.push(1000);
        assert_eq!(divided(&sizes, DEFAULT)[100], [833, 117, 50]);
    }

    #[test]
    fn small_class_grows_into_its_shares() {
        let mut there = [0; 3];
        let mut seen = Vec::new();
        for _ in 0..10 {
            let new = added(&[(1, there)]).remove(0);
            there = [there[0] + new[0], there[1] + new[1], there[2] + new[2]];
            seen.push(there);
        }
        assert_eq!(seen[..4], [[1, 0, 0], [1, 0, 1], [1, 1, 1], [2, 1, 1]]);
        assert_eq!(seen[9], [8, 1, 1]);
    }

    #[test]
    fn rows_that_are_there_count_for_the_shares_of_the_whole() {
        // By itself the large class lacks nothing but rows in train.
        let mut classes = vec![(0, [1, 0, 0]); 20];
        classes.push((10, [76, 12, 12]));
        assert_eq!(added(&classes)[20], [8, 1, 1]);
        // Without small classes each class is brought to its own shares.
        assert_eq!(added(&[(10, [76, 12, 12]), (0, [84, 8, 8])]), [[10, 0, 0], [0, 0, 0]]);
    }

    #[test]
    fn whole_keeps_its_shares_where_large_classes_can_even_out() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut below = |n: usize| random.next_u64() as usize % n;
        for round in 0..400 {
            let text = [
                DEFAULT,
                "train=0.7,validation=0.2,test=0.1",
                "train=0.9,test=0.1",
                "train=0.34,validation=0.33,test=0.33",
            ][round % 4];
            let shares = shares(text);
            let splits = shares.iter().count();
            let mut sizes: Vec<usize> = (0..1 + below(60)).map(|_| 1 + below(12)).collect();
            sizes.extend((0..1 + below(9)).map(|_| 300 + below(300)));
            let classes = new_classes(&sizes, &shares);
            let counts = divide(&classes, &shares);
            let has_small = classes.iter().any(|class| class.is_small(&shares));
            for (size, counts) in sizes.iter().zip(&counts) {
                assert_eq!(counts.iter().sum::<usize>(), *size);
                assert!(*size < splits || !counts.contains(&0), "{counts:?} of {size}, {text}");
            }
            let all: usize = sizes.iter().sum();
            for ((_, share), sum) in shares.iter().zip(sums(&counts)) {
                let off = (sum as f64 - share * all as f64).abs();
                assert!(!has_small || off < 1.0, "{sum} of {all} rows is not {share}: {sizes:?}");
            }
        }
    }

    #[test]
    fn no_order_of_the_classes_changes_what_a_split_has() {
        let sizes = [1, 1, 2, 5, 300, 90, 1, 2, 400];
        let mut turned = sizes;
        turned.reverse();
        assert_eq!(sums(&divided(&sizes, DEFAULT)), sums(&divided(&turned, DEFAULT)));
    }
}
