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
use std::sync::Arc;

use serde::Serialize;

use super::picture::Picture;
use super::pictures::PictureMaker;
use super::rows::{Place, Rows};
use super::sample::Sample;
use crate::dataset::manifest::Manifest;
use crate::dataset::reject::RejectList;
use crate::error::{Error, FormatError, LoadError};
use crate::read::Table;
use crate::run::Progress;
use crate::source::Counts;
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
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReportOptions {
    /// Most rows whose images are looked at; at least four of every class are. Default: 5,000.
    pub rows: usize,
    /// Decides which rows are drawn. Default: 0.
    pub seed: u64,
    /// Number of threads. Default: one for each core.
    pub threads: Option<NonZeroUsize>,
    /// What stops the report. Default: nothing.
    pub progress: Arc<Progress>,
}

impl Default for ReportOptions {
    fn default() -> ReportOptions {
        ReportOptions { rows: 5_000, seed: 0, threads: None, progress: Arc::default() }
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
    /// Number of those that are on the page.
    listed: usize,
    class_count: String,
    has_classes: bool,
    profile: ProfileReport,
    sizes: Vec<SizeChart>,
    outliers: Vec<OutlierGroup>,
    copies: Option<Copies>,
    rejects: Option<Rejected>,
    knows_rejects: bool,
    /// Whether it is on images that are not converted yet.
    are_images: bool,
    looked_at: String,
}

/// What is reported on: the tables of splits, and what is known besides.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) path: PathBuf,
    pub(crate) tables: Vec<(String, Table)>,
    /// None if the files are not of a dataset of inlaid.
    pub(crate) manifest: Option<Manifest>,
    /// The images of which the rows are some; none if the rows are all that there is.
    pub(crate) images: Option<Counts>,
    /// None if they are not known.
    pub(crate) rejects: Option<RejectList>,
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
        let mut sample = Sample::draw(&rows, (options.rows / known).max(classes::LEAST_DRAWN), options.seed);
        let knows_rejects = rejects.is_some();
        let rejects = rejects.map_or_else(|| Ok(Vec::new()), |rejects| rejects.read())?;
        let mut notes = Vec::new();
        let looked_at = rows.len() + rejects.len();
        let all_images: Option<usize> = images.as_ref().map(|images| images.values().sum());
        if let Some(images) = &images {
            sample.count(&rows, images);
        }
        if let Some(all) = all_images.filter(|all| *all > looked_at) {
            let (looked, images, seed) = (grouped(looked_at), grouped(all), options.seed);
            notes.push(format!(
                "Only {looked} of {images} images were looked at, drawn by class with seed {seed}: pictures, sizes, outliers, \
                 copies and rejects are of these."
            ));
        }
        let camera = Camera::new(&rows, options.threads).or_else(|error| match error {
            // Tensors that are not images.
            Error::Load(reason @ (LoadError::NotImages(_) | LoadError::Cast(_) | LoadError::Spec(_))) => {
                notes.push(format!("There are no pictures: {reason}."));
                Ok(None)
            }
            error => Err(error),
        })?;
        let mut standouts = Standouts::default();
        let classes = classes::of(&rows, &sample, camera.as_ref(), &mut standouts, &options.progress)?;
        notes.extend(sampling(&rows, &sample, options, &standouts));
        notes.extend(classes.notes);
        let beyond = rows.places().filter(|place| rows.is_beyond_classes(*place)).count();
        if beyond > 0 {
            notes.push(format!("{} have labels that are none of the classes.", crate::counted(beyond, "row")));
        }
        let copies = Copies::of(&rows, camera.as_ref())?;
        let outliers = standouts.shown(&rows, camera.as_ref())?;
        let name = path.canonicalize().ok();
        let name = name.as_deref().unwrap_or(&path).file_name().map(|name| name.to_string_lossy().into_owned());
        Ok(Report {
            generator: concat!("inlaid ", env!("CARGO_PKG_VERSION")).to_owned(),
            name: visible(&name.unwrap_or_else(|| path.display().to_string())),
            location: visible(&path.display().to_string()),
            facts: facts::of(&rows, manifest.as_ref(), all_images.map(|all| [all, looked_at]), rejects.len()),
            command: manifest.as_ref().map(|manifest| command::of(&manifest.spec, &path)),
            settings: manifest.as_ref().map(facts::settings).unwrap_or_default(),
            splits: facts::splits(&rows, &sample, images.is_some()),
            has_classes: !rows.classes.is_empty(),
            class_count: grouped(rows.classes.len()),
            profile: classes.profile,
            knows_rejects,
            are_images: images.is_some(),
            looked_at: grouped(looked_at),
            sizes: sizes::of(&rows),
            rejects: Rejected::of(&rejects, manifest.is_some()),
            notes,
            classes: classes.all,
            listed: classes.listed,
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
