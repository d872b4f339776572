//! Reads input files in groups, so that they can be hashed side by side.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::hash_lanes::hash_each;
use super::raw_pixels::RawPixels;
use super::reading::Reading;
use super::{ImageRef, Source};
use crate::error::RecordError;
use crate::format::open;
use crate::format::sha256::Sha256;
use crate::run::{Memory, Share};
use crate::spec::Limits;

/// Total bytes after which no more files are read into a group: enough for eight photos, and small compared with a
/// row group.
const TOGETHER: usize = 8 << 20;

/// Copies of a large file in memory: the group's, and that of a decoder.
const COPIES: u64 = 2;

/// A group of images in memory, stored one after another, so that the buffer grows only to their total length.
#[derive(Debug)]
pub struct Files {
    buffer: Vec<u8>,
    /// Images of the group, in order.
    read: Vec<Item>,
    memory: Arc<Memory>,
    /// Memory for a large group.
    share: Option<Share>,
    /// Memory that the next image needs, if it is not left at the moment.
    missing: Option<u64>,
}

/// An image of a group.
#[derive(Debug)]
struct Item {
    /// Its bytes in the buffer.
    range: Range<usize>,
    /// What its bytes are if they are no file.
    pixels: Option<RawPixels>,
    /// Reason that it could not be read.
    error: Option<RecordError>,
}

impl Files {
    pub(crate) fn new(memory: &Arc<Memory>) -> Files {
        Files { buffer: Vec::new(), read: Vec::new(), memory: memory.clone(), share: None, missing: None }
    }

    /// Adds an image. `read` appends its bytes to the buffer; if it fails, appended bytes are dropped. Returns whether
    /// there is room for another image.
    pub fn add(&mut self, read: impl FnOnce(&mut Vec<u8>) -> Result<(), RecordError>) -> bool {
        self.add_item(None, read)
    }

    /// Adds an image that is no file, but samples in memory. `read` appends them to the buffer, as many as `pixels`
    /// says. Returns whether there is room for another image. An image that is large waits for memory as large files
    /// do, in a group of its own.
    pub fn add_pixels(
        &mut self,
        pixels: RawPixels,
        limits: &Limits,
        read: impl FnOnce(&mut Vec<u8>) -> Result<(), RecordError>,
    ) -> bool {
        if let Err(error) = pixels.check(limits) {
            return self.add(|_| Err(error));
        }
        self.add_sized(pixels.bytes(), Some(pixels), read)
    }

    /// Number of images of the group.
    pub(super) fn len(&self) -> usize {
        self.read.len()
    }

    fn add_item(
        &mut self,
        pixels: Option<RawPixels>,
        read: impl FnOnce(&mut Vec<u8>) -> Result<(), RecordError>,
    ) -> bool {
        let start = self.buffer.len();
        let error = read(&mut self.buffer).err();
        if error.is_some() {
            self.buffer.truncate(start);
        }
        self.read.push(Item { range: start..self.buffer.len(), pixels, error });
        self.buffer.len() < TOGETHER
    }

    /// Adds a file. One that is large gets a group of its own, when there is memory for it.
    pub(super) fn add_file(&mut self, path: &Path, limits: &Limits) -> bool {
        let _reading = Reading::begin(path);
        let opened = open_file(path, limits);
        let bytes = opened.as_ref().map_or(0, |(_, bytes)| *bytes);
        self.add_sized(bytes, None, |buffer| opened.and_then(|(file, bytes)| read_file(file, bytes, limits, buffer)))
    }

    /// Adds an image of this length from the file at `path`, which `read` appends to the buffer. One that is large gets
    /// a group of its own, when there is memory for it.
    pub(super) fn add_range(
        &mut self,
        path: &Path,
        bytes: u64,
        read: impl FnOnce(&mut Vec<u8>) -> Result<(), RecordError>,
    ) -> bool {
        let _reading = Reading::begin(path);
        self.add_sized(bytes, None, read)
    }

    /// Adds an image of so many bytes. One that is large gets a group of its own, when there is memory for it.
    fn add_sized(
        &mut self,
        bytes: u64,
        pixels: Option<RawPixels>,
        read: impl FnOnce(&mut Vec<u8>) -> Result<(), RecordError>,
    ) -> bool {
        let needed = COPIES.saturating_mul(bytes);
        if bytes <= TOGETHER as u64 || self.held() >= needed {
            return self.add_item(pixels, read);
        }
        if !self.read.is_empty() {
            return false;
        }
        if let Err(error) = self.memory.check(needed) {
            return self.add(|_| Err(error));
        }
        self.share = self.memory.try_take(needed);
        if self.share.is_none() {
            self.missing = Some(needed);
            return false;
        }
        self.add_item(pixels, read)
    }

    /// Reads a group from the front of `images`, at least one, and returns the digest or the error of each. If it has
    /// to wait for memory, it first has the thread release what it holds.
    pub(crate) fn read(
        &mut self,
        source: &dyn Source,
        images: &[ImageRef<'_>],
        limits: &Limits,
        mut release: impl FnMut(),
    ) -> Vec<Result<Sha256, RecordError>> {
        self.clear();
        source.read(images, limits, self);
        while let Some(missing) = self.missing.take() {
            self.release();
            release();
            self.share = Some(self.memory.take(missing));
            source.read(images, limits, self);
        }
        self.count(&mut release);
        self.check(images.len(), limits);
        let readable = self.read.iter().filter(|item| item.error.is_none());
        let messages: Vec<&[u8]> = readable.map(|item| &self.buffer[item.range.clone()]).collect();
        let mut digests = hash_each(&messages).into_iter();
        let mut digest = || digests.next().expect("every image that was read is hashed");
        self.read.iter_mut().map(|item| item.error.take().map_or_else(|| Ok(digest()), Err)).collect()
    }

    /// Counts a large group of a source that reads files itself, now that its length is known.
    fn count(&mut self, release: &mut impl FnMut()) {
        let bytes = COPIES * self.buffer.len() as u64;
        if self.buffer.len() > 2 * TOGETHER && self.held() < bytes {
            self.share = self.memory.try_take(bytes);
            if self.share.is_none() && self.memory.check(bytes).is_ok() {
                release();
                self.share = Some(self.memory.take(bytes));
            }
        }
    }

    /// Memory that the group holds, in bytes; 0 unless it is large.
    pub(crate) fn held(&self) -> u64 {
        self.share.as_ref().map_or(0, Share::bytes)
    }

    /// Uses this memory for the next group, if that is large.
    pub(crate) fn hold(&mut self, share: Share) {
        self.share = Some(share);
    }

    /// Drops the group, and gives back the memory that it holds.
    pub(crate) fn release(&mut self) {
        self.clear();
        self.share = None;
    }

    /// Drops the group. Memory is kept for the next one if it was taken in advance.
    fn clear(&mut self) {
        let is_used = !self.buffer.is_empty();
        self.buffer.clear();
        self.read.clear();
        if is_used {
            self.share = None;
        }
        if self.buffer.capacity() > 2 * TOGETHER {
            self.buffer = Vec::new();
        }
    }

    /// Holds a source to what it promises: at least one image, no more than were asked for, within the limits.
    fn check(&mut self, asked: usize, limits: &Limits) {
        if self.read.is_empty() && asked > 0 {
            let nothing = io::Error::other("the source has read nothing");
            self.read.push(Item { range: 0..0, pixels: None, error: Some(RecordError::Unreadable(nothing)) });
        }
        self.read.truncate(asked);
        for Item { range, pixels, error } in self.read.iter_mut().filter(|item| item.error.is_none()) {
            *error = match (range.len() as u64, pixels) {
                (0, _) => Some(RecordError::Empty),
                (bytes, Some(pixels)) if bytes != pixels.bytes() => Some(RecordError::Truncated),
                (bytes, _) if bytes > limits.file_bytes.0 => {
                    Some(RecordError::FileTooLarge { bytes, limit: limits.file_bytes.0 })
                }
                _ => None,
            };
        }
    }

    /// The bytes of an image of the current group, by its index in the group.
    pub(crate) fn bytes(&self, number: usize) -> &[u8] {
        &self.buffer[self.read[number].range.clone()]
    }

    /// What these bytes are if they are no file.
    pub(crate) fn pixels(&self, number: usize) -> Option<RawPixels> {
        self.read[number].pixels
    }
}

/// Opens a regular file within the limits; returns its length too.
fn open_file(path: &Path, limits: &Limits) -> Result<(File, u64), RecordError> {
    let file = open::without_waiting(path).map_err(RecordError::Unreadable)?;
    let metadata = file.metadata().map_err(RecordError::Unreadable)?;
    match metadata.len() {
        _ if !metadata.is_file() => Err(RecordError::NotAFile),
        bytes if bytes > limits.file_bytes.0 => Err(RecordError::FileTooLarge { bytes, limit: limits.file_bytes.0 }),
        bytes => Ok((file, bytes)),
    }
}

/// Appends the contents of a file, of this length, to the buffer.
fn read_file(file: File, bytes: u64, limits: &Limits, buffer: &mut Vec<u8>) -> Result<(), RecordError> {
    let limit = limits.file_bytes.0;
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
