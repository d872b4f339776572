//! The classes of a dataset: how many rows each has, some of their pictures, and the mean of these.

use serde::Serialize;

use super::Camera;
use super::numbers::{grouped, length, percent, share, visible};
use super::outliers::Standouts;
use super::profile::{Profile, ProfileReport};
use crate::error::{Error, FormatError};
use crate::look::picture::{GAP, Picture};
use crate::look::rows::Rows;
use crate::look::sample::{Class, Sample};
use crate::run::Progress;

/// Fewest rows that are drawn of a class, if it has as many.
pub(super) const LEAST_DRAWN: usize = 4;

/// Most classes with pictures; the largest ones have them.
const MOST_SHOWN: usize = 1_000;

/// Rows whose pictures are made at a time.
const AT_A_TIME: usize = 256;

/// Bytes that the pictures of all classes together may take.
const MOST_BYTES: usize = 2_600_000;

/// Quality of pictures, as JPEGs.
const QUALITY: u8 = 82;

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
    pub(super) fn new(picture: &Picture, alt: String) -> Shown {
        Shown { src: picture.jpeg_url(QUALITY), width: picture.width, height: picture.height, alt }
    }
}

/// How many pictures a class has, and how long their longer side is.
#[derive(Clone, Copy, Debug)]
struct Strip {
    pictures: usize,
    side: usize,
}

impl Strip {
    /// The largest of a few that have room on the page.
    fn for_classes(classes: usize) -> Strip {
        let strips = [(12, 96), (10, 80), (8, 64), (6, 56), (4, 48), (4, 40), (4, 32)];
        let strips = strips.map(|(pictures, side)| Strip { pictures, side });
        // A byte for every three pixels, with a mean image; tables of 600 bytes; and Base64 takes a third more.
        let bytes = |strip: &Strip| (strip.side * strip.side * (strip.pictures + 1) / 3 + 1_200) * 4 / 3;
        let fits = |strip: &&Strip| bytes(strip) * classes <= MOST_BYTES;
        *strips.iter().find(fits).unwrap_or(&strips[strips.len() - 1])
    }
}

/// The classes of rows, the largest first, with pictures, and the chart of them all; all pictures are measured.
pub(super) fn of(
    rows: &Rows,
    sample: &Sample,
    camera: Option<&Camera>,
    standouts: &mut Standouts,
    progress: &Progress,
) -> Result<(Vec<ClassReport>, ProfileReport), Error> {
    let unnamed = if rows.classes.is_empty() { "all images" } else { "without a class" };
    let names = rows.classes.iter().map(|name| &**name).chain([unnamed]);
    // The last one is of rows without a class.
    let is_there = |(id, (_, class)): &(usize, (&str, &Class))| *id < rows.classes.len() || class.total() > 0;
    let mut classes: Vec<_> = names.zip(&sample.classes).enumerate().filter(is_there).collect();
    classes.sort_by_key(|(_, (_, class))| std::cmp::Reverse(class.total()));
    let largest = classes.first().map_or(0, |(_, (_, class))| class.total());
    let profile = Profile::of(classes.iter().map(|(_, (_, class))| class.total()).collect());
    let strip = Strip::for_classes(classes.len().min(MOST_SHOWN));
    let whole = rows.len().max(if sample.shared > 0 { 0 } else { sample.total() });
    let mut reports = Vec::with_capacity(classes.len());
    for (place, (id, (name, class))) in classes.into_iter().enumerate() {
        progress.go_on()?;
        let mut report = ClassReport {
            name: visible(name),
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
        if let Some(camera) = camera.filter(|_| place < MOST_SHOWN && class.total() > 0) {
            report.add_pictures(rows, class, camera, strip, standouts)?;
        }
        reports.push(report);
    }
    Ok((reports, profile.report()))
}

/// What is said of classes without pictures.
pub(super) fn left_out(rows: &Rows) -> Option<String> {
    let more = rows.classes.len().checked_sub(MOST_SHOWN).filter(|more| *more > 0)?;
    Some(format!(
        "Pictures are of the {} largest classes; {} smaller ones have none.",
        grouped(MOST_SHOWN),
        grouped(more)
    ))
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
        camera: &Camera,
        strip: Strip,
        standouts: &mut Standouts,
    ) -> Result<(), FormatError> {
        let (mut shown, mut mean) = (Vec::new(), Mean::default());
        // The first on the strip are from the whole of the class, not from its beginning.
        let apart = (class.drawn.len() / strip.pictures).max(1);
        for (number, places) in class.drawn.chunks(AT_A_TIME).enumerate() {
            let pictures = camera.pictures(rows, places)?;
            for (at, (place, picture)) in (number * AT_A_TIME..).zip(places.iter().zip(pictures)) {
                let Some(picture) = picture else {
                    standouts.add_unusable(*place);
                    continue;
                };
                standouts.add(*place, &picture);
                mean.add(&picture);
                if at % apart == 0 && shown.len() < strip.pictures {
                    shown.push(picture.fitted(strip.side));
                    let path = rows.path(*place).map(visible);
                    self.images.push(Image { place: rows.described(*place), path });
                }
            }
        }
        let of = if rows.classes.is_empty() { String::new() } else { format!(" of the class {}", self.name) };
        self.mean = mean.picture().map(|mean| Shown::new(&mean.fitted(strip.side), format!("mean image{of}")));
        let images = crate::counted(shown.len(), "image");
        self.sheet = in_a_row(&shown, strip.side).map(|sheet| Shown::new(&sheet, format!("{images}{of}")));
        Ok(())
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
