//! A row to be written, without its tensors.

use crate::format::sha256::Sha256;

/// A row to be written, without its tensors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// Key of the row, unique in the dataset.
    pub path: &'a str,
    /// Index of the class; none if the row has no label.
    pub label: Option<u32>,
    /// Height of the upright source image, in pixels.
    pub source_height: u32,
    /// Width of the upright source image, in pixels.
    pub source_width: u32,
    /// SHA-256 of the source file's bytes.
    pub sha256: Sha256,
    /// Encoded image stored instead of a tensor; empty if the row has a tensor.
    pub image: Vec<u8>,
}
