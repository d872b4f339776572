//! A row without its tensors, as it is written.

use crate::format::sha256::Sha256;

/// What a row has beside its tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The key.
    pub path: Box<str>,
    /// The class.
    pub label: Option<u32>,
    /// Of the upright source image, in pixels.
    pub source_height: u32,
    /// Of the upright source image, in pixels.
    pub source_width: u32,
    /// Of the source file's bytes.
    pub sha256: Sha256,
    /// The encoded image that the row has in the place of a tensor; empty if it has a tensor.
    pub image: Vec<u8>,
}
