//! The reasons an input can't become a row.

use std::io;
use std::path::PathBuf;

use thiserror::Error as ThisError;

use inlaid_format::Stage;

use super::StoreError;

/// Reason that one input can't become a row.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum RecordError {
    /// A name that is not UTF-8, so it can't be a key.
    #[error("the file name is not UTF-8")]
    NameNotUtf8,
    /// A pipe, socket, device or folder named like an image.
    #[error("not a regular file")]
    NotAFile,
    /// A symbolic link to nothing.
    #[error("the symbolic link is broken")]
    BrokenLink,
    /// A symbolic link to a folder above it.
    #[error("the symbolic link points to a folder above it")]
    LinkLoop,
    /// A key that a file of an earlier source already has.
    #[error("the key is already taken by the file in `{}`", .0.display())]
    DuplicateKey(PathBuf),
    /// A name of a file that leads out of its folder or archive.
    #[error("the name is absolute, has a scheme, or leads out of its folder")]
    NameOutside,
    /// A row of a table without the name of a file.
    #[error("the row names no file")]
    NoFileName,
    /// A row of a table whose file does not exist, or is no image by its name.
    #[error("there is no such image file")]
    NoFile,
    /// A row of a table whose file may be several files.
    #[error("several image files fit the name")]
    SeveralFiles,
    /// A row of a table whose file has another row.
    #[error("the file has another row")]
    SecondRow,
    /// A file that has no row in a table.
    #[error("the table has no row for the file")]
    NoTableRow,
    /// A name of a member of an archive that is longer than paths may be.
    #[error("the name is longer than a path can be")]
    NameTooLong,
    /// A member of an archive with the name of a later one.
    #[error("a later file of the archive has the same name")]
    DuplicateMember,
    /// A link in an archive to something that is no file of it.
    #[error("the link leads to no file of the archive")]
    ArchiveLink,
    /// An encrypted member of an archive.
    #[error("the file is encrypted")]
    Encrypted,
    /// A member of an archive of a kind that can't be read.
    #[error("{0}")]
    UnsupportedMember(String),
    /// A member of an archive that is not what the archive says it is.
    #[error("the file is damaged in the archive: {0}")]
    DamagedMember(String),
    /// A sample of a WebDataset, or a row of a table, without an image.
    #[error("it has no image")]
    NoImage,
    /// A sample of a WebDataset that has a field twice.
    #[error("the sample has the field `{0}` twice")]
    RepeatedField(String),
    /// A field of a WebDataset that is not what its name says.
    #[error("the field `{field}` can't be read: {reason}")]
    Field {
        /// Name of the field.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A row with the name of a file that is not below the folder of its table.
    #[error("the row names the file `{0}`, which is not below the folder of its table")]
    PathOutside(String),
    /// A file next to class folders.
    #[error("the file is next to class folders, so it has no class")]
    NoClass,
    /// A file next to split folders.
    #[error("the file is next to split folders, so it has no split")]
    NoSplit,
    /// A file that the operating system could not read.
    #[error("can't be read: {0}")]
    Unreadable(io::Error),
    /// A further image of a row, counted from the second on, without a file.
    #[error("the file of its image {0} does not exist")]
    NoFurtherFile(usize),
    /// A file of a source that would have to be copied before, which a run that writes nothing does not do.
    #[error("can't be read in a run that writes nothing")]
    OnlyListed,
    /// A file of 0 bytes.
    #[error("the file is empty")]
    Empty,
    /// A file longer than allowed.
    #[error("the file has {bytes} bytes, more than the {limit} allowed")]
    FileTooLarge {
        /// Length of the file, in bytes.
        bytes: u64,
        /// Greatest length allowed, in bytes.
        limit: u64,
    },
    /// Content in no known image format.
    #[error("the content is not a known image format")]
    UnknownFormat,
    /// An image format that can't be decoded.
    #[error("{0} images can't be decoded")]
    UnsupportedFormat(&'static str),
    /// An image format that this build leaves out.
    #[error("{0} images need a build with the feature `formats`")]
    FormatLeftOut(&'static str),
    /// A HEIC image, which this build leaves out. HEVC, which it is coded with, has no decoder that is free of patents.
    #[error("HEIC images need a build with the feature `heif`; or save them as JPEG, PNG or AVIF first")]
    HeicLeftOut,
    /// An image that uses a feature of its format that can't be decoded.
    #[error("{0}")]
    UnsupportedVariant(String),
    /// An image with a height or width of 0.
    #[error("the image is {width} pixels wide and {height} high")]
    NoPixels {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// An image with more pixels than allowed.
    #[error("the image is {width} pixels wide and {height} high, more than the {limit} pixels allowed")]
    TooManyPixels {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Most pixels allowed, width times height.
        limit: u64,
    },
    /// An image wider or higher than allowed.
    #[error("the image is {width} pixels wide and {height} high, more than the {limit} allowed on a side")]
    SideTooLong {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Longest side allowed, in pixels.
        limit: u32,
    },
    /// An image that takes more memory than all threads together may take.
    #[error(
        "decoding takes {bytes} bytes of memory, more than the {limit} allowed: raise the limit on memory, or leave such \
         images out with a limit on pixels"
    )]
    Memory {
        /// Need of the image, in bytes: its file, decoded pixels and buffers.
        bytes: u64,
        /// Most memory allowed, in bytes.
        limit: u64,
    },
    /// A file that ends before its image does.
    #[error("the file ends before the image does")]
    Truncated,
    /// An image that the codec refused.
    #[error("{0}")]
    Malformed(String),
    /// A panic in the codec.
    #[error("the codec failed: {0}")]
    CodecPanic(String),
    /// Pixels that would have to be stored as the file that they are not.
    #[error("the image is no file that could be stored unchanged")]
    NotStorable,
    /// Numbers that are not on the scale of pixels.
    #[error("values reach from {least} to {most}, not from 0 to {white}: {fix}")]
    Range {
        /// Least value.
        least: f64,
        /// Greatest value.
        most: f64,
        /// Value of white.
        white: u8,
        /// What to do about it.
        fix: &'static str,
    },
    /// Floats that are no numbers.
    #[error("there are values that are no numbers (NaN)")]
    NotNumbers,
    /// An image that the resizer refused.
    #[error("can't be resized: {0}")]
    Resize(String),
    /// A file that has changed since its row was written.
    #[error("the file has changed since its row was written")]
    ContentChanged,
    /// A file that changed during the run.
    #[error("the file changed while it was being read")]
    Changed,
}

impl RecordError {
    /// Why a file can't be read, wherever it lies.
    pub(crate) fn unread(error: io::Error) -> RecordError {
        let of_store = error.get_ref().and_then(|cause| cause.downcast_ref());
        match of_store {
            Some(StoreError::Changed) => RecordError::Changed,
            _ => RecordError::Unreadable(error),
        }
    }

    /// Step that failed.
    pub fn stage(&self) -> Stage {
        use RecordError::*;
        match self {
            NameNotUtf8
            | NotAFile
            | BrokenLink
            | LinkLoop
            | DuplicateKey(_)
            | NoClass
            | NoSplit
            | ContentChanged
            | NameOutside
            | PathOutside(_)
            | NameTooLong
            | NoFileName
            | NoFile
            | NoFurtherFile(_)
            | SeveralFiles
            | SecondRow
            | NoTableRow
            | DuplicateMember
            | ArchiveLink
            | Encrypted
            | UnsupportedMember(_)
            | NoImage
            | RepeatedField(_)
            | Field { .. } => Stage::Discover,
            Resize(_) => Stage::Resize,
            _ => Stage::Decode,
        }
    }

    /// Word for this kind of failure, stable across releases; summaries count by it.
    pub fn code(&self) -> &'static str {
        use RecordError::*;
        match self {
            NameNotUtf8 => "name-not-utf8",
            NotAFile => "not-a-file",
            BrokenLink => "broken-link",
            LinkLoop => "link-loop",
            DuplicateKey(_) => "duplicate-key",
            NameOutside => "name-outside",
            NoFileName => "no-file-name",
            NoFile | NoFurtherFile(_) => "no-file",
            SeveralFiles => "several-files",
            SecondRow => "second-row",
            NoTableRow => "no-row",
            NameTooLong => "name-too-long",
            DuplicateMember => "duplicate-key",
            ArchiveLink => "link-in-archive",
            Encrypted => "encrypted",
            UnsupportedMember(_) => "unsupported-member",
            DamagedMember(_) => "damaged-member",
            NoImage => "no-image",
            RepeatedField(_) => "repeated-field",
            Field { .. } => "field",
            PathOutside(_) => "name-outside",
            NoClass => "no-class",
            NoSplit => "no-split",
            Unreadable(_) | OnlyListed => "unreadable",
            Empty => "empty",
            FileTooLarge { .. } => "file-too-large",
            UnknownFormat => "unknown-format",
            UnsupportedFormat(_) | FormatLeftOut(_) | HeicLeftOut | UnsupportedVariant(_) => "unsupported-format",
            NoPixels { .. } => "no-pixels",
            TooManyPixels { .. } => "too-many-pixels",
            SideTooLong { .. } => "side-too-long",
            Memory { .. } => "memory",
            Truncated => "truncated",
            Malformed(_) => "malformed",
            CodecPanic(_) => "codec-panic",
            NotStorable => "not-storable",
            Range { .. } => "range",
            NotNumbers => "not-numbers",
            Resize(_) => "resize",
            ContentChanged => "content-changed",
            Changed => "changed",
        }
    }
}
