//! Tables with encoded images: Parquet and Arrow files of other tools, Hugging Face `datasets` among them. Rows become
//! inputs; an image is read from where its table holds it or, if that is compressed, from a copy that is made once.
//!
//! Tables of tensors are refused here: [`repack`](crate::repack) takes them.

mod choice;
mod features;
mod files;
mod index;
mod rows;
mod scan;
mod split_names;
mod spool;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use arrow_array::{Array, StringArray};

use super::files::Files;
use super::listing::Listing;
use super::location::{Extent, Fingerprint, Location, Version};
use super::notice::Notice;
use super::record::Record;
use super::{ImageRef, Source, reject};
use crate::dataset::reject::Reject;
use crate::error::{Error, RecordError, SourceError};
use crate::format::ranges::Stored;
use crate::read::Piece;
use crate::remote::{Stores, is_url};
use crate::run::SourceOptions;
use crate::spec::{ColumnSpec, Folders, Limits, Spec, Split, TensorSpec};
use choice::Choice;
use files::{Found, TableFile};
use index::{Index, Place};
use rows::Rows;

pub(super) use files::is_table as is_table_name;
pub(super) use split_names::split_of;

/// Parquet and Arrow files with a column of encoded images, such as Hugging Face `datasets` writes.
#[derive(Debug)]
pub struct TableSource {
    paths: Vec<PathBuf>,
    stores: Arc<Stores>,
    found: Found,
    choice: Choice,
    /// Where images are; none until the source is prepared or listed.
    index: RwLock<Option<Arc<Index>>>,
}

/// Whether a file that begins with these bytes is a Parquet or Arrow file.
pub(crate) fn is_table(head: &[u8]) -> bool {
    // A stream begins with a marker and the length of its schema.
    let schema = head.get(4..8).and_then(|length| length.try_into().ok()).map(u32::from_le_bytes);
    let is_stream = || head.starts_with(&[0xff; 4]) && schema.is_some_and(|length| (8..1 << 28).contains(&length));
    [&b"PAR1"[..], b"PARE", b"ARROW1"].iter().any(|magic| head.starts_with(magic)) || is_stream()
}

impl TableSource {
    /// A source of these files, and of the files with the extensions of tables below these folders.
    ///
    /// # Errors
    /// If a file is no table or damaged, or it is not clear which columns hold what.
    pub fn open<P: AsRef<Path>>(paths: &[P], options: &SourceOptions) -> Result<TableSource, Error> {
        let paths: Vec<PathBuf> = paths.iter().map(|path| path.as_ref().to_owned()).collect();
        TableSource::at(&paths, options, Stores::new(&options.storage))
    }

    /// As [`open`](Self::open), of paths and URLs.
    pub(super) fn at(paths: &[PathBuf], options: &SourceOptions, stores: Arc<Stores>) -> Result<TableSource, Error> {
        if paths.is_empty() {
            return Err(Error::NoSource);
        }
        let found = Found::at(paths, &stores)?;
        let choice = Choice::of(&found.files, options)?;
        Ok(TableSource { paths: paths.to_vec(), stores, found, choice, index: RwLock::default() })
    }

    fn indexed(&self) -> Option<Arc<Index>> {
        self.index.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_index(&self, index: Index) -> Arc<Index> {
        let index = Arc::new(index);
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = Some(index.clone());
        index
    }

    /// The index, or one that is as good as is needed where nothing is copied: images are looked at only if their
    /// lengths matter, or if some may be missing.
    fn index_for(&self, spec: &Spec) -> Result<Arc<Index>, Error> {
        if let Some(index) = self.indexed() {
            return Ok(index);
        }
        let index = match spec.size.is_some() && self.is_complete()? {
            true => Index::of_rows(&self.found.files, &self.choice.image)?,
            false => Index::of_images(&self.found.files, &self.choice.image, None)?,
        };
        Ok(self.set_index(index))
    }

    /// Whether statistics say that every row has one image.
    fn is_complete(&self) -> Result<bool, Error> {
        for file in &self.found.files {
            let table = file.open()?;
            let Some(column) = table.bytes_column(&self.choice.image) else { return Ok(false) };
            if !table.is_never_null(column, Piece::Content).map_err(file.unread())? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What the names of files mean: splits, if all of them say one.
    fn folders(&self, spec: &Spec, has_labels: bool) -> Result<Folders, Error> {
        let without = self.found.files.iter().find(|file| file.split.is_none());
        match (spec.folders, without) {
            (Folders::Splits, Some(file)) => Err(file.unfit()(SourceError::NoSplit)),
            (Folders::Auto, None) => Ok(Folders::Splits),
            (Folders::Auto, Some(_)) if !has_labels => Ok(Folders::None),
            (Folders::Auto, Some(_)) => Ok(Folders::Classes),
            (asked, _) => Ok(asked),
        }
    }

    /// Columns of the images of a row after the first.
    fn further(&self, spec: &Spec, images: usize) -> Result<Vec<TensorSpec>, Error> {
        if !spec.tensors.is_empty() || images < 2 {
            return match (spec.tensors.len() + 1, self.found.files.first()) {
                (expected, Some(file)) if expected != images => {
                    let column = self.choice.image.clone();
                    Err(file.unfit()(SourceError::ImageColumns { column, found: images, expected }))
                }
                _ => Ok(Vec::new()),
            };
        }
        let Some(size) = spec.size else {
            let column = self.choice.image.clone();
            let path = self.paths[0].clone();
            return Err(Error::Source { path, source: SourceError::SeveralImages { column, images } });
        };
        let column = |number: usize| {
            let mut column = TensorSpec::new(format!("{}_{number}", self.choice.image), size);
            (column.channels, column.dtype) = (spec.channels, spec.dtype);
            (column.layout, column.filter) = (spec.layout, spec.filter);
            column
        };
        Ok((2..=images).map(column).collect())
    }

    fn notices(&self, folders: Folders, spec: &Spec) -> Vec<Notice> {
        let mut notices = Vec::new();
        let without = self.found.files.iter().find(|file| file.split.is_none());
        match without {
            None if folders == Folders::Splits && spec.folders == Folders::Auto => {
                notices.push(Notice::SplitNames(Listing::first_path(&self.paths)));
            }
            Some(file) if spec.folders == Folders::Auto && self.found.files.iter().any(|file| file.split.is_some()) => {
                notices.push(Notice::NoSplitInName(file.path.clone()));
            }
            _ => {}
        }
        let split = self.choice.values.iter().find(|column| column.name.eq_ignore_ascii_case("split"));
        notices.extend(split.map(|column| Notice::SplitIsValue(column.name.clone())));
        if !self.choice.undecided.is_empty() {
            notices.push(Notice::SeveralLabels(self.choice.undecided.clone()));
        }
        if !self.choice.left_out.is_empty() {
            notices.push(Notice::ColumnsLeft(self.choice.left_out.clone()));
        }
        notices
    }
}

impl Source for TableSource {
    fn prepare(&self, scratch: Option<&Path>, _: &Limits) -> Result<(), Error> {
        if scratch.is_some() {
            let index = Index::of_images(&self.found.files, &self.choice.image, scratch);
            self.set_index(index.map_err(|error| self.of_store(error))?);
        }
        Ok(())
    }

    fn list(&self, spec: &Spec) -> Result<Listing, Error> {
        self.listing(spec).map_err(|error| self.of_store(error))
    }

    fn read(&self, images: &[ImageRef<'_>], limits: &Limits, files: &mut Files) {
        let index = self.indexed().unwrap_or_default();
        for image in images {
            if !self.read_image(&index, image, limits, files) {
                return;
            }
        }
    }

    fn failure(&self) -> Option<Error> {
        self.stores.failure()
    }

    fn length(&self, record: &Record) -> Option<u64> {
        let index = self.indexed()?;
        match index.place(record.place, 0)? {
            (Place::File(path), _) => self.stores.open(path).ok().map(|file| file.len()),
            (_, length) => Some(length),
        }
    }

    fn locate(&self, image: &ImageRef<'_>) -> Option<Location> {
        let index = match self.indexed().filter(|index| index.has_images()) {
            Some(index) => index,
            None => self.set_index(Index::of_images(&self.found.files, &self.choice.image, None).ok()?),
        };
        match index.place(image.record.place, image.image)? {
            (Place::File(path), _) if is_url(path) => {
                let stored = self.stores.open(path).ok()?;
                let (bytes, tag) = (stored.len(), stored.version());
                Location::part(
                    path,
                    Extent { of: Version { bytes, modified: None, tag }, offset: 0, bytes, packed: None },
                )
            }
            (Place::File(path), _) => Location::file(path),
            (Place::Table(number, offset), bytes) if bytes < u64::from(u32::MAX) => {
                let file = &self.found.files[number];
                let of = self.version_of(file)?;
                Location::part(&file.path, Extent { of, offset, bytes, packed: None })
            }
            (Place::Table(..) | Place::Spool(_), _) => None,
        }
    }

    fn fingerprint(&self) -> u64 {
        let mut fingerprint = Fingerprint::default();
        for file in &self.found.files {
            fingerprint.add_path(&file.path);
            self.version_of(file).iter().for_each(|version| fingerprint.add_version(version));
        }
        fingerprint.finish()
    }

    fn paths(&self) -> &[PathBuf] {
        &self.paths
    }
}

impl TableSource {
    /// What a table was when it was found.
    fn version_of(&self, file: &TableFile) -> Option<Version> {
        if !is_url(&file.path) {
            return Some(file.version());
        }
        let stored = self.stores.open(&file.path).ok()?;
        Some(Version { bytes: stored.len(), modified: None, tag: stored.version() })
    }

    /// Why a table can't be read: since its store can't be, if that is known.
    fn of_store(&self, error: Error) -> Error {
        self.stores.failure().unwrap_or(error.of_source())
    }

    fn listing(&self, spec: &Spec) -> Result<Listing, Error> {
        let index = self.index_for(spec)?;
        let unpacked = Some(index.copied).filter(|bytes| *bytes > 0).map(Notice::Unpacked);
        let is_new = |column: &&ColumnSpec| spec.columns.iter().all(|known| known.name != column.name);
        let found: Vec<ColumnSpec> = self.choice.values.iter().filter(is_new).cloned().collect();
        let columns: Vec<ColumnSpec> = spec.columns.iter().chain(&found).cloned().collect();
        let rows = Rows::read(&self.found.files, &self.choice, &columns)?;
        let mut listing = Listing::default();
        let has_labels = rows.labels.is_some();
        let labels = rows.labels.and_then(|labels| labels.into_listing(&mut listing));
        let folders = self.folders(spec, has_labels)?;
        let found_tensors = self.further(spec, index.images)?;
        let mut inputs = Inputs { files: &self.found.files, records: Vec::new(), rejects: Vec::new() };
        for (number, file) in self.found.files.iter().enumerate() {
            let split = file.split.filter(|_| folders == Folders::Splits);
            let labels = labels.as_deref();
            inputs.add(number, split, labels, rows.keys.as_ref(), &index)?;
        }
        for path in &self.found.not_utf8 {
            inputs.rejects.push(reject(path.to_string_lossy(), &RecordError::NameNotUtf8));
        }
        inputs.sort();
        Ok(Listing {
            records: inputs.records.into_iter().map(|(record, _)| record).collect(),
            columns: rows.values,
            found,
            found_tensors,
            folders: Some(folders).filter(|_| index.rows() > 0),
            rejects: inputs.rejects,
            ignored: self.found.ignored.clone(),
            notices: self.notices(folders, spec).into_iter().chain(unpacked).collect(),
            ..listing
        })
    }

    /// Adds an image to `files`. Returns whether there is room for another.
    fn read_image(&self, index: &Index, image: &ImageRef<'_>, limits: &Limits, files: &mut Files) -> bool {
        let Some((place, length)) = index.place(image.record.place, image.image) else {
            let error = if index.has_images() { RecordError::NoImage } else { RecordError::OnlyListed };
            return files.add(|_| Err(error));
        };
        let limit = limits.file_bytes.0;
        match place {
            Place::File(path) if is_url(path) => self.read_named(path, limits, files),
            Place::File(path) => files.add_file(path, limits),
            _ if length > limit => files.add(|_| Err(RecordError::FileTooLarge { bytes: length, limit })),
            Place::Table(number, offset) => {
                let file = &self.found.files[number];
                files.add_range(&file.path, length, |buffer| file.bytes(|file| read_at(file, offset, length, buffer)))
            }
            Place::Spool(offset) => files.add_range(&self.paths[0], length, |buffer| match &index.spool {
                Some(spool) => read_at(&spool.file(), offset, length, buffer),
                None => Err(RecordError::OnlyListed),
            }),
        }
    }
}

impl TableSource {
    /// Adds a file that a row of a table in a store names.
    fn read_named(&self, url: &Path, limits: &Limits, files: &mut Files) -> bool {
        let stored = match self.stores.open(url) {
            Ok(stored) => stored,
            Err(error) => return files.add(|_| Err(RecordError::unread(error))),
        };
        let (bytes, limit) = (stored.len(), limits.file_bytes.0);
        match bytes > limit {
            true => files.add(|_| Err(RecordError::FileTooLarge { bytes, limit })),
            false => files.add_range(url, bytes, |buffer| read_at(&stored, 0, bytes, buffer)),
        }
    }
}

/// Appends bytes of a file to the buffer.
fn read_at(file: &Stored, offset: u64, length: u64, buffer: &mut Vec<u8>) -> Result<(), RecordError> {
    let start = buffer.len();
    buffer.resize(start + length as usize, 0);
    file.read_at(offset, &mut buffer[start..]).map_err(RecordError::unread)
}

/// The inputs of a listing.
struct Inputs<'a> {
    files: &'a [TableFile],
    /// Records, each with the number of its table.
    records: Vec<(Record, u32)>,
    rejects: Vec<Reject>,
}

impl Inputs<'_> {
    /// Adds the rows of a table.
    fn add(
        &mut self,
        number: usize,
        split: Option<Split>,
        labels: Option<&[Option<u32>]>,
        keys: Option<&StringArray>,
        index: &Index,
    ) -> Result<(), Error> {
        let file = &self.files[number];
        let rows = index.rows_of(number);
        let first = rows.start;
        for row in rows {
            let stored = keys.filter(|keys| keys.is_valid(row as usize)).map(|keys| keys.value(row as usize));
            let key = match stored {
                Some(key) if !key.is_empty() => key.to_owned(),
                _ => format!("{}/{:09}", file.key, row - first),
            };
            match index.refusal(row) {
                Some(error) => self.rejects.push(reject(key, &error)),
                None => {
                    let label = labels.and_then(|labels| labels.get(row as usize).copied().flatten());
                    self.records.push((Record { label, split, ..Record::new(key, row) }, number as u32));
                }
            }
        }
        Ok(())
    }

    /// Sorts by key. Of records with the same key, keeps the first and rejects the others.
    fn sort(&mut self) {
        let Inputs { files, records, rejects } = self;
        records.sort_unstable_by(|(a, _), (b, _)| (&*a.key, a.place).cmp(&(&*b.key, b.place)));
        records.dedup_by(|(later, _), (earlier, number)| {
            let same = later.key == earlier.key;
            if same {
                let taken_by = files[*number as usize].path.clone();
                rejects.push(reject(later.key.clone(), &RecordError::DuplicateKey(taken_by)));
            }
            same
        });
        rejects.sort();
    }
}
