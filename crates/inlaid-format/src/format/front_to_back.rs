//! Bytes that lie elsewhere and are read mostly in their order, in blocks: many small steps share one request, and
//! blocks that follow are asked for ahead.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::ranges::Ranges;

/// Bytes of a block.
const BLOCK: u64 = 1 << 20;

/// Most blocks that are asked for ahead, while they are read one after another.
const AHEAD: u64 = 8;

/// Blocks that are kept: steps back are short.
const KEPT: usize = 4;

/// Bytes that are read mostly in their order.
#[derive(Debug)]
pub(crate) struct FrontToBack {
    ranges: Arc<dyn Ranges>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The blocks that were read last, with their numbers.
    kept: VecDeque<(u64, Bytes)>,
    /// Blocks that were begun.
    begun: Vec<u64>,
    /// The block that was read last.
    last: Option<u64>,
    /// Blocks to ask for ahead.
    ahead: u64,
}

impl FrontToBack {
    pub(crate) fn new(ranges: Arc<dyn Ranges>) -> FrontToBack {
        FrontToBack { ranges, state: Mutex::default() }
    }

    fn range(&self, block: u64) -> Range<u64> {
        block * BLOCK..((block + 1) * BLOCK).min(self.ranges.len())
    }

    fn block(&self, state: &mut State, block: u64) -> io::Result<Bytes> {
        if let Some((_, bytes)) = state.kept.iter().find(|(number, _)| *number == block) {
            return Ok(bytes.clone());
        }
        // One that was passed over is no jump.
        let follows = state.last.is_some_and(|last| (last..last + 3).contains(&block)) || state.begun.contains(&block);
        state.ahead = if follows { (2 * state.ahead).clamp(1, AHEAD) } else { 0 };
        state.last = Some(block);
        let wanted = block..=block + state.ahead;
        state.begun.retain(|number| {
            let is_wanted = wanted.contains(number);
            if !is_wanted {
                self.ranges.give_up(&self.range(*number));
            }
            is_wanted
        });
        for next in block + 1..=block + state.ahead {
            let range = self.range(next);
            if !range.is_empty() && !state.begun.contains(&next) && self.ranges.begin(&range) {
                state.begun.push(next);
            }
        }
        state.begun.retain(|number| *number != block);
        let bytes = self.ranges.read(self.range(block))?;
        if state.kept.len() == KEPT {
            state.kept.pop_front();
        }
        state.kept.push_back((block, bytes.clone()));
        Ok(bytes)
    }
}

impl Ranges for FrontToBack {
    fn len(&self) -> u64 {
        self.ranges.len()
    }

    fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, last) = (range.start / BLOCK, range.end.saturating_sub(1) / BLOCK);
        let part = |block: u64, bytes: &Bytes| {
            let start = range.start.saturating_sub(block * BLOCK) as usize;
            let end = (range.end - block * BLOCK).min(bytes.len() as u64) as usize;
            bytes.slice(start..end)
        };
        if first >= last {
            return Ok(part(first, &self.block(&mut state, first)?));
        }
        let mut all = Vec::with_capacity((range.end - range.start) as usize);
        for block in first..=last {
            all.extend_from_slice(&part(block, &self.block(&mut state, block)?));
        }
        Ok(all.into())
    }
}

impl Drop for FrontToBack {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        for block in std::mem::take(&mut state.begun) {
            self.ranges.give_up(&(block * BLOCK..((block + 1) * BLOCK).min(self.ranges.len())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many bytes, each the number of its block, and what was asked for.
    #[derive(Debug)]
    struct Counted(u64, Mutex<Vec<String>>);

    impl Ranges for Counted {
        fn len(&self) -> u64 {
            self.0
        }

        fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
            self.1.lock().unwrap().push(format!("read {}", range.start / BLOCK));
            Ok(range.map(|at| (at / BLOCK) as u8).collect())
        }

        fn begin(&self, range: &Range<u64>) -> bool {
            self.1.lock().unwrap().push(format!("begin {}", range.start / BLOCK));
            true
        }

        fn give_up(&self, range: &Range<u64>) {
            self.1.lock().unwrap().push(format!("give up {}", range.start / BLOCK));
        }
    }

    #[test]
    fn blocks_that_follow_are_asked_for_ahead() {
        let counted = Arc::new(Counted(10 * BLOCK - 1, Mutex::default()));
        let file = FrontToBack::new(counted.clone());
        let asked = || std::mem::take(&mut *counted.1.lock().unwrap());
        assert_eq!(file.read(0..10).unwrap(), vec![0; 10]);
        assert_eq!(file.read(20..30).unwrap(), vec![0; 10]);
        assert_eq!(asked(), ["read 0"]);
        assert_eq!(file.read(BLOCK - 1..BLOCK + 1).unwrap(), vec![0, 1]);
        assert_eq!(asked(), ["begin 2", "read 1"]);
        assert_eq!(file.read(2 * BLOCK..2 * BLOCK + 1).unwrap(), vec![2]);
        assert_eq!(asked(), ["begin 3", "begin 4", "read 2"]);
        assert_eq!(file.read(8 * BLOCK..8 * BLOCK + 1).unwrap(), vec![8]);
        assert_eq!(asked(), ["give up 3", "give up 4", "read 8"]);
        assert_eq!(file.read(10 * BLOCK - 2..10 * BLOCK - 1).unwrap(), vec![9]);
        drop(file);
        assert_eq!(asked(), ["read 9"]);
    }
}
