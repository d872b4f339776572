//! The decoded parts of a table that are kept: those asked for most recently, up to a number of bytes.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::per_process::PerProcess;

/// Maximum length of all that is kept, in bytes, unless the part decoded last is longer: enough for a shuffle that mixes
/// 16 row groups of 16 MiB.
const MOST: usize = 256 << 20;

/// A part of the table: the index of a tensor column, the number of a row group in the table, and that of a part in it.
pub(super) type Key = (usize, usize, usize);

/// What is kept of a part. Copies share its memory.
pub(super) trait Decoded: Clone {
    /// Bytes of memory.
    fn weight(&self) -> usize;
}

impl Decoded for Bytes {
    fn weight(&self) -> usize {
        self.len()
    }
}

/// What was decoded, by the part of the table that it is.
pub(super) struct Cache<D> {
    kept: PerProcess<Kept<D>>,
}

struct Kept<D> {
    /// What was decoded, and when it was asked for last.
    parts: HashMap<Key, (D, u64)>,
    /// The parts by that time.
    order: BTreeMap<u64, Key>,
    bytes: usize,
    now: u64,
}

impl<D> Default for Cache<D> {
    fn default() -> Cache<D> {
        Cache { kept: PerProcess::default() }
    }
}

impl<D> Default for Kept<D> {
    fn default() -> Kept<D> {
        Kept { parts: HashMap::new(), order: BTreeMap::new(), bytes: 0, now: 0 }
    }
}

impl<D: Decoded> Cache<D> {
    /// A part, which `decode` makes unless it is kept. It makes about `length` bytes.
    pub(super) fn get<E>(&self, key: Key, length: usize, decode: impl FnOnce() -> Result<D, E>) -> Result<D, E> {
        let found = self.with(|kept| {
            let found = kept.find(key);
            if found.is_none() {
                kept.make_room(length);
            }
            found
        });
        if let Some(part) = found {
            return Ok(part);
        }
        // Without the lock: others go on meanwhile, even if two of them decode the same part.
        let part = decode()?;
        self.with(|kept| kept.add(key, part.clone()));
        Ok(part)
    }

    fn with<T>(&self, use_kept: impl FnOnce(&mut Kept<D>) -> T) -> T {
        self.kept.with(use_kept)
    }
}

impl<D: Decoded> Kept<D> {
    fn find(&mut self, key: Key) -> Option<D> {
        self.now += 1;
        let (part, last) = self.parts.get_mut(&key)?;
        self.order.remove(last);
        self.order.insert(self.now, key);
        *last = self.now;
        Some(part.clone())
    }

    fn add(&mut self, key: Key, part: D) {
        let weight = part.weight();
        self.make_room(weight);
        self.now += 1;
        self.bytes += weight;
        self.order.insert(self.now, key);
        if let Some((old, last)) = self.parts.insert(key, (part, self.now)) {
            self.order.remove(&last);
            self.bytes -= old.weight();
        }
    }

    /// Drops what was asked for longest ago until `length` bytes can be added.
    fn make_room(&mut self, length: usize) {
        while self.bytes.saturating_add(length) > MOST {
            let oldest = self.order.pop_first().and_then(|(_, key)| self.parts.remove(&key));
            let Some((part, _)) = oldest else { return };
            self.bytes -= part.weight();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts that are still kept after these were asked for, each of a third of what may be kept.
    fn kept(asked: &[usize]) -> Vec<usize> {
        let cache = Cache::default();
        for part in asked {
            cache.get((0, 0, *part), MOST / 3, || Ok::<_, ()>(Bytes::from(vec![0; MOST / 3]))).unwrap();
        }
        let mut kept: Vec<usize> = cache.with(|kept| kept.parts.keys().map(|(.., part)| *part).collect());
        kept.sort_unstable();
        kept
    }

    #[test]
    fn parts_asked_for_last_are_kept() {
        assert_eq!(kept(&[0, 1, 2]), [0, 1, 2]);
        assert_eq!(kept(&[0, 1, 2, 3]), [1, 2, 3]);
        assert_eq!(kept(&[0, 1, 2, 0, 3, 4]), [0, 3, 4]);
    }

    #[test]
    fn the_last_part_is_kept_however_long() {
        let cache = Cache::default();
        let long = || Ok::<_, ()>(Bytes::from(vec![0; MOST + 1]));
        for part in 0..2 {
            cache.get((0, 0, part), MOST + 1, long).unwrap();
        }
        assert_eq!(cache.with(|kept| (kept.bytes, kept.parts.contains_key(&(0, 0, 1)))), (MOST + 1, true));
    }
}
