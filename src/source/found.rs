//! What is found in sources, before it is decided what their folders mean. Nothing is dropped silently: files that are
//! no inputs are counted ([`Ignored`](super::Ignored)).

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::listing::Listing;
use super::record::Record;
use super::reject;
use crate::dataset::names::system_file;
use crate::dataset::reject::Reject;
use crate::error::RecordError;
use crate::spec::Spec;

/// File name extensions of images, in lower case. Files of formats that a build leaves out are inputs too, so that they
/// are listed as rejected instead of being ignored.
pub(super) const EXTENSIONS: &[&str] = &[
    "jpg", "jpeg", "jpe", "jfif", "png", "apng", "webp", "gif", "bmp", "dib", "tif", "tiff", "pnm", "pbm", "pgm",
    "ppm", "pam", "qoi", "tga", "ico", "hdr", "exr", "ff", // decodable
    "avif", "j2k", "jp2", "jpf", "jpx", "jxl", // with the feature `formats`
    "heic", "heif", // with the feature `heif`
];

/// What is found in sources.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Listing without records: what is counted, and what is said.
    pub(super) listing: Listing,
    /// The table of the images that was given, as a path without links.
    pub(super) given: Option<PathBuf>,
    /// Whether tables that are found are read: not if one was given.
    pub(super) reads_tables: bool,
    /// What is found in each source.
    pub(super) parts: Vec<Part>,
}

/// What is found in a source.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// Path of the source.
    pub(super) source: PathBuf,
    /// Places of its records.
    pub(super) places: Range<u32>,
    /// Image files, in any order.
    pub(super) records: Vec<Record>,
    pub(super) rejects: Vec<Reject>,
    /// Folders near the top, as paths below the source.
    pub(super) folders: BTreeSet<String>,
    /// Tables that may describe the images around them.
    pub(super) tables: Vec<FoundTable>,
}

/// A table that was found in a source.
#[derive(Debug)]
pub(super) struct FoundTable {
    /// Path below the source.
    pub(super) below: String,
    /// Its bytes, if it is no file itself.
    pub(super) bytes: Option<Vec<u8>>,
}

impl Part {
    pub(super) fn of(source: impl Into<PathBuf>, places: Range<u32>) -> Part {
        Part { source: source.into(), places, ..Part::default() }
    }

    pub(super) fn reject(&mut self, path: impl Into<String>, error: &RecordError) {
        self.rejects.push(reject(path, error));
    }
}

impl Found {
    /// Whether a file or folder of this name is no input, because it is hidden or a system's. Counts it.
    pub(super) fn ignores(&mut self, name: &OsStr) -> bool {
        if let Some(system) = system_file(name) {
            *self.listing.ignored.system.entry(system).or_default() += 1;
        } else if is_hidden(name) {
            self.listing.ignored.hidden += 1;
        } else {
            return false;
        }
        true
    }

    /// Whether a file is the table that was given.
    pub(super) fn is_given(&self, path: &Path) -> bool {
        let given = self.given.as_deref().filter(|given| given.file_name() == path.file_name());
        given.is_some_and(|given| path == given || path.canonicalize().is_ok_and(|path| path == given))
    }

    /// Counts a file that is no image by its name.
    pub(super) fn ignore_other(&mut self, extension: String) {
        *self.listing.ignored.other.entry(extension).or_default() += 1;
    }
}

/// Whether a file with this extension, in lower case, is an input.
pub(super) fn is_named_as_image(extension: &str, spec: &Spec) -> bool {
    spec.any_name || is_image_name(extension)
}

/// Whether files with this extension, in lower case, are images.
pub(super) fn is_image_name(extension: &str) -> bool {
    EXTENSIONS.contains(&extension)
}

fn is_hidden(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(b".") || name.starts_with(b"__")
}
