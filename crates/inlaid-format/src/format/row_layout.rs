//! The layout of a dataset's rows in its files. Validated once, when a spec comes in.

use super::page::PageLayout;
use super::row_counts::{MOST_BYTES, RowCounts};
use super::tensor::TensorShape;
use crate::spec::{Compression, Encoding, Format, Spec, SpecError, Storage};

/// The name of the column of tensors or encoded images.
pub const TENSOR_COLUMN: &str = "image";

/// The layout of a dataset's rows in its files.
#[derive(Clone, Debug)]
pub struct RowLayout {
    shape: Option<TensorShape>,
    tensors: Vec<TensorLayout>,
    counts: RowCounts,
    file_bytes: u64,
    pub(super) encoding: Option<Encoding>,
    pub(super) format: Format,
    pub(super) storage: Storage,
    pub(super) compression: Compression,
}

/// The layout of a tensor column.
#[derive(Clone, Debug)]
pub struct TensorLayout {
    /// Name of the column.
    pub name: String,
    /// Shape of every tensor.
    pub shape: TensorShape,
    /// Layout of the column's pages.
    pub pages: PageLayout,
}

impl RowLayout {
    /// The layout that a spec defines.
    ///
    /// # Errors
    /// If a tensor has too many elements, or two columns have the same name.
    pub fn new(spec: &Spec) -> Result<RowLayout, SpecError> {
        spec.check_columns()?;
        let shape = TensorShape::new(spec)?;
        let mut named = Vec::new();
        if let Some(shape) = shape.filter(|_| spec.storage != Storage::Encoded) {
            named.push((TENSOR_COLUMN, shape));
        }
        for column in &spec.tensors {
            match (named.is_empty(), TensorShape::new(&spec.of_tensors(column))?) {
                (false, Some(shape)) => named.push((&column.name, shape)),
                _ => return Err(SpecError::TensorsBesideFiles(column.name.clone())),
            }
        }
        let shapes: Vec<TensorShape> = named.iter().map(|(_, shape)| *shape).collect();
        let counts = if shapes.is_empty() { RowCounts::FILES } else { RowCounts::new(spec, &shapes) };
        // In Arrow files pages are only pieces of a record batch, which the IPC writer compresses.
        let (storage, compression) = match spec.format {
            Format::Parquet => (spec.storage, spec.compression),
            Format::Arrow => (Storage::Binary, Compression::None),
        };
        let tensors = named.into_iter().map(|(name, shape)| {
            let pages = PageLayout::new(&shape, storage, compression, counts.page);
            TensorLayout { name: name.to_owned(), shape, pages }
        });
        Ok(RowLayout {
            shape,
            tensors: tensors.collect(),
            counts,
            file_bytes: spec.row_group_bytes.0.min(MOST_BYTES),
            encoding: spec.encoding,
            format: spec.format,
            storage: spec.storage,
            compression: spec.compression,
        })
    }

    /// Sets the encoding that was left open.
    pub fn set_encoding(&mut self, encoding: Option<Encoding>) {
        self.encoding = encoding;
    }

    /// Shape of the resized images; none if images keep their original sizes.
    pub fn shape(&self) -> Option<TensorShape> {
        self.shape
    }

    /// Tensor columns, in file order: the images first. Empty if images are stored as files.
    pub fn tensors(&self) -> &[TensorLayout] {
        &self.tensors
    }

    /// Bytes of one row's tensors, over all tensor columns.
    pub fn tensor_bytes(&self) -> usize {
        self.tensors.iter().map(|column| column.shape.bytes()).sum()
    }

    /// Maximum rows of a page, a row group and a shard.
    pub fn counts(&self) -> RowCounts {
        self.counts
    }

    /// Maximum bytes of images in a row group, if images are stored as files.
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }
}
