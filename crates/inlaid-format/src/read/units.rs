//! Which bytes of a file in an object store are fetched and kept together. Pure.
//!
//! Of a shard, those are the row groups, and everything in them but the tensors, for columns that are read as a whole.
//! Both have checksums, which name them: an append lengthens a shard, and its row groups stay what they were. Of the
//! files of other tools they are column chunks, named by the version of the file, long ones in pieces.

use std::ops::Range;

use crate::format::shard::{Checksum, StoredRowGroup};

/// Maximum length of a piece of a column chunk, in bytes.
const PIECE: u64 = 16 << 20;

/// What the memory of row groups is aligned to as their file is, in bytes.
const ALIGNMENT: u64 = 64;

/// Bytes that are fetched and kept together.
#[derive(Debug, PartialEq)]
pub(super) struct Unit {
    /// What messages call it; nothing if it is only a piece.
    pub(super) called: Option<String>,
    /// Where they are in the file, in order.
    pub(super) parts: Vec<Range<u64>>,
    /// Lengths of consecutive stretches, with their checksums. Empty if there are none.
    pub(super) checks: Vec<(u64, Checksum)>,
    /// What tells it from others of its file, and from those that were there before. None if nothing does.
    pub(super) name: Option<String>,
    /// Bytes to put before it, so that elements are aligned as in the file.
    pub(super) pad: usize,
}

impl Unit {
    /// Number of bytes.
    pub(super) fn len(&self) -> u64 {
        self.parts.iter().map(|part| part.end - part.start).sum()
    }
}

/// The units of a file.
#[derive(Debug, Default)]
pub(super) struct Units {
    pub(super) all: Vec<Unit>,
    /// Stretches of the file in order: the number of the unit that holds them, and where they begin in it.
    spans: Vec<(Range<u64>, usize, u64)>,
    /// Row groups in order, with the number of their unit.
    row_groups: Vec<(Range<u64>, usize)>,
}

impl Units {
    /// The units of a shard; none if its row groups are not where they can be.
    pub(super) fn of_shard(row_groups: &[StoredRowGroup], length: u64) -> Option<Units> {
        let mut units = Units::default();
        let (mut rest, mut checks, mut before, mut end) = (Vec::new(), Vec::new(), 0, 0);
        for (number, group) in row_groups.iter().enumerate() {
            let Range { start, end: group_end } = group.range;
            (end <= start && start <= group_end && group_end <= length).then_some(())?;
            end = group_end;
            let unit = 1 + number;
            let mut at = start;
            for part in &group.without_tensors {
                (at <= part.start && part.start <= part.end && part.end <= end).then_some(())?;
                units.add_span(at..part.start, unit, at - start);
                units.add_span(part.clone(), 0, before);
                before += part.end - part.start;
                at = part.end;
            }
            units.add_span(at..end, unit, at - start);
            units.row_groups.push((group.range.clone(), unit));
            let length = group.without_tensors.iter().map(|part| part.end - part.start).sum();
            checks.push((length, group.checksums.without_tensors));
            rest.extend(group.without_tensors.iter().cloned());
        }
        let names: Vec<String> = checks.iter().map(|(_, checksum)| checksum.to_string()).collect();
        let columns = format!("columns-{}", digits(Checksum::of(names.concat().as_bytes())));
        units.all.push(Unit { called: None, parts: rest, checks, name: Some(columns), pad: 0 });
        units.all.extend(row_groups.iter().enumerate().map(|(number, group)| {
            let (range, all) = (group.range.clone(), group.checksums.all);
            let (pad, length) = ((range.start % ALIGNMENT) as usize, range.end - range.start);
            let called = Some(format!("row group {number}"));
            let name = Some(format!("{}-{pad}", digits(all)));
            Unit { called, parts: vec![range], checks: vec![(length, all)], name, pad }
        }));
        Some(units)
    }

    /// The units of a file without checksums, which has these chunks of columns, in any order.
    pub(super) fn of_chunks(mut chunks: Vec<Range<u64>>, version: Option<&str>) -> Units {
        let mut units = Units::default();
        chunks.sort_by_key(|chunk| chunk.start);
        let mut end = 0;
        for chunk in chunks {
            let mut start = chunk.start.max(end);
            while start < chunk.end {
                let piece = start..chunk.end.min(start + PIECE);
                let pad = (start % ALIGNMENT) as usize;
                let name = version.map(|version| {
                    let name = format!("{version} {}..{}", piece.start, piece.end);
                    format!("{}-{pad}", digits(Checksum::of(name.as_bytes())))
                });
                units.add_span(piece.clone(), units.all.len(), 0);
                start = piece.end;
                units.all.push(Unit { called: None, parts: vec![piece], checks: Vec::new(), name, pad });
            }
            end = end.max(chunk.end);
        }
        units
    }

    fn add_span(&mut self, range: Range<u64>, unit: usize, at: u64) {
        if !range.is_empty() {
            self.spans.push((range, unit, at));
        }
    }

    /// The unit that holds a whole range, and where it begins in it.
    pub(super) fn find(&self, range: &Range<u64>) -> Option<(usize, u64)> {
        if let Some((span, unit, at)) = self.span_at(range.start).filter(|(span, ..)| range.end <= span.end) {
            return Some((*unit, at + range.start - span.start));
        }
        let next = self.row_groups.partition_point(|(group, _)| group.start <= range.start);
        let (group, unit) = self.row_groups.get(next.checked_sub(1)?)?;
        (range.end <= group.end).then_some((*unit, range.start - group.start))
    }

    /// Where what a unit holds together with a byte ends; none if no unit holds it.
    pub(super) fn end_of(&self, at: u64) -> Option<u64> {
        self.span_at(at).map(|(span, ..)| span.end)
    }

    /// The beginning of a range as far as one unit holds it, with that unit and where it begins in it, or as far as no unit
    /// holds any of it.
    pub(super) fn split(&self, range: &Range<u64>) -> (Range<u64>, Option<(usize, u64)>) {
        let Range { start, end } = *range;
        if let Some((span, unit, at)) = self.span_at(start) {
            return (start..end.min(span.end), Some((*unit, at + start - span.start)));
        }
        let next = self.spans.partition_point(|(span, ..)| span.start <= start);
        (start..self.spans.get(next).map_or(end, |(span, ..)| end.min(span.start)), None)
    }

    /// The numbers of the units that hold a range.
    pub(super) fn of_range(&self, range: &Range<u64>) -> Vec<usize> {
        if let Some((unit, _)) = self.find(range) {
            return vec![unit];
        }
        let first = self.spans.partition_point(|(span, ..)| span.end <= range.start);
        let held = self.spans[first..].iter().take_while(|(span, ..)| span.start < range.end);
        let mut units: Vec<usize> = held.map(|(_, unit, _)| *unit).collect();
        units.dedup();
        units
    }

    fn span_at(&self, start: u64) -> Option<&(Range<u64>, usize, u64)> {
        let next = self.spans.partition_point(|(span, ..)| span.start <= start);
        self.spans.get(next.checked_sub(1)?).filter(|(span, ..)| start < span.end)
    }
}

/// The digits of a checksum.
pub(super) fn digits(checksum: Checksum) -> String {
    let text = checksum.to_string();
    text.rsplit(':').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::shard::RowGroupChecksums;

    fn shard() -> Units {
        let group = |range: Range<u64>, others: &[(u64, u64)]| {
            let without_tensors = others.iter().map(|(start, end)| *start..*end).collect();
            let checksums = RowGroupChecksums { all: Checksum::of(b"all"), without_tensors: Checksum::of(b"others") };
            StoredRowGroup { rows: 1, range, without_tensors, checksums }
        };
        let groups = [group(4..104, &[(80, 104)]), group(110..210, &[(110, 112), (190, 210)])];
        Units::of_shard(&groups, 300).unwrap()
    }

    #[test]
    fn tensors_are_of_their_row_group_and_the_rest_of_the_columns() {
        let units = shard();
        assert_eq!(units.find(&(10..20)), Some((1, 6)));
        assert_eq!(units.find(&(80..104)), Some((0, 0)));
        assert_eq!(units.find(&(190..192)), Some((0, 26)));
        assert_eq!(units.find(&(120..130)), Some((2, 10)));
        assert_eq!(units.find(&(110..210)), Some((2, 0)));
        assert_eq!(units.find(&(100..111)), None);
        assert_eq!(units.find(&(220..230)), None);
        assert_eq!((units.all[0].len(), units.all[1].pad, units.all[2].pad), (46, 4, 46));
    }

    #[test]
    fn a_range_is_split_where_units_begin_and_end() {
        let units = shard();
        assert_eq!(units.split(&(0..300)), (0..4, None));
        assert_eq!(units.split(&(4..300)), (4..80, Some((1, 0))));
        assert_eq!(units.split(&(104..300)), (104..110, None));
        assert_eq!(units.split(&(110..300)), (110..112, Some((0, 24))));
        assert_eq!(units.of_range(&(0..300)), [1, 0, 2, 0]);
    }

    #[test]
    fn long_chunks_are_pieces() {
        let units = Units::of_chunks(vec![PIECE..3 * PIECE + 1, 4..100], Some("version"));
        let lengths: Vec<u64> = units.all.iter().map(Unit::len).collect();
        assert_eq!(lengths, [96, PIECE, PIECE, 1]);
        assert_eq!(units.find(&(PIECE - 1..PIECE + 1)), None);
    }
}
