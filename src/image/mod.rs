//! The bytes of one file to the pixels of one row: decoded, resized, and made into elements.

pub(crate) mod decode;
pub(crate) mod deinterleave;
pub(crate) mod elements;
pub(crate) mod encode;
pub(crate) mod moments;
pub mod recipe;
pub(crate) mod resize;
pub(crate) mod simd;
