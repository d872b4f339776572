//! Reads input files in groups, so that they can be hashed side by side.

use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use super::hash_lanes::hash_each;
use super::reading::Reading;
use super::{ImageRef, Source};
use crate::error::RecordError;
use crate::format::open;
use crate::format::sha256::Sha256;
use crate::spec::Limits;

/// Total bytes after which no more files are read into a group: enough for eight photos, and small compared with a
/// row group.
const TOGETHER: usize = 8 << 20;

/// A group of images in memory, stored one after another, so that the buffer grows only to their total length.
#[derive(Debug, Default)]
pub struct Files {
    buffer: Vec<u8>,
    /// Range of each image in the buffer, and the error if it could not be read.
    read: Vec<(Range<usize>, Option<RecordError>)>,
}

impl Files {
    /// Adds an image. `read` appends its bytes to the buffer; if it fails, appended bytes are dropped. Returns whether
    /// there is room for another image.
    pub fn add(&mut self, read: impl FnOnce(&mut Vec<u8>) -> Result<(), RecordError>) -> bool {
        let start = self.buffer.len();
        let error = read(&mut self.buffer).err();
        if error.is_some() {
            self.buffer.truncate(start);
        }
        self.read.push((start..self.buffer.len(), error));
        self.buffer.len() < TOGETHER
    }

    /// Reads a group from the front of `images`, at least one, and returns the digest or the error of each.
    pub(crate) fn read(
        &mut self,
        source: &dyn Source,
        images: &[ImageRef<'_>],
        limits: &Limits,
    ) -> Vec<Result<Sha256, RecordError>> {
        self.buffer.clear();
        self.read.clear();
        source.read(images, limits, self);
        self.check(images.len(), limits);
        let readable = self.read.iter().filter(|(_, error)| error.is_none());
        let messages: Vec<&[u8]> = readable.map(|(range, _)| &self.buffer[range.clone()]).collect();
        let mut digests = hash_each(&messages).into_iter();
        let mut digest = || digests.next().expect("every image that was read is hashed");
        self.read.iter_mut().map(|(_, error)| error.take().map_or_else(|| Ok(digest()), Err)).collect()
    }

    /// Holds a source to what it promises: at least one image, no more than were asked for, within the limits.
    fn check(&mut self, asked: usize, limits: &Limits) {
        if self.read.is_empty() && asked > 0 {
            let nothing = io::Error::other("the source has read nothing");
            self.read.push((0..0, Some(RecordError::Unreadable(nothing))));
        }
        self.read.truncate(asked);
        for (range, error) in self.read.iter_mut().filter(|(_, error)| error.is_none()) {
            *error = match range.len() as u64 {
                0 => Some(RecordError::Empty),
                bytes if bytes > limits.file_bytes.0 => {
                    Some(RecordError::FileTooLarge { bytes, limit: limits.file_bytes.0 })
                }
                _ => None,
            };
        }
    }

    /// The bytes of an image of the current group, by its index in the group.
    pub(crate) fn bytes(&self, number: usize) -> &[u8] {
        &self.buffer[self.read[number].0.clone()]
    }
}

/// Appends the contents of a file to the buffer.
pub(super) fn read_file(path: &Path, limits: &Limits, buffer: &mut Vec<u8>) -> Result<(), RecordError> {
    let limit = limits.file_bytes.0;
    let _reading = Reading::begin(path);
    let file = open::without_waiting(path).map_err(RecordError::Unreadable)?;
    let metadata = file.metadata().map_err(RecordError::Unreadable)?;
    if !metadata.is_file() {
        return Err(RecordError::NotAFile);
    }
    let bytes = metadata.len();
    if bytes > limit {
        return Err(RecordError::FileTooLarge { bytes, limit });
    }
    let start = buffer.len();
    buffer.reserve_exact(bytes as usize + 1);
    // Reading one byte more than allowed detects a file that has grown since.
    file.take(limit.saturating_add(1)).read_to_end(buffer).map_err(RecordError::Unreadable)?;
    match (buffer.len() - start) as u64 {
        0 => Err(RecordError::Empty),
        bytes if bytes > limit => Err(RecordError::FileTooLarge { bytes, limit }),
        _ => Ok(()),
    }
}
