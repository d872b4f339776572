//! The settings of a repacking.

use super::{ByteSize, Compression, Shape};

/// Everything that decides the bytes of files that are repacked, beside the files themselves.
#[derive(Clone, Debug, PartialEq)]
pub struct RepackSpec {
    /// The name of the column of tensors. Default: the only one that there is.
    pub column: Option<String>,
    /// The shape of every tensor. Default: what the files say, else one dimension.
    pub shape: Option<Shape>,
    /// Of the tensor column; the others always use Zstandard. Default: [`Compression::None`].
    pub compression: Compression,
    /// Tensors of a row group at most, but at least one row; as much of the other columns also ends it.
    /// Default: 16 MiB.
    pub row_group_bytes: ByteSize,
}

impl Default for RepackSpec {
    fn default() -> RepackSpec {
        RepackSpec { column: None, shape: None, compression: Compression::None, row_group_bytes: ByteSize::mib(16) }
    }
}
