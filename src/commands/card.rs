//! Says what only people know about a dataset, in its card.

#[cfg(feature = "report")]
use std::num::NonZeroUsize;
use std::path::Path;

use serde::Serialize;

use crate::commit::output::Output;
use crate::dataset::card::{About, CardNote};
#[cfg(feature = "report")]
use crate::dataset::manifest::Manifest;
use crate::dataset::names::{CARD, CARD_PICTURES, CROISSANT};
use crate::error::Error;
use crate::format::row_layout::RowLayout;
#[cfg(feature = "report")]
use crate::look::{Sheet, Shown, class_chart};
#[cfg(feature = "report")]
use crate::read::FileAccess;
#[cfg(feature = "report")]
use crate::remote::Reading;
use crate::run::{RunOptions, StorageOptions};

/// Pictures of the contact sheet in a card, and how many are next to each other.
#[cfg(feature = "report")]
const ROWS: usize = 24;
#[cfg(feature = "report")]
const COLUMNS: NonZeroUsize = NonZeroUsize::new(8).unwrap();

/// What a card is to have.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CardOptions {
    /// What people say about the dataset. What is none stays as it is; what is empty is removed.
    pub about: About,
    /// Whether the dataset is described in `croissant.json` too, which from then on every change keeps up to date.
    /// Default: only if it is already.
    pub croissant: bool,
    /// Whether the card shows some of the images and the rows of each class. Without the feature `report` it never does.
    /// Default: it does not, and pictures that it has are removed.
    pub pictures: bool,
    /// Settings and credentials of the object store that the dataset is in.
    pub storage: StorageOptions,
}

/// The files that describe a dataset.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct CardFiles {
    /// Names below the dataset's folder.
    pub files: Vec<String>,
    /// Remarks on what people have edited in them.
    #[serde(skip)]
    pub notes: Vec<CardNote>,
}

/// Writes the card of the dataset in a folder, or at a URL, anew, with what people say about it. Its rows and its number
/// of snapshots stay.
///
/// # Errors
/// If there is no dataset, a run on it was interrupted, another process is writing to it, its card can't be rewritten, or something can't be read or
/// written.
pub fn card(place: impl AsRef<Path>, options: &CardOptions) -> Result<CardFiles, Error> {
    let place = place.as_ref();
    let mut run = RunOptions { croissant: options.croissant, ..RunOptions::default() };
    run.source.storage = options.storage.clone();
    let (mut output, mut next) = Output::open(place, &run)?;
    if next.unfinished.is_some() {
        return Err(Error::Unfinished(place.to_owned()));
    }
    for name in CARD_PICTURES {
        next.files.remove(name);
    }
    #[cfg(feature = "report")]
    if options.pictures {
        stage_pictures(&mut output, place, &next, options)?;
    }
    let layout = RowLayout::new(&next.spec)?;
    let notes = output.describe(&mut next, &layout, &options.about)?;
    for note in &notes {
        let (name, reason) = match note {
            CardNote::Left(reason) => (CARD, reason),
            CardNote::CroissantLeft(reason) => (CROISSANT, reason),
            _ => continue,
        };
        return Err(Error::Card { path: output.files().path(name), reason: reason.clone() });
    }
    let committed = output.commit(next)?;
    let is_described = |name: &&str| committed.files.contains_key(*name);
    let files = [CARD, CROISSANT].into_iter().chain(CARD_PICTURES).filter(is_described).map(str::to_owned);
    Ok(CardFiles { files: files.collect(), notes })
}

#[cfg(feature = "report")]
fn stage_pictures(output: &mut Output, place: &Path, manifest: &Manifest, options: &CardOptions) -> Result<(), Error> {
    let reading = Reading { access: FileAccess::Read, storage: options.storage.clone(), ..Reading::default() };
    let splits = reading.dataset(place)?.into_splits();
    let tables = splits.into_iter().map(|(split, table)| (split.to_string(), table)).collect();
    let sheet = Sheet::of(tables, &Shown::Drawn { rows: ROWS, seed: 0 }, None)?;
    let snapshot = &manifest.snapshot;
    let [images, classes] = CARD_PICTURES;
    output.stage_picture(images, &sheet.png(COLUMNS), snapshot.dataset_version)?;
    match class_chart(snapshot) {
        Some(chart) => output.stage_picture(classes, &chart, snapshot.dataset_version),
        None => Ok(()),
    }
}
