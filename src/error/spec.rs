//! What can be wrong with a setting.

use thiserror::Error as ThisError;

use crate::spec::{Filter, Fit, Folders, ResizeLike, Split};

/// A setting is wrong.
#[derive(Clone, Debug, PartialEq, ThisError)]
#[non_exhaustive]
pub enum SpecError {
    /// A word that is none of a set.
    #[error("unknown {what} `{word}`, expected one of {known}")]
    UnknownWord {
        /// What the word should have named.
        what: &'static str,
        /// The word.
        word: String,
        /// The words that are known.
        known: String,
    },
    /// A size that is not `N` or `HxW`.
    #[error("size `{0}` is not HEIGHTxWIDTH in pixels, 1 to 65535 each")]
    Size(String),
    /// A colour in no known notation.
    #[error("color `{0}` is not R,G,B (0 to 255 each), #RRGGBB, black, gray or white")]
    Color(String),
    /// A number of bytes in no known notation.
    #[error("`{0}` is not a number of bytes such as 16MiB")]
    ByteSize(String),
    /// A share that is not `SPLIT=FRACTION`.
    #[error("share `{0}` is not SPLIT=FRACTION")]
    ShareSyntax(String),
    /// A split with two shares.
    #[error("split `{0}` is named twice")]
    SplitTwice(Split),
    /// A share that is no fraction.
    #[error("share {share} of `{split}` is not above 0 and at most 1")]
    ShareRange {
        /// Of which split.
        split: Split,
        /// Its share.
        share: f64,
    },
    /// Shares that don't make a whole.
    #[error("shares sum to {0}, not to 1")]
    ShareSum(f64),
    /// A tensor of more elements than readers can hold.
    #[error("a tensor of {0} elements is too large, the most is {max}", max = crate::tensor::MAX_ELEMENTS)]
    TensorTooLarge(u64),
    /// Sorting labels needs classes.
    #[error("split folders can't be split by `folder` when folders mean `{0}`")]
    FolderRule(Folders),
    /// A filter that a library does not have.
    #[error("`{like}` has no filter `{filter}`, it has {known}")]
    UnknownFilter {
        /// The library.
        like: ResizeLike,
        /// The filter.
        filter: Filter,
        /// The filters that it has.
        known: String,
    },
    /// Areas are computed in another way by every library.
    #[error("filter `area` is that of a library, and none is named")]
    AreaOfNone,
    /// Not antialiasing, but like a library, which decides that itself.
    #[error("whether images are antialiased is decided by `{0}`")]
    AntialiasDecided(ResizeLike),
    /// A share that no side can be cut to.
    #[error("crop ratio `{0}` is not a number from 0.01 to 1")]
    CropRatio(String),
    /// A crop ratio where nothing is cropped by it.
    #[error("a crop ratio has no meaning for fit `{0}`")]
    CropRatioFit(Fit),
}
