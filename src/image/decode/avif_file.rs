//! The parts of an AVIF file that decide its image: items, their properties and their data
//! (ISO/IEC 14496-12, ISO/IEC 23008-12). Nothing is copied but data in several pieces.

use std::borrow::Cow;

use image::metadata::Orientation;

use crate::error::RecordError;

/// Most tiles of an image.
const MOST_TILES: usize = 1 << 12;

/// Most pixels of a tile's side, unless the picture has more.
const MOST_MARGIN: u32 = 1 << 10;

/// Most pieces of an item's data.
const MOST_PIECES: u64 = 1 << 8;

/// What a file says of its image.
#[derive(Debug)]
pub(super) struct AvifFile<'a> {
    pub(super) colors: Picture<'a>,
    pub(super) alpha: Option<Picture<'a>>,
    pub(super) is_premultiplied: bool,
    /// Bits of a sample.
    pub(super) depth: u8,
    pub(super) is_gray: bool,
    /// Matrix coefficients and full range, unless the coded image decides.
    pub(super) coding: Option<(u16, bool)>,
    pub(super) profile: Option<&'a [u8]>,
    pub(super) orientation: Orientation,
}

/// Picture of one or more tiles of the same size, in rows.
#[derive(Debug)]
pub(super) struct Picture<'a> {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) tile: (u32, u32),
    pub(super) columns: usize,
    /// Coded data of each tile.
    pub(super) tiles: Vec<Cow<'a, [u8]>>,
}

impl<'a> AvifFile<'a> {
    /// Reads what is needed to decode the image.
    ///
    /// # Errors
    /// If the file is broken, ends early, or has no still image.
    pub(super) fn read(file: &'a [u8]) -> Result<AvifFile<'a>, RecordError> {
        let meta = boxes(file).find(|(kind, _)| kind == b"meta").map(|(_, content)| content);
        let Some(meta) = meta else {
            return Err(match top_ends_early(file) {
                true => RecordError::Truncated,
                false => malformed("it has no still image"),
            });
        };
        let items = Items::read(file, meta).ok_or_else(|| malformed("its list of items is broken"))?;
        items.image()
    }
}

fn malformed(what: &str) -> RecordError {
    RecordError::Malformed(format!("AVIF: {what}"))
}

/// The boxes in a box: name and content. The walk ends where a box does not fit.
fn boxes(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let mut reader = Reader(rest);
        let length = reader.number(4)?;
        let kind = *reader.take(4)?.first_chunk()?;
        let (head, length) = match length {
            0 => (8, rest.len()),
            1 => (16, usize::try_from(reader.number(8)?).ok()?),
            length => (8, length as usize),
        };
        let content = rest.get(head..length)?;
        rest = &rest[length..];
        Some((kind, content))
    })
}

/// Whether a box of the file does not fit.
fn top_ends_early(file: &[u8]) -> bool {
    let whole: usize = boxes(file).map(|(_, content)| content.len() + 8).sum();
    whole < file.len()
}

/// Numbers from the start of some bytes on.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// A big-endian number of up to eight bytes.
    fn number(&mut self, bytes: usize) -> Option<u64> {
        Some(self.take(bytes)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// Version and flags of a full box.
    fn version(&mut self) -> Option<(u8, u32)> {
        let both = self.number(4)?;
        Some(((both >> 24) as u8, both as u32 & 0xFF_FFFF))
    }
}

/// The items of a file.
struct Items<'a> {
    file: &'a [u8],
    /// Data that items may be in, besides the file.
    own: &'a [u8],
    primary: u64,
    kinds: Vec<(u64, [u8; 4])>,
    pieces: Vec<Piece>,
    properties: Vec<([u8; 4], &'a [u8])>,
    /// Indices of each item's properties, from 1 on.
    owned: Vec<(u64, Vec<usize>)>,
    references: Vec<Reference>,
}

/// Piece of an item's data.
struct Piece {
    item: u64,
    /// What the offset is counted in: 0 is the file, 1 the data of the items' box.
    method: u64,
    offset: u64,
    /// 0: all that follows.
    length: u64,
}

/// What an item says of others.
struct Reference {
    kind: [u8; 4],
    from: u64,
    to: Vec<u64>,
}

impl<'a> Items<'a> {
    fn read(file: &'a [u8], meta: &'a [u8]) -> Option<Items<'a>> {
        let find = |kind: &[u8; 4]| boxes(meta.get(4..)?).find(|(found, _)| found == kind).map(|(_, content)| content);
        let properties = find(b"iprp")?;
        let within = |kind: &[u8; 4]| boxes(properties).find(|(found, _)| found == kind).map(|(_, content)| content);
        let mut primary = Reader(find(b"pitm")?);
        let (version, _) = primary.version()?;
        Some(Items {
            file,
            own: find(b"idat").unwrap_or_default(),
            primary: primary.number(if version == 0 { 2 } else { 4 })?,
            kinds: kinds(find(b"iinf")?)?,
            pieces: pieces(find(b"iloc")?)?,
            properties: boxes(within(b"ipco")?).collect(),
            owned: owned(within(b"ipma")?)?,
            references: match find(b"iref") {
                Some(references) => self::references(references)?,
                None => Vec::new(),
            },
        })
    }

    fn image(&self) -> Result<AvifFile<'a>, RecordError> {
        let colors = self.picture(self.primary)?;
        let first = self.tiles(self.primary).first().copied().unwrap_or(self.primary);
        let config = self.property(first, b"av1C").or_else(|| self.property(self.primary, b"av1C"));
        let &[_, _, bits, ..] = config.ok_or_else(|| malformed("it has no configuration"))? else {
            return Err(malformed("its configuration is broken"));
        };
        let depth = match (bits & 0x40 != 0, bits & 0x20 != 0) {
            (false, _) => 8,
            (true, false) => 10,
            (true, true) => 12,
        };
        let alpha = self.alpha_of(self.primary);
        let is_premultiplied = alpha.is_some_and(|alpha| {
            let is_of = |of: &Reference| of.kind == *b"prem" && of.from == self.primary && of.to.contains(&alpha);
            self.references.iter().any(is_of)
        });
        Ok(AvifFile {
            colors,
            alpha: alpha.map(|alpha| self.picture(alpha)).transpose()?,
            is_premultiplied,
            depth,
            is_gray: bits & 0x10 != 0,
            coding: self.color(b"nclx").and_then(|color| {
                let &[_, _, _, _, m0, m1, range, ..] = color else { return None };
                Some((u16::from_be_bytes([m0, m1]), range & 0x80 != 0))
            }),
            profile: self.color(b"prof").or_else(|| self.color(b"rICC")),
            orientation: self.orientation(),
        })
    }

    /// The picture of an item: one tile, or a grid of them.
    fn picture(&self, item: u64) -> Result<Picture<'a>, RecordError> {
        let (width, height) = self.size(item).ok_or_else(|| malformed("an item has no size"))?;
        let kind = self.kinds.iter().find(|(id, _)| *id == item).map(|(_, kind)| kind);
        match kind {
            Some(b"av01") => {
                Ok(Picture { width, height, tile: (width, height), columns: 1, tiles: vec![self.data(item)?] })
            }
            Some(b"grid") => self.grid(item),
            _ => Err(RecordError::UnsupportedVariant("AVIF images made of other images".into())),
        }
    }

    fn grid(&self, item: u64) -> Result<Picture<'a>, RecordError> {
        let broken = || malformed("its grid is broken");
        let data = self.data(item)?;
        let mut reader = Reader(&data);
        let mut header = || {
            let (_, flags) = (reader.number(1)?, reader.number(1)?);
            let (rows, columns) = (reader.number(1)? as usize + 1, reader.number(1)? as usize + 1);
            let bytes = if flags & 1 == 0 { 2 } else { 4 };
            Some((rows, columns, reader.number(bytes)? as u32, reader.number(bytes)? as u32))
        };
        let (rows, columns, width, height) = header().ok_or_else(broken)?;
        let tiles = self.tiles(item);
        let tile = tiles.first().and_then(|tile| self.size(*tile)).ok_or_else(broken)?;
        // Each row and column begins within the picture, and the last ones reach its end.
        let fits = |count: usize, tile: u32, side: u32| {
            let (count, tile, side) = (count as u64, u64::from(tile), u64::from(side));
            (count - 1) * tile < side && count * tile >= side
        };
        let is_whole = tiles.len() == rows * columns && tiles.len() <= MOST_TILES;
        let is_small = tile.0 <= width.max(MOST_MARGIN) && tile.1 <= height.max(MOST_MARGIN);
        let is_even = is_small && tiles.iter().all(|other| self.size(*other) == Some(tile));
        if !is_whole || !is_even || !fits(columns, tile.0, width) || !fits(rows, tile.1, height) {
            return Err(broken());
        }
        let tiles = tiles.iter().map(|tile| self.data(*tile)).collect::<Result<_, _>>()?;
        Ok(Picture { width, height, tile, columns, tiles })
    }

    /// The items that an item is made of.
    fn tiles(&self, item: u64) -> &[u64] {
        let of = self.references.iter().find(|of| of.kind == *b"dimg" && of.from == item);
        of.map_or(&[], |of| &of.to)
    }

    fn alpha_of(&self, item: u64) -> Option<u64> {
        const ALPHA: [&[u8]; 2] = [b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0", b"urn:mpeg:hevc:2015:auxid:1\0"];
        let is_alpha = |from: u64| {
            let of = self.property(from, b"auxC").and_then(|of| of.get(4..));
            of.is_some_and(|of| ALPHA.iter().any(|alpha| of.starts_with(alpha)))
        };
        let of = self.references.iter().filter(|of| of.kind == *b"auxl" && of.to.contains(&item));
        of.map(|of| of.from).find(|from| is_alpha(*from))
    }

    fn properties_of(&self, item: u64) -> impl Iterator<Item = &([u8; 4], &'a [u8])> {
        let of = self.owned.iter().filter(move |(id, _)| *id == item).flat_map(|(_, indices)| indices);
        of.filter_map(|index| self.properties.get(index.checked_sub(1)?))
    }

    fn property(&self, item: u64, kind: &[u8; 4]) -> Option<&'a [u8]> {
        self.properties_of(item).find(|(found, _)| found == kind).map(|(_, content)| *content)
    }

    /// Content of the image's color box of a kind.
    fn color(&self, kind: &[u8; 4]) -> Option<&'a [u8]> {
        let mut colors = self.properties_of(self.primary).filter(|(found, _)| found == b"colr");
        colors.find_map(|(_, content)| content.strip_prefix(kind))
    }

    fn size(&self, item: u64) -> Option<(u32, u32)> {
        let mut reader = Reader(self.property(item, b"ispe")?);
        reader.version()?;
        Some((reader.number(4)? as u32, reader.number(4)? as u32))
    }

    /// A turn against the clock, then a mirror; as EXIF would say it.
    fn orientation(&self) -> Orientation {
        let number = |kind| self.property(self.primary, kind).and_then(|content: &[u8]| content.first().copied());
        let exif = match (number(b"irot").unwrap_or(0) & 3, number(b"imir").map(|axis| axis & 1)) {
            (0, None) => 1,
            (0, Some(1)) | (2, Some(0)) => 2,
            (2, None) => 3,
            (0, Some(_)) | (2, Some(_)) => 4,
            (1, Some(0)) | (3, Some(1)) => 5,
            (3, None) => 6,
            (1, Some(_)) | (3, Some(_)) => 7,
            _ => 8,
        };
        Orientation::from_exif(exif).unwrap_or(Orientation::NoTransforms)
    }

    /// The data of an item.
    fn data(&self, item: u64) -> Result<Cow<'a, [u8]>, RecordError> {
        let pieces = self.pieces.iter().filter(|piece| piece.item == item);
        let pieces = pieces.map(|piece| self.piece(piece)).collect::<Result<Vec<_>, _>>()?;
        match pieces[..] {
            [] => Err(malformed("an item has no data")),
            [piece] => Ok(Cow::Borrowed(piece)),
            // Pieces of a file don't overlap.
            _ if pieces.iter().map(|piece| piece.len()).sum::<usize>() > self.file.len() => {
                Err(malformed("the data of an item overlap"))
            }
            _ => Ok(Cow::Owned(pieces.concat())),
        }
    }

    fn piece(&self, piece: &Piece) -> Result<&'a [u8], RecordError> {
        let all = match piece.method {
            0 => self.file,
            1 => self.own,
            _ => return Err(RecordError::UnsupportedVariant("AVIF data within other items".into())),
        };
        let [offset, length] = [piece.offset, piece.length].map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        let from = all.get(offset..).ok_or(RecordError::Truncated)?;
        if length == 0 { Ok(from) } else { from.get(..length).ok_or(RecordError::Truncated) }
    }
}

/// Kind of each item.
fn kinds(content: &[u8]) -> Option<Vec<(u64, [u8; 4])>> {
    let mut reader = Reader(content);
    let (version, _) = reader.version()?;
    reader.number(if version == 0 { 2 } else { 4 })?;
    let entry = |content| {
        let mut reader = Reader(content);
        let (version, _) = reader.version()?;
        let id = reader.number(if version == 3 { 4 } else { 2 })?;
        reader.number(2)?;
        Some((id, *reader.take(4)?.first_chunk()?))
    };
    boxes(reader.0).filter(|(kind, _)| kind == b"infe").map(|(_, content)| entry(content)).collect()
}

/// The pieces of all items' data.
fn pieces(content: &[u8]) -> Option<Vec<Piece>> {
    let mut reader = Reader(content);
    let (version, _) = reader.version()?;
    let sizes = reader.number(2)? as usize;
    let [of_offset, of_length, of_base, of_index] = [12, 8, 4, 0].map(|shift| sizes >> shift & 15);
    let of_index = if version == 0 { 0 } else { of_index };
    if [of_offset, of_length, of_base, of_index].iter().any(|size| *size > 8) {
        return None;
    }
    let of_id = if version < 2 { 2 } else { 4 };
    let mut pieces = Vec::new();
    for _ in 0..reader.number(of_id)? {
        let item = reader.number(of_id)?;
        let method = if version == 0 { 0 } else { reader.number(2)? & 15 };
        reader.number(2)?;
        let base = reader.number(of_base)?;
        let count = reader.number(2)?;
        if count > MOST_PIECES {
            return None;
        }
        for _ in 0..count {
            reader.number(of_index)?;
            let offset = base.checked_add(reader.number(of_offset)?)?;
            pieces.push(Piece { item, method, offset, length: reader.number(of_length)? });
        }
    }
    Some(pieces)
}

/// Indices of each item's properties.
fn owned(content: &[u8]) -> Option<Vec<(u64, Vec<usize>)>> {
    let mut reader = Reader(content);
    let (version, flags) = reader.version()?;
    let mut items = Vec::new();
    for _ in 0..reader.number(4)? {
        let id = reader.number(if version == 0 { 2 } else { 4 })?;
        let mut indices = Vec::new();
        for _ in 0..reader.number(1)? {
            // The highest bit says whether the property has to be understood.
            indices.push(match flags & 1 {
                0 => reader.number(1)? as usize & 0x7F,
                _ => reader.number(2)? as usize & 0x7FFF,
            });
        }
        items.push((id, indices));
    }
    Some(items)
}

fn references(content: &[u8]) -> Option<Vec<Reference>> {
    let mut reader = Reader(content);
    let (version, _) = reader.version()?;
    let of_id = if version == 0 { 2 } else { 4 };
    let reference = |(kind, content)| {
        let mut reader = Reader(content);
        let from = reader.number(of_id)?;
        let count = reader.number(2)?;
        let to = (0..count).map(|_| reader.number(of_id)).collect::<Option<_>>()?;
        Some(Reference { kind, from, to })
    };
    boxes(reader.0).map(reference).collect()
}
