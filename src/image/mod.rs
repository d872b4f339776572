//! From the bytes of one file to the pixels of one row: decodes, resizes, and computes elements.

pub(crate) mod decode;
pub(crate) mod elements;
pub(crate) mod encode;
pub(crate) mod moments;
pub mod recipe;
pub(crate) mod resize;
pub(crate) mod room;
