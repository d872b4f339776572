//! Why an input can't become a row.

use std::io;
use std::path::PathBuf;

use thiserror::Error as ThisError;

use inlaid_format::Stage;

/// One input can't become a row.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum RecordError {
    /// The name is not UTF-8, so it can't be a key.
    #[error("its name is not UTF-8")]
    NameNotUtf8,
    /// A pipe, socket, device or folder with an image's name.
    #[error("it is not a regular file")]
    NotAFile,
    /// A symbolic link that leads nowhere.
    #[error("the symbolic link leads nowhere")]
    BrokenLink,
    /// A symbolic link that leads back to a folder above it.
    #[error("the symbolic link leads back to a folder above it")]
    LinkLoop,
    /// An earlier source has a file of the same key.
    #[error("key is already taken by the file in `{}`", .0.display())]
    DuplicateKey(PathBuf),
    /// A file beside class folders.
    #[error("it lies beside class folders, so it has no class")]
    NoClass,
    /// A file beside split folders.
    #[error("it lies beside split folders, so it has no split")]
    NoSplit,
    /// The operating system refused to read it.
    #[error("can't be read: {0}")]
    Unreadable(io::Error),
    /// The file has no bytes.
    #[error("the file is empty")]
    Empty,
    /// The file is longer than allowed.
    #[error("the file has {bytes} bytes, more than {limit} allowed")]
    FileTooLarge {
        /// Its length.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// Neither content nor name is an image's.
    #[error("the content is no known image format")]
    UnknownFormat,
    /// An image format that can't be decoded.
    #[error("{0} images can't be decoded")]
    UnsupportedFormat(&'static str),
    /// An image of a known format that is coded in a way which can't be decoded.
    #[error("{0}")]
    UnsupportedVariant(String),
    /// An image with a height or width of 0.
    #[error("the image is {width} pixels wide and {height} high")]
    NoPixels {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
    },
    /// The image is larger than allowed.
    #[error("the image is {width} pixels wide and {height} high, more than {limit} pixels allowed")]
    TooManyPixels {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
        /// The limit on width times height.
        limit: u64,
    },
    /// The image is longer or wider than allowed.
    #[error("the image is {width} pixels wide and {height} high, more than {limit} allowed")]
    SideTooLong {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
        /// The limit on each.
        limit: u32,
    },
    /// The file ends before the image does.
    #[error("the file ends before the image does")]
    Truncated,
    /// The codec refused it.
    #[error("{0}")]
    Malformed(String),
    /// The codec panicked.
    #[error("the codec failed: {0}")]
    CodecPanic(String),
    /// The resizer refused it.
    #[error("can't be resized: {0}")]
    Resize(String),
    /// The dataset has a row of this key that was made from other bytes.
    #[error("the dataset's row of this key was made from another content")]
    ContentChanged,
    /// The file changed between two looks at it.
    #[error("the file changed while it was read")]
    Changed,
}

impl RecordError {
    /// The step that failed.
    pub fn stage(&self) -> Stage {
        use RecordError::*;
        match self {
            NameNotUtf8 | NotAFile | BrokenLink | LinkLoop | DuplicateKey(_) | NoClass | NoSplit | ContentChanged => {
                Stage::Discover
            }
            Resize(_) => Stage::Resize,
            _ => Stage::Decode,
        }
    }

    /// A word for this kind of failure, the same in every release: what summaries count by.
    pub fn code(&self) -> &'static str {
        use RecordError::*;
        match self {
            NameNotUtf8 => "name-not-utf8",
            NotAFile => "not-a-file",
            BrokenLink => "broken-link",
            LinkLoop => "link-loop",
            DuplicateKey(_) => "duplicate-key",
            NoClass => "no-class",
            NoSplit => "no-split",
            Unreadable(_) => "unreadable",
            Empty => "empty",
            FileTooLarge { .. } => "file-too-large",
            UnknownFormat => "unknown-format",
            UnsupportedFormat(_) | UnsupportedVariant(_) => "unsupported-format",
            NoPixels { .. } => "no-pixels",
            TooManyPixels { .. } => "too-many-pixels",
            SideTooLong { .. } => "side-too-long",
            Truncated => "truncated",
            Malformed(_) => "malformed",
            CodecPanic(_) => "codec-panic",
            Resize(_) => "resize",
            ContentChanged => "content-changed",
            Changed => "changed",
        }
    }
}
