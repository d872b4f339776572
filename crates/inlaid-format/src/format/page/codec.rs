//! Compression of the bodies of pages.

use std::borrow::Cow;

use crate::spec::Compression;

/// The compressed body of a page; none if pages are not compressed.
pub(super) fn compress(compression: Compression, body: &[u8]) -> Option<Vec<u8>> {
    /// Level 3, the default of the reference implementation.
    const ZSTD_LEVEL: i32 = 3;
    match compression {
        Compression::None => None,
        Compression::Lz4 => Some(lz4_flex::block::compress(body)),
        Compression::Zstd => Some(
            zstd::bulk::compress(body, ZSTD_LEVEL).expect("memory is the only thing compressing in memory can lack"),
        ),
    }
}

/// The decompressed body of a page; none if that fails or yields a different length.
pub(super) fn decompress(compression: Compression, stored: &[u8], length: usize) -> Option<Cow<'_, [u8]>> {
    let body = match compression {
        Compression::None => Cow::Borrowed(stored),
        Compression::Lz4 => Cow::Owned(lz4_flex::block::decompress(stored, length).ok()?),
        Compression::Zstd => Cow::Owned(zstd::bulk::decompress(stored, length).ok()?),
    };
    (body.len() == length).then_some(body)
}
