//! The decoded tensors that are kept: those asked for most recently, up to a number of bytes.

use std::collections::HashMap;

use bytes::Bytes;

use super::per_process::PerProcess;

/// Maximum length of all that is kept, in bytes, unless the part decoded last is longer: enough for a shuffle that mixes
/// 16 row groups of 16 MiB.
const MOST: usize = 256 << 20;

/// A part of the table: the index of a tensor column, the number of a row group in the table, and that of a part in it.
pub(super) type Key = (usize, usize, usize);

/// Decoded tensors by the part of the table that they are.
#[derive(Default)]
pub(super) struct Cache {
    kept: PerProcess<Kept>,
}

#[derive(Default)]
struct Kept {
    /// Tensors, and when they were asked for last.
    parts: HashMap<Key, (Bytes, u64)>,
    bytes: usize,
    now: u64,
}

impl Cache {
    /// The tensors of a part, which `decode` makes unless they are kept. It makes `length` bytes.
    pub(super) fn get<E>(
        &self,
        key: Key,
        length: usize,
        decode: impl FnOnce() -> Result<Bytes, E>,
    ) -> Result<Bytes, E> {
        let found = self.with(|kept| {
            let found = kept.find(key);
            if found.is_none() {
                kept.make_room(length);
            }
            found
        });
        if let Some(tensors) = found {
            return Ok(tensors);
        }
        // Without the lock: others go on meanwhile, even if two of them decode the same part.
        let tensors = decode()?;
        self.with(|kept| kept.add(key, tensors.clone()));
        Ok(tensors)
    }

    fn with<T>(&self, use_kept: impl FnOnce(&mut Kept) -> T) -> T {
        self.kept.with(use_kept)
    }
}

impl Kept {
    fn find(&mut self, key: Key) -> Option<Bytes> {
        self.now += 1;
        let (tensors, last) = self.parts.get_mut(&key)?;
        *last = self.now;
        Some(tensors.clone())
    }

    fn add(&mut self, key: Key, tensors: Bytes) {
        self.make_room(tensors.len());
        self.bytes += tensors.len();
        if let Some((old, _)) = self.parts.insert(key, (tensors, self.now)) {
            self.bytes -= old.len();
        }
    }

    /// Drops what was asked for longest ago until `length` bytes can be added.
    fn make_room(&mut self, length: usize) {
        while self.bytes.saturating_add(length) > MOST {
            let oldest = self.parts.iter().min_by_key(|(_, (_, last))| *last).map(|(key, _)| *key);
            let Some((tensors, _)) = oldest.and_then(|oldest| self.parts.remove(&oldest)) else { return };
            self.bytes -= tensors.len();
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
