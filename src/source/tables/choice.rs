//! Which columns of tables are what: images, labels, keys, values, and those that a dataset can't have.

use std::ops::ControlFlow;
use std::path::Path;

use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::features::Features;
use super::files::TableFile;
use crate::error::{Error, SourceError};
use crate::format::keys;
use crate::format::magic::is_image;
use crate::read::{BytesColumn, Item, Piece, SourceFile, Value};
use crate::run::SourceOptions;
use crate::source::values::kind_of;
use crate::spec::ColumnSpec;

/// Columns that every dataset has beside the label.
const TAKEN: [&str; 5] = ["image", "path", "source_height", "source_width", "sha256"];

/// Number of images whose first bytes are looked at.
const LOOKS: usize = 4;

/// The columns of tables.
#[derive(Debug, Default)]
pub(super) struct Choice {
    /// Column with the images.
    pub(super) image: String,
    /// Columns with the labels.
    pub(super) labels: Vec<String>,
    /// Names of the classes, where the tables give numbers.
    pub(super) class_names: Option<Vec<String>>,
    /// Column with the keys of the rows: that of tables that inlaid wrote.
    pub(super) keys: Option<String>,
    /// Columns of values.
    pub(super) values: Vec<ColumnSpec>,
    /// Columns that are left out, and why.
    pub(super) left_out: Vec<(String, String)>,
    /// Columns of classes, if several could be the labels.
    pub(super) undecided: Vec<String>,
}

impl Choice {
    /// Chooses from the columns of the first table, and holds the others to them.
    pub(super) fn of(files: &[TableFile], options: &SourceOptions) -> Result<Choice, Error> {
        let Some(first) = files.first() else { return Ok(Choice::default()) };
        let mut schemas: Vec<SchemaRef> = Vec::new();
        for file in files {
            let schema = file.open()?.schema().clone();
            let known = schemas.first().filter(|first| ***first == *schema).cloned();
            schemas.push(known.unwrap_or(schema));
        }
        let schema = &schemas[0];
        let features = Features::of(schema);
        let mut choice = Choice { image: image_column(files, schema, &features, options)?, ..Choice::default() };
        choice.choose_labels(schema, &features, options).map_err(first.unfit())?;
        let is_own = schema.metadata().contains_key(keys::VERSION);
        if is_own && kind_at(schema, "path").is_some() {
            choice.keys = Some("path".to_owned());
        }
        choice.choose_values(&schemas, is_own, options).map_err(first.unfit())?;
        for (file, other) in files.iter().zip(&schemas).skip(1).filter(|(_, other)| *other != schema) {
            choice.check(schema, &first.path, other).map_err(file.unfit())?;
        }
        Ok(choice)
    }

    fn choose_labels(
        &mut self,
        schema: &Schema,
        features: &Features,
        options: &SourceOptions,
    ) -> Result<(), SourceError> {
        let has = |name: &&str| *name != self.image && schema.fields().find(name).is_some();
        if !options.label_columns.is_empty() {
            for name in &options.label_columns {
                find(schema, name)?;
            }
            self.labels.clone_from(&options.label_columns);
        } else if let Some(name) = ["label", "labels"].iter().find(|name| has(name)) {
            self.labels = vec![(*name).to_owned()];
        } else {
            let classes = schema.fields().iter().map(|field| field.name()).filter(|name| features.is_class(name));
            let classes: Vec<String> = classes.cloned().collect();
            match classes.len() {
                0 | 1 => self.labels = classes,
                _ => self.undecided = classes,
            }
        }
        if let [only] = &*self.labels {
            self.class_names = features.class_names(only);
        }
        Ok(())
    }

    fn choose_values(
        &mut self,
        schemas: &[SchemaRef],
        is_own: bool,
        options: &SourceOptions,
    ) -> Result<(), SourceError> {
        let schema = &schemas[0];
        let asked = options.keep_columns.iter().flatten().chain(options.column_types.iter().map(|column| &column.name));
        for name in asked {
            find(schema, name)?;
        }
        for field in schema.fields() {
            let name = field.name();
            let is_used = *name == self.image || self.labels.contains(name) || self.keys.as_ref() == Some(name);
            let is_kept = options.keep_columns.as_ref().is_none_or(|kept| kept.contains(name));
            let is_taken = TAKEN.contains(&&**name) || name == "label";
            if is_used || !is_kept || is_taken && is_own {
                continue;
            }
            let told = options.column_types.iter().find(|column| column.name == *name).map(|column| column.kind);
            let kind = schemas.iter().find_map(|schema| kind_at(schema, name));
            match kind.map(|kind| told.unwrap_or(kind)) {
                _ if is_taken => self.leave_out(name, "its name is taken".to_owned()),
                _ if name.is_empty() => self.leave_out(name, "it has no name".to_owned()),
                _ if schema.fields().iter().filter(|other| other.name() == name).count() > 1 => {
                    return Err(SourceError::SameColumns(name.clone()));
                }
                Some(kind) => self.values.push(ColumnSpec::new(name, kind)),
                None => self.leave_out(name, format!("it is of type {}", field.data_type())),
            }
        }
        Ok(())
    }

    fn leave_out(&mut self, name: &str, reason: String) {
        self.left_out.push((name.to_owned(), reason));
    }

    /// Compares the columns of another table.
    fn check(&self, first: &Schema, path: &Path, other: &Schema) -> Result<(), SourceError> {
        let values = self.values.iter().map(|column| &column.name);
        for name in self.labels.iter().chain(&self.keys).chain(values).chain([&self.image]) {
            let lacks = || SourceError::LacksColumn { column: name.clone(), other: path.to_owned() };
            let (there, (_, here)) = (find(first, name)?, other.fields().find(name).ok_or_else(lacks)?);
            let is_null = |field: &Field| *field.data_type() == DataType::Null;
            let is_same = match (kind_of(there.data_type()), kind_of(here.data_type())) {
                _ if *name == self.image => {
                    let column = |schema: &Schema| {
                        let column = BytesColumn::of(schema, schema.index_of(name).ok()?)?;
                        Some((column.item, column.is_list))
                    };
                    column(first).is_some() && column(first) == column(other)
                }
                (Some(there), Some(here)) => there == here,
                _ => is_null(there) || is_null(here) || there.data_type() == here.data_type(),
            };
            if !is_same {
                let (column, other) = (name.clone(), path.to_owned());
                let (found, expected) = (here.data_type().clone(), there.data_type().clone());
                return Err(SourceError::OtherType { column, found, other, expected });
            }
        }
        match &*self.labels {
            [label] if Features::of(other).class_names(label) != self.class_names => {
                Err(SourceError::OtherClasses { column: label.clone(), other: path.to_owned() })
            }
            _ => Ok(()),
        }
    }
}

/// The type of the values of a column; none if there is no such column, or it has no single values.
fn kind_at(schema: &Schema, name: &str) -> Option<crate::spec::ColumnType> {
    kind_of(schema.fields().find(name)?.1.data_type())
}

/// A column that must be there.
pub(super) fn find<'a>(schema: &'a Schema, name: &str) -> Result<&'a Field, SourceError> {
    let names = || schema.fields().iter().map(|field| field.name().clone()).collect();
    let (_, field) = schema
        .fields()
        .find(name)
        .ok_or_else(|| SourceError::NoColumn { column: name.to_owned(), columns: names() })?;
    Ok(field)
}

/// The column of images: the one that was asked for, those that `datasets` calls images, structs as it stores files, or
/// bytes that begin like images.
fn image_column(
    files: &[TableFile],
    schema: &Schema,
    features: &Features,
    options: &SourceOptions,
) -> Result<String, Error> {
    let unfit = files[0].unfit();
    if let Some(name) = &options.image_column {
        let field = find(schema, name).map_err(&unfit)?;
        let index = schema.index_of(name).unwrap_or_default();
        return match BytesColumn::of(schema, index) {
            Some(_) => Ok(name.clone()),
            None if holds_numbers(field) => Err(unfit(SourceError::Tensors(vec![name.clone()]))),
            None => Err(unfit(SourceError::NotImages { column: name.clone(), found: field.data_type().clone() })),
        };
    }
    let all = (0..schema.fields().len()).filter_map(|index| BytesColumn::of(schema, index));
    let name = |column: &BytesColumn| schema.field(column.index).name().clone();
    let all: Vec<BytesColumn> = all.collect();
    let told = all.iter().filter(|column| features.kind(&name(column)) == Some("Image"));
    let told: Vec<&BytesColumn> = told.collect();
    if !told.is_empty() {
        return only(told.into_iter().map(name).collect()).map_err(unfit);
    }
    // Other files have the same form: sounds, videos, documents.
    let is_open = |column: &&BytesColumn| features.kind(&name(column)).is_none_or(|kind| kind == "Value");
    let named = all.iter().filter(is_open).filter(|column| column.item == Item::File);
    let named: Vec<String> = named.map(name).collect();
    if named.len() == 1 {
        return only(named).map_err(unfit);
    }
    let mut seen = Vec::new();
    for column in all.iter().filter(is_open).filter(|column| named.is_empty() || column.item == Item::File) {
        if looks_like_images(files, &name(column))? {
            seen.push(name(column));
        }
    }
    match (seen.is_empty(), named.is_empty()) {
        (false, _) => only(seen).map_err(unfit),
        (true, false) => only(named).map_err(unfit),
        (true, true) => {
            let fields = schema.fields().iter();
            let tensors = fields.clone().filter(|field| holds_numbers(field)).map(|field| field.name().clone());
            let tensors: Vec<String> = tensors.collect();
            Err(unfit(match tensors.is_empty() {
                // Tables of pixels become a source of their own here.
                false => SourceError::Tensors(tensors),
                true => SourceError::NoImages(fields.map(|field| field.name().clone()).collect()),
            }))
        }
    }
}

fn only(mut names: Vec<String>) -> Result<String, SourceError> {
    match names.len() {
        1 => Ok(names.remove(0)),
        _ => Err(SourceError::SeveralImageColumns(names)),
    }
}

/// Whether a column may hold tensors: an array type, or lists of lists or of a fixed number of numbers.
fn holds_numbers(field: &Field) -> bool {
    fn is_nested(kind: &DataType) -> bool {
        match kind {
            DataType::FixedSizeList(item, _) => item.data_type().is_numeric() || is_nested(item.data_type()),
            DataType::List(item) | DataType::LargeList(item) => match item.data_type() {
                DataType::List(inner) | DataType::LargeList(inner) => {
                    inner.data_type().is_numeric() || is_nested(item.data_type())
                }
                kind => *kind == DataType::UInt8 || is_nested(kind),
            },
            _ => false,
        }
    }
    field.metadata().contains_key(keys::SHAPE) || is_nested(field.data_type())
}

/// Whether the first images that a column has begin like images.
fn looks_like_images(files: &[TableFile], name: &str) -> Result<bool, Error> {
    /// Why a look ended early.
    type Unread = crate::read::SourceFileError;
    let (mut looks, mut is_one) = (0, false);
    for file in files {
        let table: &SourceFile = &*file.open()?;
        let index = table.schema().index_of(name).ok();
        let Some(column) = index.and_then(|index| BytesColumn::of(table.schema(), index)) else { continue };
        let mut look = |_: usize, value: Value<'_>| {
            if let Value::Bytes { bytes, .. } = value {
                looks += 1;
                is_one |= is_image(bytes);
            }
            Ok::<_, Unread>(if looks < LOOKS && !is_one { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        };
        for part in 0..table.parts() {
            if table.visit_bytes(part, column, Piece::Content, &mut look).map_err(file.unread())?.is_break() {
                break;
            }
        }
        if looks > 0 {
            break;
        }
    }
    Ok(is_one)
}
