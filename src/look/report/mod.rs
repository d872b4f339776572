//! What a dataset holds, for people: counts, pictures of every class, and what stands out. `page.rs` makes a page of it.

mod classes;
mod command;
mod copies;
mod facts;
mod numbers;
mod outliers;
mod page;
mod profile;
mod rejected;
mod sizes;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde::Serialize;

use super::picture::Picture;
use super::pictures::PictureMaker;
use super::rows::{Place, Rows};
use super::sample::Sample;
use crate::dataset::manifest::Manifest;
use crate::dataset::reject::Reject;
use crate::error::{Error, FormatError};
use crate::read::Table;
use classes::ClassReport;
use copies::Copies;
use facts::{Fact, SplitReport};
use numbers::{grouped, visible};
use outliers::{OutlierGroup, Standouts};
use profile::ProfileReport;
use rejected::Rejected;
use sizes::SizeChart;

/// Longest side of pictures that are measured, in pixels.
pub(crate) const PICTURE_SIDE: u32 = 128;

/// Settings of a report.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ReportOptions {
    /// Most rows whose images are looked at; at least four of every class are. Default: 5,000.
    pub rows: usize,
    /// Decides which rows are drawn. Default: 0.
    pub seed: u64,
    /// Number of threads. Default: one for each core.
    pub threads: Option<NonZeroUsize>,
}

impl Default for ReportOptions {
    fn default() -> ReportOptions {
        ReportOptions { rows: 5_000, seed: 0, threads: None }
    }
}

/// A report of a dataset, ready to be shown: numbers as texts, pictures as `data:` URLs, lengths of bars in percent.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    generator: String,
    name: String,
    location: String,
    facts: Vec<Fact>,
    command: Option<String>,
    settings: Vec<Fact>,
    notes: Vec<String>,
    splits: Vec<SplitReport>,
    /// The largest first.
    classes: Vec<ClassReport>,
    class_count: String,
    has_classes: bool,
    profile: ProfileReport,
    sizes: Vec<SizeChart>,
    outliers: Vec<OutlierGroup>,
    copies: Option<Copies>,
    rejects: Option<Rejected>,
    knows_rejects: bool,
}

/// What is reported on: the tables of splits, and what is known besides.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) path: PathBuf,
    pub(crate) tables: Vec<(String, Table)>,
    /// None if the files are not of a dataset of inlaid.
    pub(crate) manifest: Option<Manifest>,
    /// Number of images of which the rows are some; none if the rows are all that there is.
    pub(crate) images: Option<usize>,
    pub(crate) rejects: Vec<Reject>,
}

impl Report {
    /// A report of these rows.
    ///
    /// # Errors
    /// If a file can't be read.
    pub(crate) fn of(subject: Subject, options: &ReportOptions) -> Result<Report, Error> {
        let Subject { path, tables, manifest, images, rejects } = subject;
        let rows = Rows::new(tables)?;
        let known = rows.classes.len().max(1);
        let sample = Sample::draw(&rows, (options.rows / known).max(classes::LEAST_DRAWN), options.seed);
        let mut notes = Vec::new();
        if let Some(images) = images.filter(|images| *images > rows.len() + rejects.len()) {
            let (looked, images, seed) = (grouped(rows.len() + rejects.len()), grouped(images), options.seed);
            notes.push(format!(
                "Only {looked} of {images} images were looked at, drawn by class with seed {seed}: all numbers are of these."
            ));
        }
        let camera = Camera::new(&rows, options.threads).or_else(|error| match error {
            // Tensors that are not images.
            Error::Load(reason) => {
                notes.push(format!("There are no pictures: {reason}."));
                Ok(None)
            }
            error => Err(error),
        })?;
        let mut standouts = Standouts::default();
        let (classes, profile) = classes::of(&rows, &sample, camera.as_ref(), &mut standouts)?;
        notes.extend(sampling(&rows, &sample, options, &standouts));
        notes.extend(classes::left_out(&rows));
        let copies = Copies::of(&rows, camera.as_ref())?;
        let outliers = standouts.shown(&rows, camera.as_ref())?;
        let name = path.canonicalize().ok();
        let name = name.as_deref().unwrap_or(&path).file_name().map(|name| name.to_string_lossy().into_owned());
        Ok(Report {
            generator: concat!("inlaid ", env!("CARGO_PKG_VERSION")).to_owned(),
            name: visible(&name.unwrap_or_else(|| path.display().to_string())),
            location: visible(&path.display().to_string()),
            facts: facts::of(&rows, manifest.as_ref(), images, rejects.len()),
            command: manifest.as_ref().map(|manifest| command::of(&manifest.spec, &path)),
            settings: manifest.as_ref().map(facts::settings).unwrap_or_default(),
            splits: facts::splits(&rows),
            has_classes: !rows.classes.is_empty(),
            class_count: grouped(classes.len()),
            profile,
            knows_rejects: manifest.is_some() || images.is_some(),
            sizes: sizes::of(&rows),
            rejects: Rejected::of(&rejects),
            notes,
            classes,
            outliers,
            copies,
        })
    }
}

/// What makes pictures of the rows of every split.
#[derive(Debug)]
pub(super) struct Camera(Vec<PictureMaker>);

impl Camera {
    fn new(rows: &Rows, threads: Option<NonZeroUsize>) -> Result<Option<Camera>, Error> {
        let makers = rows.splits.iter().map(|split| PictureMaker::new(&split.table, PICTURE_SIDE, threads));
        Ok(Some(Camera(makers.collect::<Result<_, _>>()?)))
    }

    /// Pictures of rows, in this order; none of a row whose image can't be used.
    fn pictures(&self, rows: &Rows, places: &[Place]) -> Result<Vec<Option<Picture>>, FormatError> {
        let mut pictures = vec![None; places.len()];
        for (split, maker) in (0..).zip(&self.0) {
            let there: Vec<usize> = (0..places.len()).filter(|at| places[*at].split == split).collect();
            let numbers: Vec<usize> = there.iter().map(|at| places[*at].row as usize).collect();
            let made = maker.make(&rows.splits[split as usize].table, &numbers)?;
            there.into_iter().zip(made).for_each(|(at, picture)| pictures[at] = picture);
        }
        Ok(pictures)
    }
}

/// What was drawn, in words.
fn sampling(rows: &Rows, sample: &Sample, options: &ReportOptions, standouts: &Standouts) -> Vec<String> {
    let mut notes = Vec::new();
    let (measured, all) = (standouts.measured(), rows.len());
    if measured > 0 && measured < all {
        let (measured, all, seed) = (grouped(measured), grouped(all), options.seed);
        notes.push(format!(
            "Pictures, mean images, brightness, contrast and sharpness are of {measured} of {all} rows, drawn by class with \
             seed {seed}."
        ));
    }
    if measured > 0 {
        notes.push(format!(
            "Brightness, contrast and sharpness are measured on images of at most {PICTURE_SIDE} pixels a side."
        ));
    }
    if standouts.unusable() > 0 {
        notes.push(format!("{} of the drawn images can't be used.", grouped(standouts.unusable())));
    }
    if sample.shared > 0 {
        notes.push(format!("{} rows have several classes, and count in each.", grouped(sample.shared)));
    }
    notes
}
