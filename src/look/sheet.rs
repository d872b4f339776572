//! Contact sheets: pictures of rows with what they are, in lines and columns.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::path::Path;

use super::file::{check, written};
use super::picture::Picture;
use super::pictures::PictureMaker;
use super::rows::{Place, Rows};
use super::sample::Sample;
use super::text::{LINE, write, write_lines};
use crate::dataset::reject::Reject;
use crate::error::{Error, FormatError};
use crate::read::Table;

/// Longest side of a picture on a sheet, in pixels, and the space around it.
const SIDE: usize = 128;
const SPACE: usize = 8;

/// Levels of gray of the paper and of texts.
const PAPER: u8 = 255;
const INK: u8 = 32;

/// Quality of sheets as JPEGs.
const QUALITY: u8 = 85;

/// What a PNG begins with.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Which rows a contact sheet shows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shown {
    /// This many rows, evenly from all classes, drawn with a seed.
    Drawn {
        /// Most rows.
        rows: usize,
        /// Decides which ones.
        seed: u64,
    },
    /// This many rows of a class, drawn with a seed.
    Class {
        /// Name of the class.
        name: String,
        /// Most rows.
        rows: usize,
        /// Decides which ones.
        seed: u64,
    },
    /// The rows with these numbers, from 0.
    Rows(Vec<usize>),
}

/// A contact sheet.
#[derive(Clone, Debug)]
pub struct Sheet {
    tiles: Vec<Tile>,
}

/// A picture on a contact sheet, and the lines below it.
#[derive(Clone, Debug)]
pub struct Tile {
    /// None of an image that can't be used.
    picture: Option<Picture>,
    lines: [String; 2],
}

impl Sheet {
    /// A sheet of rows of these tables, which are splits with names. Pictures are made on this many threads, or on one for
    /// each core.
    ///
    /// # Errors
    /// If there are no such rows, they are not images, or a file can't be read.
    pub fn of(tables: Vec<(String, Table)>, shown: &Shown, threads: Option<NonZeroUsize>) -> Result<Sheet, Error> {
        let rows = Rows::new(tables)?;
        let places = places(&rows, shown)?;
        if places.is_empty() {
            return Err(Error::NothingToShow);
        }
        let mut pictures = vec![None; places.len()];
        for (split, there) in (0..).zip(&rows.splits) {
            let mine: Vec<usize> = (0..places.len()).filter(|at| places[*at].split == split).collect();
            if mine.is_empty() {
                continue;
            }
            let numbers: Vec<usize> = mine.iter().map(|at| places[*at].row as usize).collect();
            let made = PictureMaker::new(&there.table, SIDE as u32, threads)?.make(&there.table, &numbers)?;
            mine.into_iter().zip(made).for_each(|(at, picture)| pictures[at] = picture);
        }
        let tiles = places.iter().zip(pictures).map(|(place, picture)| Tile {
            picture: picture.map(|picture| picture.fitted(SIDE)),
            lines: [rows.class_names(*place), rows.called(*place).into_owned()],
        });
        Ok(Sheet { tiles: tiles.collect() })
    }

    /// A sheet of rejected inputs: in the place of its picture, why each was rejected.
    ///
    /// # Errors
    /// If there are none.
    pub fn of_rejects(rejects: &[Reject]) -> Result<Sheet, Error> {
        let tiles = rejects.iter().map(|reject| {
            let mut picture = Picture::plain(SIDE, SIDE, PAPER);
            write_lines(&mut picture, &reject.detail, [PAPER, INK]);
            Tile { picture: Some(picture), lines: [String::new(), reject.path.clone()] }
        });
        if rejects.is_empty() { Err(Error::NothingToShow) } else { Ok(Sheet { tiles: tiles.collect() }) }
    }

    /// The pictures, in the order of the rows.
    pub fn tiles(&self) -> &[Tile] {
        &self.tiles
    }

    /// The sheet as a PNG file, with this many pictures next to each other.
    pub fn png(&self, columns: NonZeroUsize) -> Vec<u8> {
        drawn(&self.tiles, columns.get()).png()
    }

    /// The sheet as a JPEG file, which is smaller.
    pub fn jpeg(&self, columns: NonZeroUsize) -> Vec<u8> {
        drawn(&self.tiles, columns.get()).jpeg(QUALITY)
    }

    /// Checks that a sheet can be written to a file, before it is made.
    ///
    /// # Errors
    /// If there is something other than a PNG.
    pub fn check(file: impl AsRef<Path>) -> Result<(), Error> {
        check(file.as_ref(), |there| there.starts_with(PNG))
    }

    /// Writes the sheet to a PNG file, whole or not at all.
    ///
    /// # Errors
    /// If there is something other than a PNG, or the file can't be written.
    pub fn write(&self, file: impl AsRef<Path>, columns: NonZeroUsize) -> Result<(), Error> {
        written(file.as_ref(), &self.png(columns), |there| there.starts_with(PNG))
    }

    /// Pictures next to each other without texts, each in a square of this many pixels a side, with `between` pixels between
    /// two: their width, pixels, and PNG file. None of none.
    #[doc(hidden)]
    pub fn strip(tiles: &[Tile], side: usize, between: usize) -> Option<(usize, Vec<u8>, Vec<u8>)> {
        let pictures = tiles.iter().map(|tile| tile.picture.as_ref().map(|picture| picture.fitted(side)));
        let pictures: Vec<Option<Picture>> = pictures.collect();
        let height = pictures.iter().flatten().map(|picture| picture.height).max()?;
        let step = side + between;
        let mut strip = Picture::plain(tiles.len() * step - between, height, 0);
        for (at, picture) in pictures.iter().enumerate().filter_map(|(at, picture)| Some((at, picture.as_ref()?))) {
            strip.put(picture, at * step + (side - picture.width) / 2, (height - picture.height) / 2);
        }
        let png = strip.png();
        Some((strip.width, strip.rgb, png))
    }
}

impl Tile {
    /// Width, height and pixels, of shape `[height, width, 3]`; none of an image that can't be used.
    pub fn pixels(&self) -> Option<(usize, usize, &[u8])> {
        self.picture.as_ref().map(|picture| (picture.width, picture.height, &picture.rgb[..]))
    }

    /// Names of the classes, and the name of the file, or where the row is. Either may be empty.
    pub fn lines(&self) -> &[String; 2] {
        &self.lines
    }
}

fn drawn(tiles: &[Tile], columns: usize) -> Picture {
    let columns = columns.min(tiles.len()).max(1);
    let lines_of = |tile: &Tile| tile.lines.iter().filter(|line| !line.is_empty()).count();
    let lines = tiles.iter().map(lines_of).max().unwrap_or_default();
    let tallest = tiles.iter().flat_map(|tile| &tile.picture).map(|picture| picture.height).max().unwrap_or(SIDE);
    let (wide, high) = (SIDE + SPACE, tallest + lines * LINE + SPACE);
    let height = SPACE + tiles.len().div_ceil(columns) * high;
    let mut sheet = Picture::plain(SPACE + columns * wide, height, PAPER);
    for (at, tile) in tiles.iter().enumerate() {
        let (left, top) = (SPACE + at % columns * wide, SPACE + at / columns * high);
        match &tile.picture {
            Some(picture) => {
                sheet.put(picture, left + (SIDE - picture.width) / 2, top + (tallest - picture.height) / 2);
            }
            None => write(&mut sheet, "can't be used", [left, top + tallest / 2 - LINE / 2], SIDE, [PAPER, INK]),
        }
        for (number, line) in tile.lines.iter().filter(|line| !line.is_empty()).enumerate() {
            write(&mut sheet, line, [left, top + tallest + 2 + number * LINE], SIDE, [PAPER, INK]);
        }
    }
    sheet
}

fn places(rows: &Rows, shown: &Shown) -> Result<Vec<Place>, Error> {
    match shown {
        Shown::Drawn { rows: most, seed } => Ok(evenly(&Sample::draw(rows, *most, *seed), *most)),
        Shown::Class { name, rows: most, seed } => {
            let class = rows.classes.iter().position(|class| class == name);
            let class = class.ok_or_else(|| Error::NoClass { name: name.clone(), classes: rows.classes.clone() })?;
            Ok(Sample::draw(rows, *most, *seed).classes.swap_remove(class).drawn)
        }
        Shown::Rows(numbers) => {
            let place = |number: &usize| {
                let mut row = *number;
                for (split, there) in (0..).zip(&rows.splits) {
                    match row.checked_sub(there.table.len()) {
                        Some(beyond) => row = beyond,
                        None => return Ok(Place { split, row: row as u32 }),
                    }
                }
                Err(FormatError::NoRow { row: *number, rows: rows.len() }.into())
            };
            numbers.iter().map(place).collect()
        }
    }
}

/// At most this many rows, as evenly from all classes as they allow, class by class.
fn evenly(sample: &Sample, most: usize) -> Vec<Place> {
    let mut taken = vec![0; sample.classes.len()];
    let mut left = most;
    while left > 0 {
        let before = left;
        for (taken, class) in taken.iter_mut().zip(&sample.classes) {
            if left > 0 && *taken < class.drawn.len() {
                (*taken, left) = (*taken + 1, left - 1);
            }
        }
        if left == before {
            break;
        }
    }
    let mut seen = HashSet::new();
    let all = taken.iter().zip(&sample.classes).flat_map(|(taken, class)| spread(&class.drawn, *taken));
    // A row may have several classes.
    all.filter(|place| seen.insert(*place)).collect()
}

/// This many of some rows, from the first to the last.
fn spread(places: &[Place], count: usize) -> Vec<Place> {
    (0..count).map(|at| places[at * places.len() / count]).collect()
}
