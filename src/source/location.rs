//! Where an image is, in words that another process understands.

use std::fs::Metadata;
use std::hash::Hasher;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

/// Where the bytes of an image are, for a process that has not listed their source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// Path of the file, or URL of the object.
    pub(super) path: String,
    /// The part of it; none for a whole file on a disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) part: Option<Extent>,
}

/// A part of a file or an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Extent {
    pub(super) of: Version,
    pub(super) offset: u64,
    /// Length of the image, in bytes.
    pub(super) bytes: u64,
    /// How it is packed, if it is a member of a zip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) packed: Option<Packed>,
}

/// What a file or an object was when it was listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Version {
    /// Its length, in bytes.
    pub(super) bytes: u64,
    /// When a file was changed last, in seconds and nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) modified: Option<(i64, i64)>,
    /// What the store calls an object's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tag: Option<String>,
}

/// What a zip says about a member besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Packed {
    /// Length in the archive.
    pub(super) bytes: u64,
    pub(super) crc: u32,
    pub(super) is_deflated: bool,
    /// Where its bytes end, most likely.
    pub(super) end: u64,
}

impl Location {
    /// A whole file on a disk; none if its path is not UTF-8.
    pub fn file(path: &Path) -> Option<Location> {
        let path = std::path::absolute(path).ok()?;
        Some(Location { path: path.to_str()?.to_owned(), part: None })
    }

    /// A part of a file or an object; none if its path is not UTF-8.
    pub(super) fn part(path: &Path, part: Extent) -> Option<Location> {
        let path = match crate::remote::is_url(path) {
            true => path.to_owned(),
            false => std::path::absolute(path).ok()?,
        };
        Some(Location { path: path.to_str()?.to_owned(), part: Some(part) })
    }
}

impl Extent {
    /// The bytes that are read of the file or object.
    pub(super) fn range(&self) -> std::ops::Range<u64> {
        match self.packed {
            Some(packed) => self.offset..packed.end,
            None => self.offset..self.offset + self.bytes,
        }
    }
}

impl Version {
    pub(super) fn of(file: &Metadata) -> Version {
        Version { bytes: file.len(), modified: Some((file.mtime(), file.mtime_nsec())), tag: None }
    }
}

/// What sources are, as far as they tell it: it differs where paths differ, or versions of archives, tables and objects.
#[derive(Default)]
pub(super) struct Fingerprint(XxHash3_64);

impl Fingerprint {
    /// A file, or a folder whose files are not looked at.
    pub(super) fn add_path(&mut self, path: &Path) {
        let full = std::path::absolute(path).ok().filter(|_| !crate::remote::is_url(path));
        self.add(full.as_deref().unwrap_or(path).as_os_str().as_encoded_bytes());
    }

    /// A file or an object, as it was when it was listed.
    pub(super) fn add_version(&mut self, version: &Version) {
        self.add(&version.bytes.to_le_bytes());
        if let Some((seconds, nanoseconds)) = version.modified {
            self.add(&seconds.to_le_bytes());
            self.add(&nanoseconds.to_le_bytes());
        }
        self.add(version.tag.as_deref().unwrap_or_default().as_bytes());
    }

    fn add(&mut self, bytes: &[u8]) {
        self.0.write(&(bytes.len() as u64).to_le_bytes());
        self.0.write(bytes);
    }

    pub(super) fn finish(&self) -> u64 {
        self.0.finish()
    }
}
