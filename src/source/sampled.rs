//! Some of the inputs of another source.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use super::{Files, ImageRef, Listing, Location, Record, Source};
use crate::error::Error;
use crate::spec::{Limits, Spec, Split};

/// Fewest inputs that are kept of a class, if it has as many.
const LEAST: usize = 4;

/// A source with some of the inputs of another one, evenly from all of its classes.
pub(crate) struct Sampled {
    inner: Box<dyn Source>,
    most: usize,
    seed: u64,
    all: OnceLock<Counts>,
}

/// Numbers of all inputs of a source: by the name of their class, and by the split that the source defines.
pub(crate) type Counts = BTreeMap<(Option<String>, Option<Split>), usize>;

impl Sampled {
    /// At most `most` inputs of a source, and at least four of every class that has as many.
    pub(crate) fn new(inner: Box<dyn Source>, most: usize, seed: u64) -> Sampled {
        Sampled { inner, most, seed, all: OnceLock::new() }
    }

    /// Numbers of inputs of the other source, if they were listed.
    pub(crate) fn all(&self) -> Option<&Counts> {
        self.all.get()
    }
}

impl Source for Sampled {
    fn prepare(&self, scratch: Option<&Path>, limits: &Limits) -> Result<(), Error> {
        self.inner.prepare(scratch, limits)
    }

    fn list(&self, spec: &Spec) -> Result<Listing, Error> {
        let mut listing = self.inner.list(spec)?;
        let mut all = Counts::new();
        for Record { label, split, .. } in &listing.records {
            let class = label.and_then(|label| listing.classes.get(label as usize)).cloned();
            *all.entry((class, *split)).or_default() += 1;
        }
        let _ = self.all.set(all);
        let classes = listing.classes.len().max(1);
        keep(&mut listing.records, (self.most / classes).max(LEAST), self.seed);
        Ok(listing)
    }

    fn read(&self, images: &[ImageRef<'_>], limits: &Limits, files: &mut Files) {
        self.inner.read(images, limits, files);
    }

    fn ahead(&self) -> usize {
        self.inner.ahead()
    }

    fn begin(&self, image: &ImageRef<'_>, limits: &Limits) -> bool {
        self.inner.begin(image, limits)
    }

    fn failure(&self) -> Option<Error> {
        self.inner.failure()
    }

    fn length(&self, record: &Record) -> Option<u64> {
        self.inner.length(record)
    }

    fn locate(&self, image: &ImageRef<'_>) -> Option<Location> {
        self.inner.locate(image)
    }

    fn fingerprint(&self) -> u64 {
        self.inner.fingerprint()
    }

    fn paths(&self) -> &[PathBuf] {
        self.inner.paths()
    }
}

/// Keeps at most `most` records of every label, in their order: those with the least of random numbers.
fn keep(records: &mut Vec<Record>, most: usize, seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut drawn: Vec<(Option<u32>, u64, usize)> =
        records.iter().enumerate().map(|(at, record)| (record.label, random.next_u64(), at)).collect();
    drawn.sort_unstable();
    let mut is_kept = vec![false; records.len()];
    for of_label in drawn.chunk_by(|a, b| a.0 == b.0) {
        of_label.iter().take(most).for_each(|(.., at)| is_kept[*at] = true);
    }
    let mut is_kept = is_kept.into_iter();
    records.retain(|_| is_kept.next().unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_kept_evenly_and_in_order() {
        let record = |number: u32| Record {
            label: (!number.is_multiple_of(10)).then_some(u32::from(number > 90)),
            ..Record::new(format!("{number:03}"), number)
        };
        let all: Vec<Record> = (0..100).map(record).collect();
        let kept = |most, seed| {
            let mut records = all.clone();
            keep(&mut records, most, seed);
            records
        };
        let some = kept(5, 1);
        for label in [None, Some(0), Some(1)] {
            assert_eq!(some.iter().filter(|record| record.label == label).count(), 5, "{label:?}");
        }
        assert!(some.is_sorted_by(|a, b| a.key < b.key));
        assert_eq!(some, kept(5, 1));
        assert_ne!(some, kept(5, 2));
        assert_eq!(kept(1000, 1), all);
    }
}
