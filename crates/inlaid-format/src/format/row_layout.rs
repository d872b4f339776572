//! How the rows of a dataset are laid out in its files. Checked once, when a spec comes in.

use super::page::PageLayout;
use super::row_counts::RowCounts;
use super::tensor::TensorShape;
use crate::spec::{Compression, Encoding, Format, Spec, SpecError, Storage};

/// How the rows of a dataset are laid out in its files.
#[derive(Clone, Debug)]
pub struct RowLayout {
    shape: Option<TensorShape>,
    pages: Option<PageLayout>,
    counts: RowCounts,
    pub(super) storage: Storage,
    pub(super) encoding: Option<Encoding>,
    pub(super) format: Format,
    pub(super) compression: Compression,
}

impl RowLayout {
    /// The layout that a spec asks for.
    ///
    /// # Errors
    /// If a tensor has too many elements.
    pub fn new(spec: &Spec) -> Result<RowLayout, SpecError> {
        let shape = TensorShape::new(spec)?;
        let tensors = shape.filter(|_| spec.storage != Storage::Encoded);
        let counts = tensors.map_or(RowCounts::ENCODED, |shape| RowCounts::new(spec, shape.bytes()));
        // In Arrow files pages are only pieces of a record batch, which the IPC writer compresses.
        let (storage, compression) = match spec.format {
            Format::Parquet => (spec.storage, spec.compression),
            Format::Arrow => (Storage::Binary, Compression::None),
        };
        Ok(RowLayout {
            shape,
            pages: tensors.map(|shape| PageLayout::new(&shape, storage, compression, counts.page)),
            counts,
            storage: spec.storage,
            encoding: spec.encoding,
            format: spec.format,
            compression: spec.compression,
        })
    }

    /// Sets the encoding that was left open.
    pub fn set_encoding(&mut self, encoding: Option<Encoding>) {
        self.encoding = encoding;
    }

    /// Shape of the resized images; none if images keep their sizes.
    pub fn shape(&self) -> Option<TensorShape> {
        self.shape
    }

    /// Layout of the pages of tensors; none if images are stored as files.
    pub fn pages(&self) -> Option<PageLayout> {
        self.pages
    }

    /// Rows of a page, a row group and a shard.
    pub fn counts(&self) -> RowCounts {
        self.counts
    }
}
