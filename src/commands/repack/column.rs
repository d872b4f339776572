//! Finds the tensor column of a file from its schema.

use arrow_schema::{DataType, Field, Schema};
use serde::Deserialize;

use crate::error::RepackError;
use crate::format::columns::told_features;
use crate::format::keys;
use crate::read::{Element, is_permuted};
use crate::spec::{Dtype, RepackSpec, Shape};

/// A column that may hold tensors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) element: Element,
    /// Length of its lists, outermost first; none if only the rows determine it. Bytes count as a list.
    pub(super) lengths: Vec<Option<usize>>,
    /// Shape declared in the file's metadata.
    pub(super) shape: Option<Vec<usize>>,
    kind: Kind,
}

/// The evidence that a column holds tensors, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// A shape declared in the metadata.
    Declared,
    /// Lists of fixed length.
    Fixed,
    /// Lists of variable length.
    List,
    /// Bytes.
    Binary,
}

impl Column {
    /// The tensor column and its index in the schema: the requested one, or the only one with the strongest
    /// evidence. A binary column is considered only if a shape is given.
    pub(super) fn find(schema: &Schema, spec: &RepackSpec) -> Result<(usize, Column), RepackError> {
        let (index, column) = Column::likeliest(schema, spec)?;
        if schema.fields().iter().filter(|field| *field.name() == column.name).count() > 1 {
            return Err(RepackError::SameColumns(column.name));
        }
        if column.lengths.contains(&Some(0)) {
            return Err(RepackError::NoElements(column.name));
        }
        if is_permuted(schema.field(index)) {
            return Err(RepackError::Permuted(column.name));
        }
        Ok((index, column))
    }

    fn likeliest(schema: &Schema, spec: &RepackSpec) -> Result<(usize, Column), RepackError> {
        let names = || schema.fields().iter().map(|field| field.name().clone()).collect();
        if let Some(name) = &spec.column {
            let no_column = || RepackError::NoColumn { column: name.clone(), columns: names() };
            let (index, field) = schema.fields().find(name).ok_or_else(no_column)?;
            let not_tensors = || RepackError::NotTensors { column: name.clone(), found: field.data_type().clone() };
            return Ok((index, Column::of(field, schema).ok_or_else(not_tensors)?));
        }
        let all = schema.fields().iter().enumerate().filter_map(|(at, field)| Some((at, Column::of(field, schema)?)));
        let is_likely = |column: &Column| column.kind != Kind::Binary || spec.shape.is_some();
        let mut all: Vec<(usize, Column)> = all.filter(|(_, column)| is_likely(column)).collect();
        // The others would be refused; if there are only such columns, the refusal says why.
        let is_fit = |column: &Column| column.element.dtype().is_some() && !column.lengths.contains(&Some(0));
        if all.iter().any(|(_, column)| is_fit(column)) {
            all.retain(|(_, column)| is_fit(column));
        }
        let surest = all.iter().map(|(_, column)| column.kind).min();
        // All of them get verbatim pages, no matter which is the main one.
        let is_further = |index: &usize| is_never_null(schema.field(*index));
        if let Some((index, first)) = all.iter().find(|(_, column)| Some(column.kind) == surest)
            && all.iter().filter(|(_, column)| Some(column.kind) == surest).all(|(index, _)| is_further(index))
        {
            return Ok((*index, first.clone()));
        }
        let mut best = all.into_iter().filter(|(_, column)| Some(column.kind) == surest);
        match (best.next(), best.next()) {
            (Some(found), None) => Ok(found),
            (None, _) => Err(RepackError::NoTensors(names())),
            (Some(first), Some(second)) => {
                let several = [first, second].into_iter().chain(best).map(|(_, column)| column.name);
                Err(RepackError::SeveralColumns(several.collect()))
            }
        }
    }

    /// The tensor columns besides the one at `index`, with their indices in the schema: columns of Arrow's tensor type
    /// that are never null, as inlaid writes them.
    pub(super) fn further(schema: &Schema, index: usize) -> Vec<(usize, Column)> {
        let fields = schema.fields().iter().enumerate().filter(|(at, field)| *at != index && is_never_null(field));
        let columns = fields.filter_map(|(at, field)| Some((at, Column::of(field, schema)?)));
        columns.filter(|(_, column)| column.element.dtype().is_some() && !column.lengths.contains(&Some(0))).collect()
    }

    /// The column of a field; none if it can't hold tensors.
    fn of(field: &Field, schema: &Schema) -> Option<Column> {
        let (kind, mut lengths, mut element) = nesting(field.data_type())?;
        // inlaid's binary storage declares the type of the elements.
        let dtype = field.metadata().get(keys::DTYPE).filter(|_| kind == Kind::Binary);
        if let Some(dtype) = dtype.and_then(|name| Dtype::ALL.iter().find(|dtype| dtype.numpy_name() == name)) {
            element = (*dtype).into();
            lengths = lengths.into_iter().map(|bytes| Some(bytes? / dtype.bytes())).collect();
        }
        let shape = told_shape(field, schema);
        let kind = if shape.is_some() { Kind::Declared } else { kind };
        Some(Column { name: field.name().clone(), element, lengths, shape, kind })
    }

    /// Whether the tensors of another file are compatible, as far as the schemas show. `spec` may override their shape.
    pub(super) fn fits(&self, other: &Column, spec: &RepackSpec) -> bool {
        let fit = |pair: (&Option<usize>, &Option<usize>)| !matches!(pair, (Some(one), Some(other)) if one != other);
        (self.name == other.name && self.element == other.element)
            && self.lengths.len() == other.lengths.len()
            && self.lengths.iter().zip(&other.lengths).all(fit)
            && (spec.shape.is_some() || self.shape == other.shape)
    }
}

/// The nesting of lists around numbers: evidence, lengths of the lists, and element type.
fn nesting(data_type: &DataType) -> Option<(Kind, Vec<Option<usize>>, Element)> {
    let (outer, item) = match data_type {
        DataType::FixedSizeBinary(length) => {
            return Some((Kind::Binary, vec![Some(usize::try_from(*length).ok()?)], Element::U8));
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            return Some((Kind::Binary, vec![None], Element::U8));
        }
        DataType::FixedSizeList(item, length) => (Some(usize::try_from(*length).ok()?), item),
        DataType::List(item) | DataType::LargeList(item) => (None, item),
        _ => return None,
    };
    let kind = if outer.is_some() { Kind::Fixed } else { Kind::List };
    if let Some(element) = Element::of(item.data_type()) {
        return Some((kind, vec![outer], element));
    }
    let (inner, mut lengths, element) = nesting(item.data_type()).filter(|(kind, ..)| *kind != Kind::Binary)?;
    lengths.insert(0, outer);
    Some((kind.max(inner), lengths, element))
}

/// The shape of a tensor column declared in the metadata of its field or of the schema.
fn told_shape(field: &Field, schema: &Schema) -> Option<Vec<usize>> {
    #[derive(Deserialize)]
    struct Metadata {
        shape: Vec<usize>,
    }
    let key = match is_extension(field) {
        true => keys::EXTENSION_METADATA,
        false => keys::SHAPE,
    };
    let metadata = field.metadata().get(key).and_then(|text| serde_json::from_str::<Metadata>(text).ok());
    metadata.map(|metadata| metadata.shape).or_else(|| {
        // Array2D to Array5D; a first dimension that may vary is null.
        let feature = told_features(schema)?.get(field.name())?.get("shape")?.clone();
        serde_json::from_value(feature).ok()
    })
}

/// Whether a column is of Arrow's tensor type, without a permutation, and not nullable.
fn is_never_null(field: &Field) -> bool {
    is_extension(field) && !field.is_nullable() && !is_permuted(field)
}

/// Whether a column is of Arrow's tensor type, `arrow.fixed_shape_tensor`.
pub(super) fn is_extension(field: &Field) -> bool {
    field.metadata().get(keys::EXTENSION_NAME).is_some_and(|name| name == keys::FIXED_SHAPE_TENSOR)
}

/// The shape of tensors whose lists have these lengths.
pub(super) fn shape(column: &Column, lengths: &[usize], spec: &RepackSpec) -> Result<Shape, RepackError> {
    let size = |source| RepackError::Size { column: column.name.clone(), source };
    let lists = Shape::new(lengths.to_vec()).map_err(size)?;
    let told = column.shape.clone().map(Shape::new).transpose().map_err(size)?;
    let shape = spec.shape.clone().or(told);
    match shape {
        Some(shape) if shape.elements() != lists.elements() => {
            Err(RepackError::Shape { column: column.name.clone(), shape, elements: lists.elements() })
        }
        shape => Ok(shape.unwrap_or(lists)),
    }
}
