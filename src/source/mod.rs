//! Where images come from. Folders are the first [`Source`]; whatever else holds images is another.

mod files;
mod folders;
mod hash_lanes;
mod listing;
mod notice;
mod record;
mod reject;

use std::path::PathBuf;

use crate::error::Error;
use crate::spec::{Limits, Spec};

pub use files::Files;
pub use folders::FolderSource;
pub use listing::Listing;
pub use notice::{Ignored, Notice};
pub use record::Record;
pub(crate) use reject::reject;

/// Where the inputs of a run come from: it lists them, and reads the bytes of the images that are asked for.
///
/// Everything else (splits, order, decoding, commits) is the same for every source.
pub trait Source: Sync {
    /// Lists the inputs, without reading images. A listing may take memory for every input: a key, a few numbers, and
    /// the values of the columns that the spec asks for ([`Spec::columns`]).
    ///
    /// # Errors
    /// If the inputs can't be listed, or the source does not have what the spec asks for.
    fn list(&self, spec: &Spec) -> Result<Listing, Error>;

    /// Reads the first of these images, as many as go together but at least one, and adds the outcome of each to
    /// `files`. Called by several threads at a time.
    fn read(&self, images: &[ImageRef<'_>], limits: &Limits, files: &mut Files);

    /// Length of an input's first image in bytes, if it is known without reading it.
    fn length(&self, record: &Record) -> Option<u64>;

    /// Files and folders that the source reads, which a run must not write to.
    fn paths(&self) -> &[PathBuf];
}

/// An image of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageRef<'a> {
    /// The input.
    pub record: &'a Record,
    /// Which of its images: 0 is the one of the column `image`, the others belong to [`Spec::tensors`], from 1 on.
    pub image: usize,
}
