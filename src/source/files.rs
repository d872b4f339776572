//! Reads input files, some at a time, so that they can be hashed side by side.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use super::hash_lanes::hash_each;
use super::{ImageRef, Source};
use crate::error::RecordError;
use crate::format::sha256::Sha256;
use crate::spec::Limits;

/// Files are read until they have this many bytes together: enough for eight photos, and little
/// beside a row group.
const TOGETHER: usize = 8 << 20;

/// Images in memory together, one behind the other: so the buffer grows to the most that images take together, not to
/// as many times the longest.
#[derive(Debug, Default)]
pub struct Files {
    buffer: Vec<u8>,
    /// Where each image is, and why it could not be read.
    read: Vec<(Range<usize>, Option<RecordError>)>,
}

impl Files {
    /// Adds an image, whose bytes `read` appends to the buffer; on an error, what it has appended is dropped. Returns
    /// whether there is room for another.
    pub fn add(&mut self, read: impl FnOnce(&mut Vec<u8>) -> Result<(), RecordError>) -> bool {
        let start = self.buffer.len();
        let error = read(&mut self.buffer).err();
        if error.is_some() {
            self.buffer.truncate(start);
        }
        self.read.push((start..self.buffer.len(), error));
        self.buffer.len() < TOGETHER
    }

    /// Reads the first of the images, as many as go together but at least one, and returns for each its digest, or
    /// why it could not be read.
    pub(crate) fn read(
        &mut self,
        source: &dyn Source,
        images: &[ImageRef<'_>],
        limits: &Limits,
    ) -> Vec<Result<Sha256, RecordError>> {
        self.buffer.clear();
        self.read.clear();
        source.read(images, limits, self);
        let readable = self.read.iter().filter(|(_, error)| error.is_none());
        let messages: Vec<&[u8]> = readable.map(|(range, _)| &self.buffer[range.clone()]).collect();
        let mut digests = hash_each(&messages).into_iter();
        let mut digest = || digests.next().expect("every image that was read is hashed");
        self.read.iter_mut().map(|(_, error)| error.take().map_or_else(|| Ok(digest()), Err)).collect()
    }

    /// Bytes of an image that was read last, by its place among them.
    pub(crate) fn bytes(&self, number: usize) -> &[u8] {
        &self.buffer[self.read[number].0.clone()]
    }
}

/// Adds the bytes of a file to the buffer.
pub(super) fn read_file(path: &Path, limits: &Limits, buffer: &mut Vec<u8>) -> Result<(), RecordError> {
    let limit = limits.file_bytes.0;
    let file = File::open(path).map_err(RecordError::Unreadable)?;
    let bytes = file.metadata().map_err(RecordError::Unreadable)?.len();
    if bytes > limit {
        return Err(RecordError::FileTooLarge { bytes, limit });
    }
    let start = buffer.len();
    buffer.reserve_exact(bytes as usize + 1);
    // One byte more than allowed shows a file that has grown since.
    file.take(limit.saturating_add(1)).read_to_end(buffer).map_err(RecordError::Unreadable)?;
    match (buffer.len() - start) as u64 {
        0 => Err(RecordError::Empty),
        bytes if bytes > limit => Err(RecordError::FileTooLarge { bytes, limit }),
        _ => Ok(()),
    }
}
