//! The levels of a page, from which a Parquet reader learns where lists begin and which values are present.
//!
//! Every list has the same length and no value is null, so levels are runs of the RLE / bit-packing
//! hybrid and depend only on the number of rows. A sequence of equal levels may be cut into several
//! runs: the extra bytes align the pixels that follow.

/// Definition level of a value that is not null: the list is required, its item is optional.
const PRESENT: u8 = 2;

/// Maximum number of bytes that cutting runs may add.
pub(super) const MAX_EXTRA: usize = 32;

/// Lengths of the runs to cut off, in levels: a short one takes 2 bytes, a long one 3.
const SHORT_RUN: usize = 1;
const LONG_RUN: usize = 64;

/// Repetition levels (for each row, one 0, then 1s) and definition levels of `rows` lists of `elements`
/// values, each preceded by its length, using `extra` bytes more than the minimum. None if there are too
/// few levels to use that many.
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

/// [`PRESENT`], `count` times, in `extra` bytes more than a single run takes.
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

/// Appends a run of the RLE / bit-packing hybrid: one level of at most 8 bits, `count` times.
fn push_run(out: &mut Vec<u8>, count: usize, level: u8) {
    push_varint(out, (count as u64) << 1);
    out.push(level);
}

/// Appends an unsigned LEB128 number.
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
