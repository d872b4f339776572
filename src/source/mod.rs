//! Sources of images: what [`open_source`] makes of paths, and the trait that all of them implement.

mod archive;
mod arrays;
mod copied;
mod file_list;
mod file_source;
mod files;
mod found;
mod hash_lanes;
mod json;
mod labels;
mod listing;
mod located;
mod location;
mod meaning;
mod members;
mod metadata;
mod notice;
mod open;
mod patterns;
mod raw_pixels;
mod reading;
mod record;
mod reject;
#[cfg(feature = "remote")]
mod remote_folder;
mod sample_listing;
#[cfg(feature = "report")]
mod sampled;
mod tables;
mod tree;
mod value_columns;
mod values;
mod walk;

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::spec::{Limits, Spec};

pub use arrays::ArraySource;
pub use file_source::FileSource;
pub use files::Files;
pub(crate) use labels::multi_hot;
pub use listing::{Listing, OtherLabels};
pub(crate) use located::LocatedSource;
pub use location::Location;
pub use notice::{Ignored, Notice};
pub use open::open_source;
pub(crate) use raw_pixels::check_dimensions;
pub use raw_pixels::{RawChannels, RawOrder, RawPixels, RawSample};
pub use reading::stuck_read;
pub use record::Record;
pub(crate) use reject::reject;
#[cfg(feature = "report")]
pub(crate) use sampled::{Counts, Sampled};
pub use tables::TableSource;

/// The origin of a run's inputs: lists them, and reads the bytes of requested images.
///
/// Everything else (splits, order, decoding, commits) is the same for every source.
pub trait Source: Send + Sync {
    /// Called before the inputs are listed. A source that can't be read at random is copied to a file in the folder
    /// `scratch`, without images beyond the limits; none if nothing may be written, because nothing will be read.
    ///
    /// # Errors
    /// If the source can't be read, or there is no room for the copy.
    fn prepare(&self, scratch: Option<&Path>, limits: &Limits) -> Result<(), Error> {
        let _ = (scratch, limits);
        Ok(())
    }

    /// Lists the inputs without reading images. For each input, a listing holds a key, a few numbers, and the values
    /// of the columns in [`Spec::columns`].
    ///
    /// # Errors
    /// If the inputs can't be listed, or the source lacks a column of the spec.
    fn list(&self, spec: &Spec) -> Result<Listing, Error>;

    /// Reads images from the front of `images` until `files` is full, but at least one, and adds the outcome of each to
    /// `files`. Called from several threads at a time.
    fn read(&self, images: &[ImageRef<'_>], limits: &Limits, files: &mut Files);

    /// Number of images that the source gains by beginning to read them before they are asked for; 0 if it gains nothing.
    fn ahead(&self) -> usize {
        0
    }

    /// Begins to read an image that is asked for later, unless too many are being read. Returns whether it did.
    fn begin(&self, image: &ImageRef<'_>, limits: &Limits) -> bool {
        let _ = (image, limits);
        true
    }

    /// A failure of the whole source, since which no image can be read. It stops a run, so that what is left is no reject.
    fn failure(&self) -> Option<Error> {
        None
    }

    /// Length of an input's first image, in bytes; none if it is not known without reading the image.
    fn length(&self, record: &Record) -> Option<u64>;

    /// Where an image of a listed input is, so that a process that has not listed the source can read it; none if only the
    /// source itself can.
    fn locate(&self, image: &ImageRef<'_>) -> Option<Location> {
        let _ = image;
        None
    }

    /// A number that differs once the paths of the source do, or the versions of archives, tables and objects in it. It does
    /// not say whether files in folders have changed.
    fn fingerprint(&self) -> u64 {
        0
    }

    /// Files and folders that the source reads. A run refuses to write to them.
    fn paths(&self) -> &[PathBuf];
}

/// An image of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageRef<'a> {
    /// Input that the image belongs to.
    pub record: &'a Record,
    /// Index of the image in the input: 0 for the column `image`, then 1 and up for the columns of [`Spec::tensors`].
    pub image: usize,
}
