//! Rows drawn of every class.

use std::collections::HashMap;

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use super::rows::{Place, Rows};
use crate::source::Counts;

/// Rows of every class, each of them equally likely, in the order of the rows.
#[derive(Debug)]
pub(crate) struct Sample {
    /// Those of each class; the last ones are of no class, or of the only one if rows have no classes.
    pub(crate) classes: Vec<Class>,
    /// Number of rows with more than one class.
    pub(crate) shared: usize,
}

/// The rows of a class.
#[derive(Clone, Debug, Default)]
pub(crate) struct Class {
    /// Number of all rows of the class, by split.
    pub(crate) rows: Vec<usize>,
    /// Some of them.
    pub(crate) drawn: Vec<Place>,
}

impl Class {
    /// Number of all rows of the class.
    pub(crate) fn total(&self) -> usize {
        self.rows.iter().sum()
    }

    /// Takes a row as one of at most `most` (Vitter, "Random Sampling with a Reservoir", 1985, algorithm R).
    fn add(&mut self, place: Place, most: usize, random: &mut ChaCha8Rng) {
        let before = self.total();
        self.rows[place.split as usize] += 1;
        match below(random, before + 1) {
            _ if self.drawn.len() < most => self.drawn.push(place),
            chosen if chosen < most => self.drawn[chosen] = place,
            _ => {}
        }
    }
}

impl Sample {
    /// Takes the numbers of rows from what is known of all, where the rows are some of them. A split that has no rows of
    /// its own counts in the first.
    pub(crate) fn count(&mut self, rows: &Rows, all: &Counts) {
        // Labels that are not one class each are counted as the rows have them.
        if !rows.classes.is_empty() && all.keys().all(|(class, _)| class.is_none()) {
            return;
        }
        let last = rows.classes.len();
        let numbers: HashMap<&str, usize> = rows.classes.iter().map(|name| &**name).zip(0..).collect();
        self.classes.iter_mut().for_each(|class| class.rows.fill(0));
        for ((class, split), count) in all {
            let class = class.as_ref().and_then(|class| numbers.get(&**class)).copied().unwrap_or(last);
            let split = split.and_then(|split| rows.splits.iter().position(|there| there.name == split.as_str()));
            if let Some(rows) = self.classes[class].rows.get_mut(split.unwrap_or_default()) {
                *rows += count;
            }
        }
    }

    /// Number of all rows; those of several classes count in each.
    pub(crate) fn total(&self) -> usize {
        self.classes.iter().map(Class::total).sum()
    }

    /// Draws at most `most` rows of every class.
    pub(crate) fn draw(rows: &Rows, most: usize, seed: u64) -> Sample {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let none = Class { rows: vec![0; rows.splits.len()], drawn: Vec::new() };
        let mut classes = vec![none; rows.classes.len() + 1];
        let mut shared = 0;
        for place in rows.places() {
            let mut count = 0;
            rows.each_class(place, |class| {
                classes[class].add(place, most, &mut random);
                count += 1;
            });
            shared += usize::from(count > 1);
            if count == 0 {
                classes[rows.classes.len()].add(place, most, &mut random);
            }
        }
        classes.iter_mut().for_each(|class| class.drawn.sort_unstable());
        Sample { classes, shared }
    }
}

/// A random number below `end`, at most 2^32 of them.
fn below(random: &mut ChaCha8Rng, end: usize) -> usize {
    ((u128::from(random.next_u64()) * end as u128) >> 64) as usize
}
