//! What can be wrong with a setting.

use thiserror::Error as ThisError;

use crate::spec::{Dtype, Encoding, Filter, Fit, Folders, JpegDecoder, ResizeLike, Split};

/// A setting is wrong.
#[derive(Clone, Debug, PartialEq, ThisError)]
#[non_exhaustive]
pub enum SpecError {
    /// A further column that a source of folders does not have.
    #[error("folders of images have no column `{0}`")]
    NotInFolders(String),
    /// The name of a column that a dataset has already, or an empty one.
    #[error("`{0}` can't be the name of a further column")]
    ColumnName(String),
    /// A further column of tensors beside images that are stored as files.
    #[error("column `{0}` of tensors can't stand beside images that are stored as files")]
    TensorsBesideFiles(String),
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
    /// Tensors are all of one size, and none is given.
    #[error("images are stored as tensors, and no size is given")]
    NoSize,
    /// A setting that changes pixels, where files are stored as they are.
    #[error("images without a size are stored as they are, so {0} has no meaning")]
    Untouched(&'static str),
    /// A setting of encoded images, where tensors are stored.
    #[error("tensors have no {0}")]
    NotEncoded(&'static str),
    /// A setting of tensors, where images are encoded.
    #[error("encoded images have no {0}")]
    NoTensors(&'static str),
    /// Something that an encoding does not have.
    #[error("{} has no {what}", encoding.name())]
    UnknownToEncoding {
        /// Which.
        encoding: Encoding,
        /// What it lacks.
        what: &'static str,
    },
    /// Sides that readers of JPEGs don't take.
    #[error("a JPEG has at most {most} pixels a side")]
    JpegSide {
        /// How many they take.
        most: u32,
    },
    /// A limit of files that lets files pass which can't be stored.
    #[error("a file that is stored as it is has at most {most} bytes")]
    StoredFileBytes {
        /// How many.
        most: u64,
    },
    /// A quality that is none.
    #[error("quality `{0}` is not a whole number from 1 to 100")]
    Quality(String),
    /// A colour in no known notation.
    #[error("color `{0}` is not R,G,B (0 to 255 each), #RRGGBB, black, gray or white")]
    Color(String),
    /// A number of bytes in no known notation.
    #[error("`{0}` is not a number of bytes such as 16MiB")]
    ByteSize(String),
    /// A row group that no shard has room for.
    #[error("a row group of {row_group} bytes is larger than a shard of {shard} bytes")]
    RowGroupBytes {
        /// Bytes of a row group.
        row_group: u64,
        /// Bytes of a shard.
        shard: u64,
    },
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
    /// A mean in no known notation.
    #[error("mean `{0}` is not one number, three numbers R,G,B, or imagenet")]
    Mean(String),
    /// A standard deviation in no known notation, or not above 0.
    #[error("standard deviation `{0}` is not one number, three numbers R,G,B, all above 0, or imagenet")]
    Std(String),
    /// Integers are neither scaled nor normalized.
    #[error("elements of type `{dtype}` have no {what}")]
    FloatsOnly {
        /// `scale`, `mean` or `standard deviation`.
        what: &'static str,
        /// The type of the elements.
        dtype: Dtype,
    },
    /// Black or white is beyond the greatest number of the type.
    #[error("elements of type `{0}` can't hold what this scale, mean and standard deviation make of black and white")]
    Overflow(Dtype),
    /// The numbers of ImageNet are on another scale.
    #[error("the {what} of imagenet is on scale 0..1")]
    ScaleOfImagenet {
        /// `mean` or `standard deviation`.
        what: &'static str,
    },
    /// Gray has one channel.
    #[error("gray tensors have one {what}, not three")]
    ThreeForGray {
        /// `mean` or `standard deviation`.
        what: &'static str,
    },
    /// A shape that is not `N`, `AxB`, ...
    #[error("shape `{0}` is not lengths of dimensions such as 224x224x3, 1 or more each")]
    Shape(String),
    /// A tensor of more elements than readers can hold.
    #[error("a tensor of {elements} elements is too large, the most is {most}")]
    TensorTooLarge {
        /// How many it would have.
        elements: u64,
        /// How many it may have.
        most: u64,
    },
    /// A shrinking that is no number of times.
    #[error("`{0}` is not how many times the size of the tensor a JPEG is decoded at least, 1 to 255")]
    JpegShrink(String),
    /// The Rust decoder always decodes the whole image.
    #[error("`{0}` can't shrink a JPEG while it decodes it")]
    ShrinkingDecoder(JpegDecoder),
    /// A decoder that this program was built without.
    #[error("this build of inlaid has no `{0}`")]
    MissingDecoder(JpegDecoder),
    /// Sorting labels needs classes.
    #[error("split folders can't be split by `folder` when folders mean `{0}`")]
    FolderRule(Folders),
    /// Split folders decide who goes where.
    #[error("the source has split folders, which decide the splits, and shares are given too")]
    FolderShares,
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
