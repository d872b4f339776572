//! The listing of a WebDataset: each sample is an input, its small fields are values and labels.

use std::collections::BTreeSet;

use arrow_array::ArrayRef;

use super::archive::{Archive, SampleColumns, SampleLabels, Samples};
use super::found::{Found, Part};
use super::labels::Labels;
use super::listing::Listing;
use super::members;
use super::notice::Notice;
use super::record::Record;
use super::value_columns::ValueColumns;
use crate::error::{Error, SourceError};
use crate::run::SourceOptions;
use crate::spec::{ColumnType, Spec, SpecError};

/// The listing of archives that are prepared. The members of the first have the places from 0 on, those of the next
/// follow.
///
/// # Errors
/// If an archive has changed, or columns that the options or the spec name are missing.
pub(super) fn list(archives: &[&Archive], spec: &Spec, options: &SourceOptions) -> Result<Listing, Error> {
    if let Some(column) = spec.tensors.first() {
        return Err(SpecError::NotInFolders(column.name.clone()).into());
    }
    let mut found = Found::default();
    let mut all = All::default();
    for archive in archives {
        all.add(&mut found, archive)?;
    }
    let first = archives.first().map(|archive| archive.path().to_owned()).unwrap_or_default();
    let refused = |error| Error::source(&first)(error);
    let All { columns, further, .. } = all;
    let ignored: Vec<String> = columns.ignored.keys().cloned().collect();
    let mut fields = Fields::of(columns.finish());
    fields.check_asked(options).map_err(refused)?;
    let labels = fields.take_labels(options).map_err(refused)?;

    found.decide(spec, labels.is_some())?;
    found.parts.iter_mut().for_each(begin_with_shard);
    let mut listing = found.into_listing(&|place| archive_at(archives, place));
    listing.rejects.sort();
    let labels = match labels {
        Some(labels) => labels.into_listing(&mut listing),
        None => {
            listing.label_by_folders(1);
            None
        }
    };
    if let Some(labels) = labels {
        listing.records.iter_mut().for_each(|record| record.label = labels[record.row as usize]);
    }
    members::split_by_names(&mut listing, archives, spec, 1);
    let values = ValueColumns::choose(fields.0, options, |_| false, &mut listing.notices).map_err(refused)?;
    values.give(&mut listing, spec).map_err(refused)?;
    let left = further.into_iter().map(|name| (name, "a further image of the sample".to_owned()));
    let left = left.chain(ignored.into_iter().map(|name| (name, "it is null where it is no short text".to_owned())));
    let left: Vec<(String, String)> = left.collect();
    if !left.is_empty() {
        listing.notices.push(Notice::ColumnsLeft(left));
    }
    Ok(listing)
}

/// What the samples of all archives hold.
#[derive(Default)]
struct All {
    columns: SampleColumns,
    /// Names of fields that are further images.
    further: BTreeSet<String>,
    /// Number of rows in the columns.
    rows: u32,
    /// Place of the next archive's first member.
    place: u32,
}

impl All {
    fn add(&mut self, found: &mut Found, archive: &Archive) -> Result<(), Error> {
        let samples = Samples::of(archive);
        let mut part = Part::of(archive.path(), self.place..self.place + archive.len());
        for (key, error) in &samples.rejects {
            part.reject(key.clone(), error);
        }
        let reader = archive.reader().map_err(|error| SourceError::Damaged(error.to_string()));
        let mut reader = reader.map_err(Error::source(archive.path()))?;
        for sample in samples.iter(archive) {
            match self.columns.push(&samples, &sample, &mut reader, |member| archive.length(member)) {
                Ok(()) => {
                    let record = Record::new(archive.name(sample.image), self.place + sample.image);
                    part.records.push(Record { row: self.rows, ..record });
                    self.rows += 1;
                }
                Err(error) => part.reject(sample.key, &error),
            }
            let further = sample.fields.iter().filter(|field| samples.is_image(**field));
            for name in further.map(|field| samples.name(*field)) {
                if !self.further.contains(name) {
                    self.further.insert(name.to_owned());
                }
            }
        }
        if archive.lacks_end() {
            found.listing.notices.push(Notice::NoEnd(archive.path().to_owned()));
        }
        self.place += archive.len();
        found.parts.push(part);
        Ok(())
    }
}

/// Puts the name of the shard before all keys, which may begin anew in every shard.
fn begin_with_shard(part: &mut Part) {
    let name = part.source.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let shard = name.split('.').next().unwrap_or_default();
    part.records.iter_mut().for_each(|record| record.key = format!("{shard}/{}", record.key).into());
    part.rejects.iter_mut().for_each(|reject| reject.path = format!("{shard}/{}", reject.path));
}

fn archive_at(archives: &[&Archive], place: u32) -> std::path::PathBuf {
    let mut end = 0;
    let archive = archives.iter().find(|archive| {
        end += archive.len();
        place < end
    });
    archive.map(|archive| archive.path().to_owned()).unwrap_or_default()
}

/// Values of samples, by the names of their fields.
struct Fields(Vec<(String, ArrayRef)>);

/// Fields that are labels, unless another one is named.
const LABELS: [&str; 7] = ["cls", "label", "class", "labels", "cls_index", "label_index", "index"];

impl Fields {
    fn of(SampleLabels { columns, labels }: SampleLabels) -> Fields {
        Fields(labels.into_iter().chain(columns).collect())
    }

    /// Checks that there are the columns that the options name.
    fn check_asked(&self, options: &SourceOptions) -> Result<(), SourceError> {
        let types = options.column_types.iter().map(|column| &column.name);
        let mut asked = options.keep_columns.iter().flatten().chain(types).chain(&options.label_columns);
        asked.try_for_each(|name| self.place(name).map(drop))
    }

    fn place(&self, name: &str) -> Result<usize, SourceError> {
        let place = self.0.iter().position(|(other, _)| other == name);
        place.ok_or_else(|| SourceError::NoColumn {
            column: name.to_owned(),
            columns: self.0.iter().map(|(name, _)| name.clone()).collect(),
        })
    }

    /// Takes the labels out.
    fn take_labels(&mut self, options: &SourceOptions) -> Result<Option<Labels>, SourceError> {
        let name = match &*options.label_columns {
            [] => match LABELS.iter().find(|name| self.place(name).is_ok()) {
                Some(name) => (*name).to_owned(),
                None => return Ok(None),
            },
            [name] => name.clone(),
            several => {
                let of_class = |name: &String| self.place(name).map(|place| self.0.remove(place));
                return Labels::of_columns(&several.iter().map(of_class).collect::<Result<Vec<_>, _>>()?).map(Some);
            }
        };
        let (name, values) = self.0.remove(self.place(&name)?);
        let asked = options.column_types.iter().find(|asked| asked.name == name).map(|asked| asked.kind);
        match asked {
            Some(ColumnType::Float64) => Labels::of_numbers(&name, &values).map(Some),
            _ => Labels::of(&name, &values, None).map(Some),
        }
    }
}
