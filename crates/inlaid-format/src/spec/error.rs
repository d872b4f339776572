//! The ways a setting can be wrong.

use thiserror::Error as ThisError;

use crate::spec::{Dtype, Encoding, Filter, Fit, Folders, JpegDecoder, ResizeLike, Split};

/// Reason that a setting is wrong.
#[derive(Clone, Debug, PartialEq, ThisError)]
#[non_exhaustive]
pub enum SpecError {
    /// An additional column that a source of folders does not have.
    #[error("folders of images have no column `{0}`")]
    NotInFolders(String),
    /// A column name that is empty or that the dataset already has.
    #[error("`{0}` can't be the name of an additional column")]
    ColumnName(String),
    /// An additional column of tensors next to images stored as files.
    #[error("tensor column `{0}` can't be combined with `--storage encoded`")]
    TensorsBesideFiles(String),
    /// A word outside the set of known words.
    #[error("unknown {what} `{word}`, expected one of {known}")]
    UnknownWord {
        /// Kind of setting that the word should name.
        what: &'static str,
        /// Word that was given.
        word: String,
        /// Known words, separated by commas.
        known: String,
    },
    /// A size that is not `N` or `HxW`.
    #[error("size `{0}` is not HEIGHTxWIDTH in pixels, 1 to 65535 each")]
    Size(String),
    /// No size for tensors.
    #[error("tensors need a size")]
    NoSize,
    /// An option that changes pixels, where files are stored unchanged.
    #[error("`{0}` has no effect without `--size`, files are stored unchanged")]
    Untouched(&'static str),
    /// An option for encoded images, where tensors are stored.
    #[error("`{0}` has no effect without `--storage encoded`")]
    NotEncoded(&'static str),
    /// An option for tensors, where images are encoded.
    #[error("`{0}` has no effect with `--storage encoded`")]
    NoTensors(&'static str),
    /// A feature that an encoding lacks.
    #[error("{} has no {what}", encoding.name())]
    UnknownToEncoding {
        /// Encoding that was chosen.
        encoding: Encoding,
        /// Feature that it lacks, such as `alpha channel`.
        what: &'static str,
    },
    /// A JPEG with longer sides than decoders accept.
    #[error("a JPEG can be at most {most} pixels wide or high")]
    JpegSide {
        /// Longest side, in pixels.
        most: u32,
    },
    /// A file size limit that admits files too large to be stored.
    #[error("files stored unchanged can be at most {most} bytes long")]
    StoredFileBytes {
        /// Greatest length of a stored file, in bytes.
        most: u64,
    },
    /// A quality outside 1..=100.
    #[error("quality `{0}` is not a whole number from 1 to 100")]
    Quality(String),
    /// A color in no known notation.
    #[error("color `{0}` is not R,G,B (0 to 255 each), #RRGGBB, black, gray or white")]
    Color(String),
    /// A size in bytes in no known notation.
    #[error("`{0}` is not a size in bytes such as 16MiB")]
    ByteSize(String),
    /// A fraction of a unit of bytes.
    #[error("`{0}` is not a whole number of bytes, KiB, MiB or GiB")]
    ByteSizeFraction(String),
    /// A size in bytes that 64 bits can't hold.
    #[error("`{0}` is too large, the limit is {max} bytes", max = u64::MAX)]
    ByteSizeTooLarge(String),
    /// A row group that is larger than a shard.
    #[error("a row group of {row_group} bytes is larger than a shard of {shard} bytes")]
    RowGroupBytes {
        /// Size of a row group, in bytes.
        row_group: u64,
        /// Size of a shard, in bytes.
        shard: u64,
    },
    /// A split fraction that is not `SPLIT=FRACTION`.
    #[error("split fraction `{0}` is not SPLIT=FRACTION, as in `--split train=0.8,validation=0.1,test=0.1`")]
    ShareSyntax(String),
    /// A split with two fractions.
    #[error("split `{0}` is named twice")]
    SplitTwice(Split),
    /// A split fraction outside (0, 1].
    #[error("fraction {share} of split `{split}` is not above 0 and at most 1, as in `--split train=0.8,test=0.2`")]
    ShareRange {
        /// Split of the fraction.
        split: Split,
        /// Fraction that was given.
        share: f64,
    },
    /// Split fractions that don't sum to 1.
    #[error("split fractions sum to {0}, not 1")]
    ShareSum(f64),
    /// A mean in no known notation.
    #[error("mean `{0}` is not one number, three numbers R,G,B, or imagenet")]
    Mean(String),
    /// A standard deviation in no known notation, or not above 0.
    #[error("standard deviation `{0}` is not one number or three numbers R,G,B, all above 0, or imagenet")]
    Std(String),
    /// An option for floating point elements, where elements are integers.
    #[error("`{what}` has no effect with `--dtype {dtype}`")]
    FloatsOnly {
        /// Option that was given: `--scale`, `--mean` or `--std`.
        what: &'static str,
        /// Element type.
        dtype: Dtype,
    },
    /// Black or white beyond the range of the element type.
    #[error("this scale, mean and standard deviation move black or white out of the range of `{0}`")]
    Overflow(Dtype),
    /// ImageNet's mean or standard deviation with a scale that it was not made for.
    #[error("the imagenet {what} is for the scale 0..1")]
    ScaleOfImagenet {
        /// `mean` or `standard deviation`.
        what: &'static str,
    },
    /// Three numbers for gray tensors, which have one channel.
    #[error("gray tensors have one {what}, not three")]
    ThreeForGray {
        /// `mean` or `standard deviation`.
        what: &'static str,
    },
    /// A shape that is not `N`, `AxB`, ...
    #[error("shape `{0}` is not a list of dimensions such as 224x224x3, at least 1 each")]
    Shape(String),
    /// A tensor with more elements than readers can hold.
    #[error("a tensor of {elements} elements is too large, the limit is {most}")]
    TensorTooLarge {
        /// Elements that it would have.
        elements: u64,
        /// Most elements that it may have.
        most: u64,
    },
    /// A shrink factor outside 1..=255.
    #[error("`{0}` is not a valid `--jpeg-shrink` factor (1 to 255)")]
    JpegShrink(String),
    /// A shrink factor for a decoder that always decodes at full size.
    #[error("`{0}` can't shrink JPEGs while decoding")]
    ShrinkingDecoder(JpegDecoder),
    /// A decoder that is not part of this build.
    #[error("this build of inlaid does not include `{0}`")]
    MissingDecoder(JpegDecoder),
    /// A split by folders, where folders don't mean splits.
    #[error("`--split-by folder` needs split folders, not `--folders {0}`")]
    FolderRule(Folders),
    /// Split fractions for a source whose split folders decide the splits.
    #[error("`--split` has no effect on a source with split folders")]
    FolderShares,
    /// A filter that a library lacks.
    #[error("`{like}` has no filter `{filter}`, only {known}")]
    UnknownFilter {
        /// Library whose resizing was asked for.
        like: ResizeLike,
        /// Filter that was asked for.
        filter: Filter,
        /// Filters that the library has, separated by commas.
        known: String,
    },
    /// The filter `area` without a library, each of which computes it in its own way.
    #[error("filter `area` needs `--resize-like`")]
    AreaOfNone,
    /// A setting for antialiasing with a library that decides it.
    #[error("`--resize-like {0}` decides antialiasing itself")]
    AntialiasDecided(ResizeLike),
    /// A crop ratio outside 0.01..=1.
    #[error("crop ratio `{0}` is not a number from 0.01 to 1")]
    CropRatio(String),
    /// A crop ratio for a fit that does not use it.
    #[error("`--crop-ratio` has no effect with `--fit {0}`")]
    CropRatioFit(Fit),
}

impl SpecError {
    /// Word for this kind of failure, stable across releases.
    pub fn kind(&self) -> &'static str {
        use SpecError::*;
        match self {
            NotInFolders(..) => "setting-not-in-folders",
            ColumnName(..) => "setting-column-name",
            TensorsBesideFiles(..) => "setting-tensors-beside-files",
            UnknownWord { .. } => "setting-unknown-word",
            Size(..) => "setting-size",
            NoSize => "setting-no-size",
            Untouched(..) => "setting-untouched",
            NotEncoded(..) => "setting-not-encoded",
            NoTensors(..) => "setting-no-tensors",
            UnknownToEncoding { .. } => "setting-unknown-to-encoding",
            JpegSide { .. } => "setting-jpeg-side",
            StoredFileBytes { .. } => "setting-stored-file-bytes",
            Quality(..) => "setting-quality",
            Color(..) => "setting-color",
            ByteSize(..) | ByteSizeFraction(..) | ByteSizeTooLarge(..) => "setting-byte-size",
            RowGroupBytes { .. } => "setting-row-group-bytes",
            ShareSyntax(..) => "setting-share-syntax",
            SplitTwice(..) => "setting-split-twice",
            ShareRange { .. } => "setting-share-range",
            ShareSum(..) => "setting-share-sum",
            Mean(..) => "setting-mean",
            Std(..) => "setting-std",
            FloatsOnly { .. } => "setting-floats-only",
            Overflow(..) => "setting-overflow",
            ScaleOfImagenet { .. } => "setting-scale-of-imagenet",
            ThreeForGray { .. } => "setting-three-for-gray",
            Shape(..) => "setting-shape",
            TensorTooLarge { .. } => "setting-tensor-too-large",
            JpegShrink(..) => "setting-jpeg-shrink",
            ShrinkingDecoder(..) => "setting-shrinking-decoder",
            MissingDecoder(..) => "setting-missing-decoder",
            FolderRule(..) => "setting-folder-rule",
            FolderShares => "setting-folder-shares",
            UnknownFilter { .. } => "setting-unknown-filter",
            AreaOfNone => "setting-area-of-none",
            AntialiasDecided(..) => "setting-antialias-decided",
            CropRatio(..) => "setting-crop-ratio",
            CropRatioFit(..) => "setting-crop-ratio-fit",
        }
    }
}
