//! The settings of a loader.

use std::num::NonZeroUsize;

use super::augment::Augment;
use crate::read::CastOptions;
use crate::spec::{ByteSize, Channels, Size, Spec};

/// Settings of a [`Loader`](super::Loader).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LoadOptions {
    /// How images are decoded and resized, as in conversions. Without a size, stored tensors keep theirs, and image files
    /// that a conversion has resized keep that; others have one only if [`Augment::crop`] gives it. Settings of channels,
    /// elements, splits, the order of rows and the files of a dataset have no effect. Default: [`Spec::originals`].
    pub spec: Spec,
    /// Channels of image files. Default: those to which a conversion has resized them, else [`Channels::Rgb`].
    pub channels: Option<Channels>,
    /// Element type, scale and layout of the tensors. Default: as stored; of image files, bytes of shape `[H, W, C]`.
    pub cast: CastOptions,
    /// What is drawn at random. Default: nothing.
    pub augment: Augment,
    /// Number of threads that decode. Default: one per core.
    pub threads: Option<NonZeroUsize>,
    /// Most memory that large images may take, on all threads together, as in
    /// [`RunOptions::memory`](crate::RunOptions::memory).
    pub memory: Option<ByteSize>,
}

impl Default for LoadOptions {
    fn default() -> LoadOptions {
        LoadOptions {
            spec: Spec::originals(),
            channels: None,
            cast: CastOptions::default(),
            augment: Augment::default(),
            threads: None,
            memory: None,
        }
    }
}

impl LoadOptions {
    /// The default options, for tensors of this size.
    pub fn new(size: Size) -> LoadOptions {
        LoadOptions { spec: Spec::new(size), ..LoadOptions::default() }
    }
}
