//! How JPEGs end that have no end-of-image marker, and what is decoded where their data are missing.
//!
//! A scan is whole if all of its blocks are there; then nothing is missing but the marker. If another marker ends the
//! data of an image's only scan, libjpeg and all that is built on it decode gray from there on, without an error.
//! Otherwise the file is cut off, and libjpeg needs to be told to go on (in Pillow by
//! `ImageFile.LOAD_TRUNCATED_IMAGES`).
//!
//! A file is completed by appending what libjpeg would decode: zero bits to the end of the block that is begun, then
//! coefficients of zero, which are gray in a first scan and change nothing in a later one.

use super::chunks::{Segment, segment};

const START_OF_SCAN: u8 = 0xDA;
const END_OF_IMAGE: [u8; 2] = [0xFF, 0xD9];
/// Symbol of a block's end among the AC coefficients.
const END_OF_BLOCK: u8 = 0;
/// Most bits of a DC difference; more are an error.
const MOST_BITS: u8 = 15;

/// The end of a JPEG without an end-of-image marker.
#[derive(Debug)]
pub(super) struct OpenEnd {
    frame: Frame,
    scan: Scan,
    /// Offset of the scan's first marker byte.
    start: usize,
    /// Position where its data end.
    reached: Reached,
    /// Whether the image is what libjpeg decodes without being told to go on.
    is_usable: bool,
}

impl OpenEnd {
    /// The end of a JPEG without an end-of-image marker; none if it has no scan, or is coded in a way that no decoder
    /// here can read.
    pub(super) fn of(file: &[u8]) -> Option<OpenEnd> {
        let mut headers = Headers::default();
        let (mut at, mut last) = (2, None);
        while let Some(segment) = segment(file, at).filter(|segment| segment.range.end <= file.len()) {
            at = segment.range.end;
            if segment.marker != START_OF_SCAN {
                headers.read(&segment)?;
                continue;
            }
            let (frame, scan) = (headers.frame.clone()?, headers.scan(&segment)?);
            let end = end_of_data(file, at);
            let is_only = scan.is_only(&frame);
            last = Some((frame, scan, segment.range, end));
            if is_only || end == file.len() {
                break;
            }
            at = end;
        }
        let (frame, scan, range, end) = last?;
        let reached = scan.walk(&frame, file, range.end, end);
        let is_at_marker = reached.at == end || scan.restart == 0;
        let is_ended = is_at_marker && is_quiet(file, reached.at);
        let is_usable = scan.is_only(&frame) && (reached.is_whole && end == file.len() || is_ended);
        Some(OpenEnd { frame, scan, start: range.start, reached, is_usable })
    }

    /// Whether part of the image is missing that libjpeg would not fill without being told to.
    pub(super) fn is_cut_off(&self) -> bool {
        !self.is_usable
    }

    /// Most bytes of the completed file.
    pub(super) fn most_bytes(&self, file: &[u8]) -> u64 {
        // A code of up to 16 bits and as many bits of a difference, for both coefficients.
        const OF_BLOCK: u64 = 8;
        file.len() as u64 + OF_BLOCK * self.scan.blocks(&self.frame)
    }

    /// The file with an end. None if its tables have no codes for what is missing.
    pub(super) fn complete(&self, file: &[u8]) -> Option<Vec<u8>> {
        let rest = match self.reached.is_whole {
            true => Some(Vec::new()),
            false => self.scan.rest(&self.frame, &self.reached),
        };
        let (kept, rest) = match (rest, self.scan.is_first()) {
            (Some(rest), _) => (self.reached.at, rest),
            (None, true) => return None,
            // The scan only refines others.
            (None, false) => (self.start, Vec::new()),
        };
        Some([&file[..kept], &rest, &END_OF_IMAGE].concat())
    }
}

/// Offset of the marker that ends the data of a scan, or the length of the file.
fn end_of_data(file: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(found) = file[at..].iter().position(|byte| *byte == 0xFF) {
        let marker = at + found;
        let rest = &file[marker..];
        let fill = rest.iter().take_while(|byte| **byte == 0xFF).count();
        match rest.get(fill) {
            None => break,
            Some(0 | 0xD0..=0xD7) => at = marker + fill + 1,
            Some(_) => return marker,
        }
    }
    file.len()
}

/// Whether there is a marker, and libjpeg would look for the end from there on without an error.
fn is_quiet(file: &[u8], mut at: usize) -> bool {
    let mut is_marked = false;
    while let Some([marker, rest @ ..]) = file.get(at + 1..) {
        let is_marker = file[at] == 0xFF;
        at += 1;
        match marker {
            _ if !is_marker => {}
            0 | 0xFF => {}
            1 | 0xD0..=0xD7 => is_marked = true,
            0xC4 | 0xCC | 0xDB..=0xDD | 0xE0..=0xEF | 0xFE => {
                is_marked = true;
                let Some(length) = rest.first_chunk() else { return true };
                at += 1 + usize::from(u16::from_be_bytes(*length));
            }
            // Another frame or scan is an error once its header is read.
            0xC0..=0xC2 => return rest.len() < 8,
            0xDA => {
                let length = rest.first_chunk().map(|length| usize::from(u16::from_be_bytes(*length)));
                return length.is_none_or(|length| rest.len() < length);
            }
            _ => return false,
        }
    }
    is_marked
}

/// What is known before a scan.
#[derive(Debug, Default)]
struct Headers {
    frame: Option<Frame>,
    dc: [Option<Table>; 4],
    ac: [Option<Table>; 4],
    restart: u64,
}

#[derive(Clone, Debug)]
struct Frame {
    is_progressive: bool,
    width: u64,
    height: u64,
    /// Identifier, and sampling across and down.
    components: Vec<(u8, u64, u64)>,
}

impl Headers {
    /// Reads a segment before a scan. None if it is broken or of another coding.
    fn read(&mut self, segment: &Segment<'_>) -> Option<()> {
        match segment.marker {
            0xC0..=0xC2 => self.frame = Some(Frame::read(segment.marker == 0xC2, segment.data)?),
            0xC4 => self.read_tables(segment.data)?,
            0xC3 | 0xC5..=0xCF => return None,
            0xDD => self.restart = u64::from(u16::from_be_bytes(*segment.data.first_chunk()?)),
            _ => {}
        }
        Some(())
    }

    fn read_tables(&mut self, mut data: &[u8]) -> Option<()> {
        while let [place, rest @ ..] = data {
            let (table, rest) = Table::read(rest)?;
            let tables = if place >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            *tables.get_mut(usize::from(place & 15))? = Some(table);
            data = rest;
        }
        Some(())
    }

    fn scan(&self, segment: &Segment<'_>) -> Option<Scan> {
        let frame = self.frame.as_ref()?;
        let (count, data) = segment.data.split_first()?;
        let (of_parts, data) = data.split_at_checked(2 * usize::from(*count))?;
        let &[first, last, bits, ..] = data else { return None };
        let (of_parts, _) = of_parts.as_chunks();
        let part = |[id, tables]: &[u8; 2]| {
            let component = frame.components.iter().position(|(other, ..)| other == id)?;
            let table = |tables: &[Option<Table>; 4], place| tables.get(usize::from(place)).cloned().flatten();
            Some(Part { component, dc: table(&self.dc, tables >> 4), ac: table(&self.ac, tables & 15) })
        };
        let parts = of_parts.iter().map(part).collect::<Option<Vec<_>>>()?;
        let coded = match (frame.is_progressive, first, bits >> 4) {
            (false, ..) => Coded::Whole,
            (true, 0, 0) => Coded::Dc,
            (true, 0, _) => Coded::DcBit,
            (true, _, 0) => Coded::Ac { count: 1 + u64::from(last.checked_sub(first)?) },
            (true, ..) => Coded::AcBit,
        };
        (!parts.is_empty()).then_some(Scan { parts, coded, restart: self.restart })
    }
}

impl Frame {
    fn read(is_progressive: bool, data: &[u8]) -> Option<Frame> {
        let &[_, h0, h1, w0, w1, count, ref rest @ ..] = data else { return None };
        let (components, _) = rest.get(..3 * usize::from(count))?.as_chunks();
        let component = |&[id, sampling, _]: &[u8; 3]| (id, u64::from(sampling >> 4), u64::from(sampling & 15));
        let components: Vec<_> = components.iter().map(component).collect();
        let [width, height] = [[w0, w1], [h0, h1]].map(|side| u64::from(u16::from_be_bytes(side)));
        let is_sampled = components.iter().all(|(_, across, down)| (1..=4).contains(across) && (1..=4).contains(down));
        (is_sampled && width > 0 && height > 0).then_some(Frame { is_progressive, width, height, components })
    }

    /// Greatest sampling across and down.
    fn most(&self) -> (u64, u64) {
        let of = |side: fn(&(u8, u64, u64)) -> u64| self.components.iter().map(side).max().unwrap_or(1);
        (of(|component| component.1), of(|component| component.2))
    }
}

/// Huffman table.
#[derive(Clone, Debug)]
struct Table {
    /// Number of codes of each length, from 1 bit on.
    counts: [u8; 16],
    symbols: Vec<u8>,
}

impl Table {
    fn read(data: &[u8]) -> Option<(Table, &[u8])> {
        let (counts, rest) = data.split_first_chunk::<16>()?;
        let count = counts.iter().map(|count| usize::from(*count)).sum();
        let (symbols, rest) = rest.split_at_checked(count)?;
        Some((Table { counts: *counts, symbols: symbols.to_vec() }, rest))
    }

    /// Reads a symbol. libjpeg takes a code that is none for the symbol 0.
    fn symbol(&self, bits: &mut Bits<'_>) -> u8 {
        let (mut code, mut first, mut at) = (0_u32, 0, 0);
        for count in self.counts.map(u32::from) {
            code = code << 1 | bits.bit();
            if code < first + count {
                return self.symbols[(at + code.saturating_sub(first)) as usize];
            }
            (first, at) = ((first + count) << 1, at + count);
        }
        0
    }

    /// Code of a symbol and its length in bits.
    fn code(&self, symbol: u8) -> Option<(u32, u8)> {
        let (mut code, mut symbols) = (0, self.symbols.iter());
        for (length, count) in (1..).zip(self.counts) {
            for found in symbols.by_ref().take(usize::from(count)) {
                if *found == symbol {
                    return Some((code, length));
                }
                code += 1;
            }
            code <<= 1;
        }
        None
    }
}

/// A scan as its header says.
#[derive(Debug)]
struct Scan {
    parts: Vec<Part>,
    coded: Coded,
    /// Units between two restart markers; 0 without.
    restart: u64,
}

/// A component of a scan, with its tables.
#[derive(Debug)]
struct Part {
    component: usize,
    dc: Option<Table>,
    ac: Option<Table>,
}

/// What a scan says of its blocks.
#[derive(Clone, Copy, Debug)]
enum Coded {
    /// All coefficients.
    Whole,
    /// The DC coefficient.
    Dc,
    /// One more bit of it.
    DcBit,
    /// This many AC coefficients.
    Ac { count: u64 },
    /// One more bit of them, which depends on those before.
    AcBit,
}

/// How far the data of a scan go.
#[derive(Debug)]
struct Reached {
    /// Offset where they end.
    at: usize,
    /// Bits that are missing in the last unit.
    padding: usize,
    /// Units that are done.
    units: u64,
    /// DC coefficients of the last blocks, by part.
    last: Vec<i32>,
    /// Whether all units are there.
    is_whole: bool,
}

impl Scan {
    /// Whether the image has no other scan.
    fn is_only(&self, frame: &Frame) -> bool {
        !frame.is_progressive && self.parts.len() == frame.components.len()
    }

    /// Whether it is the first of its coefficients.
    fn is_first(&self) -> bool {
        matches!(self.coded, Coded::Whole | Coded::Dc)
    }

    /// Units of the scan: blocks of its only component, or as many blocks of each as their sampling says.
    fn units(&self, frame: &Frame) -> u64 {
        let (across, down) = frame.most();
        match &self.parts[..] {
            [part] => {
                let (_, h, v) = frame.components[part.component];
                (frame.width * h).div_ceil(8 * across) * (frame.height * v).div_ceil(8 * down)
            }
            _ => frame.width.div_ceil(8 * across) * frame.height.div_ceil(8 * down),
        }
    }

    /// Blocks of each part in a unit.
    fn blocks_of_unit<'a>(&'a self, frame: &'a Frame) -> impl Iterator<Item = (usize, &'a Part, u64)> {
        let is_alone = self.parts.len() == 1;
        self.parts.iter().enumerate().map(move |(number, part)| {
            let (_, h, v) = frame.components[part.component];
            (number, part, if is_alone { 1 } else { h * v })
        })
    }

    /// Blocks of the scan.
    fn blocks(&self, frame: &Frame) -> u64 {
        self.units(frame) * self.blocks_of_unit(frame).map(|(.., blocks)| blocks).sum::<u64>()
    }

    /// Whether a restart marker is due before a unit.
    fn restarts_at(&self, unit: u64) -> bool {
        self.restart > 0 && unit > 0 && unit.is_multiple_of(self.restart)
    }

    /// Number of the restart marker before a unit.
    fn restart_before(&self, unit: u64) -> u8 {
        0xD0 | ((unit / self.restart - 1) % 8) as u8
    }

    /// Follows the data of the scan to their end.
    fn walk(&self, frame: &Frame, file: &[u8], start: usize, end: usize) -> Reached {
        let mut bits = Bits { data: &file[..end], at: start, byte: 0, left: 0, padding: 0 };
        let mut last = vec![0; self.parts.len()];
        let (total, mut run) = (self.units(frame), 0);
        let mut unit = 0;
        while unit < total && bits.padding == 0 {
            if self.restarts_at(unit) {
                if !bits.restart(self.restart_before(unit)) {
                    break;
                }
                (run, last) = (0, vec![0; self.parts.len()]);
            }
            for (number, part, blocks) in self.blocks_of_unit(frame) {
                for _ in 0..blocks {
                    if self.block(part, &mut bits, &mut last[number], &mut run).is_none() {
                        // A table is missing, or the bits depend on earlier scans.
                        return Reached { at: end, padding: 0, units: unit, last, is_whole: end < file.len() };
                    }
                }
            }
            unit += 1;
        }
        let is_whole = unit == total && bits.padding == 0;
        let at = if is_whole { end } else { bits.at };
        Reached { at, padding: bits.padding, units: unit, last, is_whole }
    }

    /// Reads a block. None if that is not possible.
    fn block(&self, part: &Part, bits: &mut Bits<'_>, last: &mut i32, run: &mut u64) -> Option<()> {
        match self.coded {
            Coded::Whole => {
                difference(part.dc.as_ref()?, bits, last);
                coefficients(part.ac.as_ref()?, bits, 63);
            }
            Coded::Dc => difference(part.dc.as_ref()?, bits, last),
            Coded::DcBit => {
                bits.bit();
            }
            Coded::Ac { .. } if *run > 0 => *run -= 1,
            Coded::Ac { count } => {
                if let Some(size) = coefficients(part.ac.as_ref()?, bits, count) {
                    *run = (1 << size) + u64::from(bits.take(size)) - 1;
                }
            }
            Coded::AcBit => return None,
        }
        Some(())
    }

    /// The data that are missing from where the walk ended. None if the tables have no codes for them.
    fn rest(&self, frame: &Frame, reached: &Reached) -> Option<Vec<u8>> {
        if let Coded::AcBit = self.coded {
            return None;
        }
        let (mut out, mut last) = (BitWriter::default(), reached.last.clone());
        (0..reached.padding).for_each(|_| out.push(0, 1));
        let blanks = self.parts.iter().map(|part| Blank::new(part, self.coded)).collect::<Option<Vec<_>>>()?;
        let total = self.units(frame);
        let mut unit = reached.units;
        while unit < total {
            if self.restarts_at(unit) {
                out.restart(self.restart_before(unit));
                last.fill(0);
            }
            if let Coded::Ac { .. } = self.coded {
                let until = unit.checked_div(self.restart).map_or(total, |done| (done + 1) * self.restart);
                let until = until.min(total);
                // Decoders end a run at a restart marker.
                unit = until.min(unit + blank_run(self.parts[0].ac.as_ref()?, until - unit, &mut out)?);
                continue;
            }
            for (number, _, blocks) in self.blocks_of_unit(frame) {
                (0..blocks).for_each(|_| blanks[number].write(&mut last[number], &mut out));
            }
            unit += 1;
        }
        Some(out.finish())
    }
}

/// Codes that make blocks gray.
struct Blank {
    /// Code of each number of bits that a DC difference may have.
    steps: Vec<(u8, (u32, u8))>,
    /// Code of the end of a block.
    end: Option<(u32, u8)>,
}

impl Blank {
    /// The codes for a component of a scan. None if a table has none.
    fn new(part: &Part, coded: Coded) -> Option<Blank> {
        let code = |bits| Some((bits, part.dc.as_ref()?.code(bits)?));
        let (steps, end) = match coded {
            Coded::Whole => ((0..=MOST_BITS).filter_map(code).collect(), Some(part.ac.as_ref()?.code(END_OF_BLOCK)?)),
            Coded::Dc => ((0..=MOST_BITS).filter_map(code).collect(), None),
            _ => return Some(Blank { steps: Vec::new(), end: Some((0, 1)) }),
        };
        (!Vec::is_empty(&steps)).then_some(Blank { steps, end })
    }

    /// Writes a block that is gray, or as near to it as one difference leads.
    fn write(&self, last: &mut i32, out: &mut BitWriter) {
        let step = |bits: u8| match 1_i32 << bits {
            1 => 0,
            most => -last.abs().clamp(most / 2, most - 1) * if *last < 0 { -1 } else { 1 },
        };
        let best = self.steps.iter().min_by_key(|(bits, _)| (*last + step(*bits)).abs());
        if let Some(&(bits, (code, length))) = best {
            let step = step(bits);
            out.push(code, length);
            // A negative difference is written as its one's complement.
            out.push(if step < 0 { step + (1 << bits) - 1 } else { step } as u32, bits);
            *last += step;
        }
        if let Some((code, length)) = self.end {
            out.push(code, length);
        }
    }
}

/// Reads a DC coefficient.
fn difference(table: &Table, bits: &mut Bits<'_>, last: &mut i32) {
    let count = table.symbol(bits).min(MOST_BITS);
    let value = bits.take(count) as i32;
    let is_negative = count > 0 && value >> (count - 1) == 0;
    *last = last.wrapping_add(if is_negative { value - (1 << count) + 1 } else { value });
}

/// Reads AC coefficients up to the end of the block. If that is a run of ends, returns the number of bits of its length.
fn coefficients(table: &Table, bits: &mut Bits<'_>, count: u64) -> Option<u8> {
    let mut read = 0;
    while read < count {
        let symbol = table.symbol(bits);
        match (symbol >> 4, symbol & 15) {
            (size @ 0..15, 0) => return Some(size),
            (run, size) => {
                bits.take(size);
                read += 1 + u64::from(run);
            }
        }
    }
    None
}

/// Writes that the next blocks have no coefficients; returns how many.
fn blank_run(table: &Table, blocks: u64, out: &mut BitWriter) -> Option<u64> {
    let fits = (0..15_u8).rev().filter(|bits| 1 << bits <= blocks);
    // A run may be longer than the scan.
    let (bits, (code, length)) = fits.chain(0..15).find_map(|bits| Some((bits, table.code(bits << 4)?)))?;
    let more = (blocks.max(1 << bits) - (1 << bits)).min((1 << bits) - 1);
    out.push(code, length);
    out.push(more as u32, bits);
    Some((1 << bits) + more)
}

/// Reads the data of a scan bit by bit, and zeros after their end.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    byte: u8,
    left: u8,
    padding: usize,
}

impl Bits<'_> {
    fn bit(&mut self) -> u32 {
        if self.left == 0 {
            let rest = &self.data[self.at..];
            let fill = rest.iter().take_while(|byte| **byte == 0xFF).count();
            let (byte, length) = match (fill, rest.get(fill)) {
                (0, Some(byte)) => (*byte, 1),
                (1.., Some(0)) => (0xFF, fill + 1),
                _ => {
                    self.padding += 1;
                    return 0;
                }
            };
            (self.byte, self.left) = (byte, 8);
            self.at += length;
        }
        self.left -= 1;
        u32::from(self.byte >> self.left & 1)
    }

    fn take(&mut self, count: u8) -> u32 {
        (0..count).fold(0, |bits, _| bits << 1 | self.bit())
    }

    /// Passes over this restart marker, if it is the next one.
    fn restart(&mut self, marker: u8) -> bool {
        let rest = &self.data[self.at..];
        let fill = rest.iter().take_while(|byte| **byte == 0xFF).count();
        let is_next = fill > 0 && rest.get(fill) == Some(&marker);
        if is_next {
            self.at += fill + 1;
        }
        self.left = 0;
        is_next
    }
}

/// Writes the data of a scan.
#[derive(Default)]
struct BitWriter {
    bytes: Vec<u8>,
    byte: u8,
    used: u8,
}

impl BitWriter {
    fn push(&mut self, bits: u32, count: u8) {
        for at in (0..count).rev() {
            self.byte = self.byte << 1 | (bits >> at & 1) as u8;
            self.used += 1;
            if self.used == 8 {
                self.bytes.push(self.byte);
                if self.byte == 0xFF {
                    self.bytes.push(0);
                }
                (self.byte, self.used) = (0, 0);
            }
        }
    }

    fn restart(&mut self, marker: u8) {
        self.fill();
        self.bytes.extend([0xFF, marker]);
    }

    /// The last byte is filled with ones.
    fn fill(&mut self) {
        while self.used > 0 {
            self.push(1, 1);
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.fill();
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes 0, 10 and 110 for the symbols 0, 3 and 5.
    fn table() -> Table {
        let mut counts = [0; 16];
        counts[..3].fill(1);
        Table { counts, symbols: vec![0, 3, 5] }
    }

    fn bits(data: &[u8]) -> Bits<'_> {
        Bits { data, at: 0, byte: 0, left: 0, padding: 0 }
    }

    #[test]
    fn codes_are_read_as_they_are_written() {
        let codes = [0, 3, 5, 4].map(|symbol| table().code(symbol));
        assert_eq!(codes, [Some((0, 1)), Some((0b10, 2)), Some((0b110, 3)), None]);
        let mut out = BitWriter::default();
        for symbol in [5, 0, 3, 3] {
            let (code, length) = table().code(symbol).unwrap();
            out.push(code, length);
        }
        let written = out.finish();
        let mut read = bits(&written);
        assert_eq!([(); 4].map(|()| table().symbol(&mut read)), [5, 0, 3, 3]);
        // The rest are ones, which no code begins with.
        assert_eq!(table().symbol(&mut bits(&[0xFF, 0])), 0);
    }

    #[test]
    fn blank_blocks_lead_back_to_gray() {
        let part = Part { component: 0, dc: Some(table()), ac: Some(table()) };
        let blank = Blank::new(&part, Coded::Whole).unwrap();
        for start in [-40, -5, 0, 3, 7, 31, 38] {
            let (mut out, mut last) = (BitWriter::default(), start);
            (0..9).for_each(|_| blank.write(&mut last, &mut out));
            let written = out.finish();
            let (mut read, mut found) = (bits(&written), start);
            for _ in 0..9 {
                difference(&table(), &mut read, &mut found);
                assert_eq!(coefficients(&table(), &mut read, 63), Some(0));
            }
            assert_eq!((found, read.padding), (last, 0));
            // The table has no code for differences of 1 to 3.
            assert!(last.abs() < 4, "{start} ends at {last}");
        }
    }

    #[test]
    fn data_end_at_markers_that_restart_nothing() {
        assert_eq!(end_of_data(&[1, 0xFF, 0, 0xFF, 0xD3, 2, 0xFF, 0xFF, 0xE0, 0], 0), 6);
        assert_eq!(end_of_data(&[1, 2, 0xFF], 0), 3);
        assert_eq!(bits(&[0xFF, 0xFF, 0, 7]).take(16), 0xFF07);
        let quiet = |tail: &[u8]| is_quiet(tail, 0);
        assert!(quiet(&[0xFF, 0xE0, 0, 9]) && quiet(&[0xFF, 0xD3]));
        assert!(!quiet(&[0xFF]) && !quiet(&[1, 2]) && !quiet(&[0xFF, 0xC6]));
        assert!(quiet(&[0xFF, 0xDA]) && !quiet(&[0xFF, 0xDA, 0, 3, 1, 0]));
    }
}
