//! The classes of a dataset: how many rows each has, some of their pictures, and the mean of these.

use std::collections::VecDeque;

use serde::Serialize;

use super::Camera;
use super::numbers::{bytes_on_page, cut, grouped, length, percent, share, visible};
use super::outliers::Standouts;
use super::profile::{Profile, ProfileReport};
use crate::error::{Error, FormatError};
use crate::look::picture::{GAP, Picture};
use crate::look::rows::{Place, Rows};
use crate::look::sample::{Class, Sample};
use crate::run::Progress;

/// Fewest rows that are drawn of a class, if it has as many.
pub(super) const LEAST_DRAWN: usize = 4;

/// Most classes with pictures; the largest ones have them.
const MOST_SHOWN: usize = 1_000;

/// Bytes of the path of a row that are shown.
pub(super) const MOST_OF_PATH: usize = 300;

/// Bytes of the name of a class that are shown.
const MOST_OF_NAME: usize = 300;

/// Rows whose pictures are made at a time.
const AT_A_TIME: usize = 256;

/// Bytes that the names of listed classes, with what is around them, may take on the page.
const MOST_LISTED: usize = 1_500_000;

/// Bytes that a class takes on the page besides its names, which are there twice, and its pictures.
const BYTES_OF_ENTRY: usize = 650;

/// Bytes of the page that are left for the list of classes and their pictures, with the names of their rows.
const MOST_BYTES: usize = 4_000_000;

/// Qualities of pictures, as JPEGs: the highest one with which they fit.
const QUALITIES: [u8; 4] = [82, 60, 35, 12];

/// A class.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ClassReport {
    name: String,
    id: String,
    rows: String,
    share: String,
    segments: Vec<Segment>,
    /// Length of its bar, in percent of that of the largest class.
    width: f64,
    /// Height of its bar in the profile of all classes, in percent.
    height: f64,
    sheet: Option<Shown>,
    mean: Option<Shown>,
    images: Vec<Image>,
}

/// The part of a class that is in a split, in percent of the class.
#[derive(Clone, Debug, Serialize)]
struct Segment {
    split: String,
    rows: String,
    x: f64,
    width: f64,
}

/// A picture on the page.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Shown {
    pub(super) src: String,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) alt: String,
}

/// A row on a strip of pictures.
#[derive(Clone, Debug, Serialize)]
struct Image {
    place: String,
    path: Option<String>,
}

impl Shown {
    /// A picture of at most this many bytes, or of the lowest quality if that takes more.
    pub(super) fn within(bytes: usize, picture: &Picture, alt: String) -> Shown {
        let [higher @ .., lowest] = QUALITIES;
        let mut urls = higher.iter().map(|quality| picture.jpeg_url(*quality));
        let src = urls.find(|url| url.len() <= bytes).unwrap_or_else(|| picture.jpeg_url(lowest));
        Shown { src, width: picture.width, height: picture.height, alt }
    }
}

/// Pictures of places, one after the other, many of which are made at a time.
struct Film<'a> {
    camera: &'a Camera,
    places: VecDeque<Place>,
    made: std::vec::IntoIter<Option<Picture>>,
}

impl Film<'_> {
    /// The picture of the next place; none of an image that can't be used.
    fn next(&mut self, rows: &Rows) -> Result<Option<Picture>, FormatError> {
        if self.made.len() == 0 {
            let places: Vec<Place> = self.places.drain(..self.places.len().min(AT_A_TIME)).collect();
            self.made = self.camera.pictures(rows, &places)?.into_iter();
        }
        Ok(self.made.next().flatten())
    }
}

/// What is left of the bytes for the pictures of classes.
#[derive(Clone, Copy, Debug)]
struct Room {
    bytes: usize,
    classes: usize,
}

impl Room {
    /// The bytes that the next class may take: what is left, divided evenly.
    fn next(&self) -> usize {
        self.bytes / self.classes.max(1)
    }

    fn take(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
        self.classes = self.classes.saturating_sub(1);
    }
}

/// How many pictures a class has, and how long their longer side is.
#[derive(Clone, Copy, Debug)]
struct Strip {
    pictures: usize,
    side: usize,
}

impl Strip {
    /// The largest of a few that have room in this many bytes.
    fn within(most: usize) -> Strip {
        let strips = [(12, 96), (10, 80), (8, 64), (6, 56), (4, 48), (4, 40), (4, 32)];
        let strips = strips.map(|(pictures, side)| Strip { pictures, side });
        // A byte for every three pixels, with a mean image; tables of 600 bytes; and Base64 takes a third more.
        let bytes = |strip: &Strip| (strip.side * strip.side * (strip.pictures + 1) / 3 + 1_200) * 4 / 3;
        let fits = |strip: &&Strip| bytes(strip) <= most;
        *strips.iter().find(fits).unwrap_or(&strips[strips.len() - 1])
    }
}

/// The classes of rows, the largest first.
#[derive(Debug)]
pub(super) struct Classes {
    pub(super) all: Vec<ClassReport>,
    /// Number of those that are on the page.
    pub(super) listed: usize,
    pub(super) profile: ProfileReport,
    /// What is said of the others.
    pub(super) notes: Vec<String>,
}

/// The classes of rows with pictures, and the chart of them all; all pictures are measured.
pub(super) fn of(
    rows: &Rows,
    sample: &Sample,
    camera: Option<&Camera>,
    standouts: &mut Standouts,
    progress: &Progress,
) -> Result<Classes, Error> {
    let unnamed = if rows.classes.is_empty() { "all images" } else { "without a class" };
    let names = rows.classes.iter().map(|name| &**name).chain([unnamed]);
    // The last one is of rows without a class.
    let is_there = |(id, (_, class)): &(usize, (&str, &Class))| *id < rows.classes.len() || class.total() > 0;
    let mut classes: Vec<_> = names.zip(&sample.classes).enumerate().filter(is_there).collect();
    classes.sort_by_key(|(_, (_, class))| std::cmp::Reverse(class.total()));
    let largest = classes.first().map_or(0, |(_, (_, class))| class.total());
    let profile = Profile::of(
        classes.iter().map(|(_, (name, class))| (cut(&visible(name), MOST_OF_NAME), class.total())).collect(),
    );
    let bytes = classes.iter().scan(0, |bytes, (_, (name, _))| {
        *bytes += BYTES_OF_ENTRY + 2 * bytes_on_page(&cut(&visible(name), MOST_OF_NAME));
        Some(*bytes)
    });
    let bytes: Vec<usize> = bytes.take_while(|bytes| *bytes <= MOST_LISTED).collect();
    let (listed, shown) = (bytes.len(), bytes.len().min(MOST_SHOWN));
    let mut room = Room { bytes: MOST_BYTES - bytes.last().copied().unwrap_or_default(), classes: shown };
    let strip = Strip::within(room.next());
    let drawn = classes[..shown].iter().flat_map(|(_, (_, class))| class.drawn.iter().copied()).collect();
    let mut film = camera.map(|camera| Film { camera, places: drawn, made: Vec::new().into_iter() });
    let whole = rows.len().max(if sample.shared > 0 { 0 } else { sample.total() });
    let mut reports = Vec::with_capacity(classes.len());
    for (place, (id, (name, class))) in classes.into_iter().enumerate() {
        progress.go_on()?;
        let mut report = ClassReport {
            name: cut(&visible(name), MOST_OF_NAME),
            id: if id < rows.classes.len() { grouped(id) } else { String::new() },
            rows: grouped(class.total()),
            share: share(class.total(), whole),
            segments: segments(rows, class),
            width: (percent(class.total(), largest) * 1e4).round() / 1e4,
            height: profile.height(class.total()),
            sheet: None,
            mean: None,
            images: Vec::new(),
        };
        if let Some(film) = film.as_mut().filter(|_| place < shown) {
            report.add_pictures(rows, class, film, strip, room.next(), standouts)?;
        }
        room.take(report.bytes_of_pictures());
        reports.push(report);
    }
    Ok(Classes { notes: left_out(reports.len(), shown, listed), listed, all: reports, profile: profile.report() })
}

/// What is said of classes that are not listed, and of those without pictures.
fn left_out(all: usize, shown: usize, listed: usize) -> Vec<String> {
    let said = |what: &str, some: usize, rest: &str| {
        let more = all.checked_sub(some).filter(|more| *more > 0)?;
        Some(format!("{what} the {} largest classes; {} smaller ones {rest}.", grouped(some), grouped(more)))
    };
    let unlisted = said("The list has", listed, "are not on it");
    said("Pictures are of", shown, "have none").into_iter().chain(unlisted).collect()
}

fn segments(rows: &Rows, class: &Class) -> Vec<Segment> {
    let (mut before, total) = (0, class.total());
    let segments = rows.splits.iter().zip(&class.rows).map(|(split, count)| {
        let x = length(before, total);
        before += count;
        Segment { split: split.name.clone(), rows: grouped(*count), x, width: length(*count, total) }
    });
    segments.collect()
}

impl ClassReport {
    fn add_pictures(
        &mut self,
        rows: &Rows,
        class: &Class,
        film: &mut Film<'_>,
        strip: Strip,
        most_bytes: usize,
        standouts: &mut Standouts,
    ) -> Result<(), FormatError> {
        let (mut shown, mut mean) = (Vec::new(), Mean::default());
        // The first on the strip are from the whole of the class, not from its beginning.
        let apart = (class.drawn.len() / strip.pictures).max(1);
        for (at, place) in class.drawn.iter().enumerate() {
            let Some(picture) = film.next(rows)? else {
                standouts.add_unusable(*place);
                continue;
            };
            standouts.add(*place, &picture);
            mean.add(&picture);
            if at % apart == 0 && shown.len() < strip.pictures {
                shown.push(picture.fitted(strip.side));
                let path = rows.path(*place).map(|path| cut(&visible(path), MOST_OF_PATH));
                self.images.push(Image { place: rows.described(*place), path });
            }
        }
        let of = if rows.classes.is_empty() { String::new() } else { format!(" of the class {}", self.name) };
        let left = most_bytes.saturating_sub(self.bytes_of_pictures());
        let of_mean = left / (strip.pictures + 1);
        let mean = mean.picture().map(|mean| mean.fitted(strip.side));
        let mean = mean.map(|mean| Shown::within(of_mean, &mean, format!("mean image{of}")));
        self.mean = mean.filter(|mean| mean.src.len() <= left);
        let left = most_bytes.saturating_sub(self.bytes_of_pictures());
        let alt = format!("{}{of}", crate::counted(shown.len(), "image"));
        let sheet = in_a_row(&shown, strip.side).map(|sheet| Shown::within(left, &sheet, alt));
        self.sheet = sheet.filter(|sheet| sheet.src.len() <= left);
        Ok(())
    }

    /// Bytes that its pictures and the names of their rows take on the page.
    fn bytes_of_pictures(&self) -> usize {
        let pictures =
            [&self.mean, &self.sheet].into_iter().flatten().map(|shown| shown.src.len() + bytes_on_page(&shown.alt));
        let names =
            self.images.iter().map(|image| 40 + image.place.len() + image.path.as_deref().map_or(0, bytes_on_page));
        pictures.sum::<usize>() + names.sum::<usize>()
    }
}

/// Pictures next to each other, each in the middle of a square; none of none.
fn in_a_row(pictures: &[Picture], side: usize) -> Option<Picture> {
    if pictures.is_empty() {
        return None;
    }
    let mut row = Picture::plain(pictures.len() * side, side, GAP);
    for (at, picture) in pictures.iter().enumerate() {
        row.put(picture, at * side + (side - picture.width) / 2, (side - picture.height) / 2);
    }
    Some(row)
}

/// The mean of pictures of one size.
#[derive(Debug, Default)]
struct Mean {
    sums: Vec<u32>,
    count: u32,
    width: usize,
}

impl Mean {
    fn add(&mut self, picture: &Picture) {
        if self.count == 0 {
            (self.sums, self.width) = (vec![0; picture.rgb.len()], picture.width);
        }
        // Pictures of another split may have another size.
        if picture.rgb.len() == self.sums.len() && picture.width == self.width {
            self.sums.iter_mut().zip(&picture.rgb).for_each(|(sum, byte)| *sum += u32::from(*byte));
            self.count += 1;
        }
    }

    fn picture(&self) -> Option<Picture> {
        let count = Some(self.count).filter(|count| *count > 0)?;
        let rgb: Vec<u8> = self.sums.iter().map(|sum| ((sum + count / 2) / count) as u8).collect();
        Some(Picture { width: self.width, height: rgb.len() / 3 / self.width, rgb })
    }
}
