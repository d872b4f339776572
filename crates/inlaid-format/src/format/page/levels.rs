//! The levels of a page: what tells a Parquet reader where lists begin and which values are there.
//!
//! Every list has the same length and nothing is missing, so levels are runs of the RLE / bit-packing
//! hybrid and depend only on the number of rows. One sequence of equal levels may be cut into several
//! runs: that is how a page gets the few bytes that make its pixels begin where they should.

/// Level of a value that is there: the list is required, its item is optional.
const PRESENT: u8 = 2;

/// The most bytes that cutting runs may add.
pub(super) const MAX_EXTRA: usize = 32;

/// A level run of the first kind takes 2 bytes, of the second 3.
const SHORT_RUN: usize = 1;
const LONG_RUN: usize = 64;

/// Repetition levels (each row: one 0, then 1s) and definition levels of `rows` lists of `elements`
/// values, each with its length before it, in `extra` bytes more than they need. None if there are too
/// few levels for that.
pub(super) fn levels(rows: usize, elements: usize, extra: usize) -> Option<Vec<u8>> {
    let mut repetition = Vec::new();
    if elements == 1 {
        push_run(&mut repetition, rows, 0);
    } else {
        for _ in 0..rows {
            push_run(&mut repetition, 1, 0);
            push_run(&mut repetition, elements - 1, 1);
        }
    }
    let definition = definition(rows * elements, extra)?;
    let mut levels = Vec::new();
    for encoded in [repetition, definition] {
        levels.extend_from_slice(&(encoded.len() as u32).to_le_bytes());
        levels.extend_from_slice(&encoded);
    }
    Some(levels)
}

/// `count` times [`PRESENT`], in `extra` bytes more than one run takes.
fn definition(count: usize, extra: usize) -> Option<Vec<u8>> {
    let long = extra % 2;
    let short = extra.checked_sub(3 * long)? / 2;
    let rest = count.checked_sub(long * LONG_RUN + short * SHORT_RUN).filter(|rest| *rest > 0)?;
    let (mut whole, mut runs) = (Vec::new(), Vec::new());
    push_run(&mut whole, count, PRESENT);
    push_run(&mut runs, rest, PRESENT);
    for length in std::iter::repeat_n(LONG_RUN, long).chain(std::iter::repeat_n(SHORT_RUN, short)) {
        push_run(&mut runs, length, PRESENT);
    }
    (runs.len() == whole.len() + extra).then_some(runs)
}

/// Adds a run of the RLE / bit-packing hybrid: `count` times a level of at most 8 bits.
fn push_run(out: &mut Vec<u8>, count: usize, level: u8) {
    push_varint(out, (count as u64) << 1);
    out.push(level);
}

/// Adds an unsigned LEB128 number.
pub(super) fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_cut_for_more_bytes() {
        assert_eq!(definition(100, 0).unwrap(), [200, 1, 2]);
        assert_eq!(definition(100, 1), None);
        assert_eq!(definition(1000, 2).unwrap(), [0xce, 0x0f, 2, 2, 2]);
        assert_eq!(definition(1000, 3).unwrap(), [0xd0, 0x0e, 2, 128, 1, 2]);
        assert_eq!(definition(1000, 5).unwrap(), [0xce, 0x0e, 2, 128, 1, 2, 2, 2]);
    }

    #[test]
    fn too_few_levels_are_not_cut() {
        assert_eq!(definition(1, 2), None);
        assert_eq!(definition(64, 3), None);
        // The rest would take a byte less.
        assert_eq!(definition(64, 2), None);
    }
}
