//! Arrays of images: `.npy` and `.npz` files of NumPy, IDX files (MNIST), and CIFAR-10 and CIFAR-100 in their binary
//! version.
//!
//! `find` looks for files, and `set` for what belongs together, by names (`name`). `array` is an array in a file,
//! `stored` its bytes, `element` the type of its elements; `images` reads the pixels of a row, `table` labels and
//! columns. Nothing is pickled, ever.

mod array;
mod cifar;
mod element;
mod find;
mod idx;
mod images;
mod name;
mod npy;
mod npz;
mod set;
mod stored;
mod table;

use std::path::{Path, PathBuf};

use self::find::Found;
use self::set::Set;
use super::labels::Labels;
use super::location::Fingerprint;
use super::reading::Reading;
use super::{Files, ImageRef, Listing, Notice, Record, Source, reject};
use crate::error::{Error, RecordError, SourceError};
use crate::remote::Stores;
use crate::run::SourceOptions;

use crate::spec::{ColumnSpec, Folders, Limits, Spec, SpecError};

/// Files of arrays of images, and folders of such files.
#[derive(Debug)]
pub struct ArraySource {
    paths: Vec<PathBuf>,
    found: Found,
    /// Number of the first row of every set.
    first: Vec<u32>,
    keep_columns: Option<Vec<String>>,
}

impl ArraySource {
    /// A source of these files and folders.
    ///
    /// # Errors
    /// If a file can't be read or is damaged, if nothing in it is an array of images, or if there are not as many labels
    /// as images.
    pub fn open(paths: &[PathBuf], options: &SourceOptions) -> Result<ArraySource, Error> {
        ArraySource::at(paths, options, &Stores::new(&options.storage))
    }

    /// As [`open`](Self::open), of paths and URLs.
    pub(super) fn at(paths: &[PathBuf], options: &SourceOptions, stores: &Stores) -> Result<ArraySource, Error> {
        if paths.is_empty() {
            return Err(Error::NoSource);
        }
        let mut found = Found::new(paths, options.image_column.as_deref(), stores)?;
        found.sets.sort_by(|a, b| a.key.cmp(&b.key));
        if let [column] = &options.label_columns[..] {
            found.sets.iter_mut().for_each(|set| set.take_labels(column));
            if found.sets.iter().all(|set| set.labels.is_none()) {
                let columns = found.sets.iter().flat_map(|set| &set.columns).map(|(name, _)| name.clone()).collect();
                return Err(Error::source(&paths[0])(SourceError::NoColumn { column: column.clone(), columns }));
            }
        }
        let mut rows = 0_u32;
        let mut first = Vec::new();
        for set in &found.sets {
            first.push(rows);
            let end = rows.checked_add(set.images.rows);
            rows = end.ok_or_else(|| set.images.array.error(SourceError::Damaged("there are too many rows".into())))?;
        }
        Ok(ArraySource { paths: paths.to_vec(), found, first, keep_columns: options.keep_columns.clone() })
    }

    /// Whether a file that begins so holds arrays, or belongs to a dataset of arrays that can't be read.
    pub(crate) fn is_array(head: &[u8], path: &Path, stores: &Stores) -> bool {
        find::is_array(head, path, stores)
    }

    /// Whether a file of so many bytes is one of arrays by its name.
    pub(crate) fn is_array_name(path: &Path, bytes: u64) -> bool {
        find::is_array_name(path, bytes)
    }

    /// Whether a folder, or one right below it, holds arrays.
    pub(crate) fn has_arrays(folder: &Path) -> bool {
        find::has_arrays(folder)
    }

    /// What the source's splits and classes come from.
    fn folders(&self, spec: &Spec, labels: Option<&Labels>) -> Result<Folders, Error> {
        let have_splits = self.found.sets.iter().all(|set| set.split.is_some());
        match spec.folders {
            Folders::Splits if !have_splits => Err(Error::source(&self.paths[0])(SourceError::NoSplitNames)),
            Folders::Auto if have_splits => Ok(Folders::Splits),
            Folders::Auto if labels.is_some() => Ok(Folders::Classes),
            Folders::Auto => Ok(Folders::None),
            asked => Ok(asked),
        }
    }

    fn records(&self, listing: &mut Listing, of_rows: Option<&[Option<u32>]>) {
        let has_splits = listing.folders == Some(Folders::Splits);
        for ((set, first), place) in self.found.sets.iter().zip(&self.first).zip(0..) {
            for row in 0..set.images.rows {
                listing.records.push(Record {
                    key: format!("{}/{row:09}", set.key).into(),
                    place,
                    row: first + row,
                    label: of_rows.and_then(|labels| labels[(first + row) as usize]),
                    split: set.split.filter(|_| has_splits),
                });
            }
        }
        listing.records.sort_by(|a, b| (&a.key, a.place).cmp(&(&b.key, b.place)));
        let (sets, rejects) = (&self.found.sets, &mut listing.rejects);
        listing.records.dedup_by(|later, earlier| {
            let is_same = later.key == earlier.key;
            if is_same {
                let taken_by = sets[earlier.place as usize].images.array.stored.path().to_owned();
                rejects.push(reject(later.key.clone(), &RecordError::DuplicateKey(taken_by)));
            }
            is_same
        });
    }

    fn tell(&self, listing: &mut Listing, spec: &Spec) {
        let Found { sets, left_out, other, hidden, .. } = &self.found;
        if listing.folders == Some(Folders::Splits) && spec.folders == Folders::Auto {
            listing.notices.push(Notice::SplitNames(self.paths[0].clone()));
        }
        let ambiguous = sets.iter().filter(|set| set.images.is_ambiguous);
        let ambiguous: Vec<String> =
            ambiguous.map(|set| format!("{} {}", set.images.array.name, set.images.array.shape_text())).collect();
        if !ambiguous.is_empty() {
            listing.notices.push(Notice::AmbiguousChannels(ambiguous));
        }
        if !left_out.is_empty() {
            listing.notices.push(Notice::ArraysLeftOut(left_out.clone()));
        }
        if *hidden > 0 {
            listing.notices.push(Notice::Hidden(*hidden));
        }
        if !other.is_empty() {
            listing.notices.push(Notice::NoArrays(other.clone()));
        }
        (listing.ignored.other, listing.ignored.hidden) = (other.clone(), *hidden);
    }
}

impl Source for ArraySource {
    fn prepare(&self, scratch: Option<&Path>, _: &Limits) -> Result<(), Error> {
        self.found.sets.iter().try_for_each(|set| set.images.prepare(scratch)).map_err(Error::of_source)
    }

    fn list(&self, spec: &Spec) -> Result<Listing, Error> {
        if let Some(column) = spec.tensors.first() {
            return Err(SpecError::NotInFolders(column.name.clone()).into());
        }
        let sets = &self.found.sets;
        if spec.size.is_none() {
            return Err(sets[0].images.array.error(SourceError::NoFiles));
        }
        let labels = table::labels(sets)?;
        let mut listing = Listing { folders: Some(self.folders(spec, labels.as_ref())?), ..Listing::default() };
        listing.columns = table::given_columns(sets, &spec.columns)?;
        let is_given = |name: &str| spec.columns.iter().any(|column| column.name == name);
        let is_kept = |column: &ColumnSpec| {
            let keep = self.keep_columns.as_ref();
            !is_given(&column.name) && keep.is_none_or(|names| names.contains(&column.name))
        };
        for (column, values) in table::columns(sets)?.into_iter().filter(|(column, _)| is_kept(column)) {
            listing.found.push(column);
            listing.columns.push(values);
        }
        listing.rejects.clone_from(&self.found.rejects);
        let of_rows = labels.and_then(|labels| labels.into_listing(&mut listing));
        self.records(&mut listing, of_rows.as_deref());
        listing.rejects.sort();
        self.tell(&mut listing, spec);
        Ok(listing)
    }

    fn read(&self, images: &[ImageRef<'_>], limits: &Limits, files: &mut Files) {
        let mut reading: Option<(u32, Reading)> = None;
        for ImageRef { record, .. } in images {
            let set = &self.found.sets[record.place as usize];
            if reading.as_ref().is_none_or(|(place, _)| *place != record.place) {
                drop(reading.take());
                reading = Some((record.place, Reading::begin(set.images.array.stored.path())));
            }
            let row = record.row - self.first[record.place as usize];
            if !files.add_pixels(set.images.pixels, limits, |samples| set.images.read(row, samples)) {
                return;
            }
        }
    }

    fn length(&self, record: &Record) -> Option<u64> {
        Some(self.found.sets.get(record.place as usize)?.images.pixels.bytes())
    }

    fn fingerprint(&self) -> u64 {
        let mut fingerprint = Fingerprint::default();
        for set in &self.found.sets {
            let path = set.images.array.stored.path();
            fingerprint.add_path(path);
            set.images.array.stored.version().iter().for_each(|version| fingerprint.add_version(version));
        }
        fingerprint.finish()
    }

    fn paths(&self) -> &[PathBuf] {
        &self.paths
    }
}

impl Set {
    /// Makes a column the labels, in place of those that there are.
    fn take_labels(&mut self, column: &str) {
        if self.labels.as_ref().is_some_and(|labels| labels.name == column) {
            return;
        }
        self.names = None;
        let place = self.columns.iter().position(|(name, _)| name == column);
        self.labels = place.map(|place| self.columns.remove(place).1);
    }
}
