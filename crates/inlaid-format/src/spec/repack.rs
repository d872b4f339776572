//! The settings that decide the bytes of repacked files.

use super::{ByteSize, Compression, Shape};

/// Everything that decides the bytes of repacked files, besides the source files.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RepackSpec {
    /// Name of the tensor column. Default: the only column that can hold tensors.
    pub column: Option<String>,
    /// Shape of every tensor. Default: the shape stated in the files, else one dimension.
    pub shape: Option<Shape>,
    /// Compression of the tensor column; other columns always use Zstandard. Default: [`Compression::None`].
    pub compression: Compression,
    /// Most bytes of tensors in a row group, which has at least one row; a row group also ends when the other columns
    /// reach this size. Default: 16 MiB.
    pub row_group_bytes: ByteSize,
}

impl Default for RepackSpec {
    fn default() -> RepackSpec {
        RepackSpec { column: None, shape: None, compression: Compression::None, row_group_bytes: ByteSize::mib(16) }
    }
}
