//! Settings with a fixed set of values, each written as one word.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::SpecError;

/// Declares an enum whose variants are written as one word each: on the command line, in the manifest and
/// in messages.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident: $what:literal { $($(#[$vmeta:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// Every variant, in the order of declaration.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// Word for this variant, the same everywhere.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.pad(self.as_str()) }
        }

        impl From<$name> for &'static str {
            fn from(value: $name) -> &'static str { value.as_str() }
        }

        impl FromStr for $name {
            type Err = SpecError;
            fn from_str(word: &str) -> Result<Self, SpecError> {
                match word {
                    $($word => Ok($name::$variant),)+
                    _ => Err(SpecError::UnknownWord {
                        what: $what,
                        word: word.to_owned(),
                        known: [$($word,)+].join(", "),
                    }),
                }
            }
        }
    };
}

words! {
    /// One of the three parts of a dataset; also the name of its folder.
    Split: "split" {
        /// Rows that a model is trained on.
        Train = "train",
        /// Rows that guide choices during training.
        Validation = "validation",
        /// Rows that the result is evaluated on.
        Test = "test",
    }
}

words! {
    /// Type of the values of a column.
    #[non_exhaustive]
    ColumnType: "column type" {
        /// Whole numbers of 64 bits, signed.
        Int64 = "int64",
        /// Floating point numbers of 64 bits.
        Float64 = "float64",
        /// True or false.
        Bool = "bool",
        /// Instants in UTC, in microseconds.
        Timestamp = "timestamp",
        /// Text in UTF-8.
        String = "string",
    }
}

words! {
    /// What a label is.
    LabelKind: "label kind" {
        /// One class, or none: an index into the names of the classes.
        Class = "class",
        /// Any number of classes: 0 or 1 for each of them.
        MultiHot = "multi-hot",
        /// A number to be predicted.
        Number = "number",
    }
}

impl LabelKind {
    /// Whether a label is one class.
    pub fn is_class(&self) -> bool {
        *self == LabelKind::Class
    }
}

impl Split {
    /// Split that a folder of this name holds by convention, ignoring case:
    /// `train`/`training`, `validation`/`valid`/`val`/`dev`, `test`/`testing`/`eval`/`evaluation`
    /// (the words of Hugging Face `datasets`).
    pub fn from_folder_name(name: &str) -> Option<Split> {
        match name.to_ascii_lowercase().as_str() {
            "train" | "training" => Some(Split::Train),
            "validation" | "valid" | "val" | "dev" => Some(Split::Validation),
            "test" | "testing" | "eval" | "evaluation" => Some(Split::Test),
            _ => None,
        }
    }
}

words! {
    /// Rule that assigns records to splits.
    SplitBy: "split rule" {
        /// Exact fractions of every class, by largest remainder; the seed decides which records.
        Label = "label",
        /// Exact fractions of all records, by largest remainder; the seed decides which records.
        Random = "random",
        /// Hash of the file's bytes: identical files are always in the same split.
        Content = "content",
        /// Hash of the key: only renaming a file can move it to another split.
        Path = "path",
        /// Split folders of the source.
        Folder = "folder",
    }
}

words! {
    /// Meaning of a source's top folders.
    Folders: "folder rule" {
        /// Splits if every folder is named after a split, else classes; nothing if there are no folders.
        Auto = "auto",
        /// Classes (`SRC/cat/1.jpg`).
        Classes = "classes",
        /// Splits, with class folders inside (`SRC/train/cat/1.jpg`).
        Splits = "splits",
        /// Nothing: rows have no labels.
        None = "none",
    }
}

impl Folders {
    /// Description of a source with such folders, such as `class folders`.
    pub fn described(self) -> &'static str {
        match self {
            Folders::Auto => "folders",
            Folders::Classes => "class folders",
            Folders::Splits => "split folders",
            Folders::None => "images without folders",
        }
    }
}

words! {
    /// Order of the rows within a split.
    Order: "row order" {
        /// Shuffled with the seed, so that sequential reads see a mix of all classes.
        Shuffled = "shuffled",
        /// Sorted by key, comparing UTF-8 bytes.
        Path = "path",
    }
}

words! {
    /// Channels of a tensor.
    Channels: "channel set" {
        /// One channel: luma by ITU-R BT.601.
        Gray = "gray",
        /// Three channels: red, green, blue.
        Rgb = "rgb",
        /// Four channels: red, green, blue, alpha (not premultiplied).
        Rgba = "rgba",
    }
}

impl Channels {
    /// Number of channels: 1, 3 or 4.
    pub fn count(self) -> usize {
        match self {
            Channels::Gray => 1,
            Channels::Rgb => 3,
            Channels::Rgba => 4,
        }
    }
}

words! {
    /// Decoder of JPEGs.
    JpegDecoder: "JPEG decoder" {
        /// libjpeg-turbo where it was built in, else the Rust decoder. A manifest states which.
        Auto = "auto",
        /// Rust decoder of the `image` crate, which differs from libjpeg-turbo by 0.05 of 255 levels on average.
        Zune = "zune-jpeg",
        /// Decoder of Pillow, OpenCV and torchvision, with identical samples; needs the feature `turbojpeg`.
        /// A JPEG that it reports errors or warnings for is decoded by the Rust decoder instead.
        LibjpegTurbo = "libjpeg-turbo",
    }
}

words! {
    /// What to do with a JPEG or PNG that ends before its image does.
    Truncated: "rule for truncated images" {
        /// It is rejected.
        Reject = "reject",
        /// It is decoded as far as it goes, and the rest is gray in a JPEG, as libjpeg fills it, and black and
        /// transparent in a PNG.
        Keep = "keep",
    }
}

impl Truncated {
    /// Whether it is the default.
    pub(super) fn is_reject(&self) -> bool {
        *self == Truncated::Reject
    }
}

words! {
    /// Treatment of an embedded ICC color profile.
    ColorProfile: "color profile rule" {
        /// The profile is ignored and samples are kept, as Pillow, OpenCV, torchvision and TensorFlow do.
        Keep = "keep",
        /// Samples are converted to sRGB.
        Srgb = "srgb",
    }
}

words! {
    /// Element type of a tensor.
    Dtype: "element type" {
        /// Unsigned 8-bit integers, 0..=255.
        U8 = "u8",
        /// Unsigned 16-bit integers, 0..=65,535.
        U16 = "u16",
        /// 16-bit floating point numbers (IEEE 754 binary16).
        F16 = "f16",
        /// 32-bit floating point numbers (IEEE 754 binary32).
        F32 = "f32",
    }
}

impl Dtype {
    /// Size of one element in bytes.
    pub fn bytes(self) -> usize {
        match self {
            Dtype::U8 => 1,
            Dtype::U16 | Dtype::F16 => 2,
            Dtype::F32 => 4,
        }
    }

    /// Whether elements are floating point numbers, which have a [`Scale`].
    pub fn is_float(self) -> bool {
        matches!(self, Dtype::F16 | Dtype::F32)
    }

    /// Name in NumPy and Hugging Face `datasets`, such as `uint8`.
    pub fn numpy_name(self) -> &'static str {
        match self {
            Dtype::U8 => "uint8",
            Dtype::U16 => "uint16",
            Dtype::F16 => "float16",
            Dtype::F32 => "float32",
        }
    }
}

words! {
    /// Scale of floating point elements before normalization: the values of black and white.
    Scale: "scale" {
        /// Black is 0 and white 1 (`torchvision.transforms.ToTensor`).
        Unit = "0..1",
        /// Black is -1 and white 1 (Keras' `preprocess_input` of mode `tf`).
        Signed = "-1..1",
        /// Black is 0 and white 255 (`tf.image.resize`).
        Bytes = "0..255",
    }
}

impl Default for Scale {
    /// [`Scale::Unit`].
    fn default() -> Scale {
        Scale::Unit
    }
}

words! {
    /// Order of a tensor's dimensions.
    Layout: "tensor layout" {
        /// Height, width, channel: interleaved channels (TensorFlow, JAX).
        Hwc = "hwc",
        /// Channel, height, width: one plane per channel (PyTorch).
        Chw = "chw",
    }
}

words! {
    /// Rule for images whose aspect ratio differs from the tensor's.
    Fit: "fit" {
        /// Each axis is scaled independently (`tf.image.resize`, the default of Keras).
        Stretch = "stretch",
        /// The largest centered window of the tensor's aspect ratio is cut out, then scaled
        /// (`crop_to_aspect_ratio` of Keras).
        Crop = "crop",
        /// The whole image is scaled to fit and centered on the pad color (`tf.image.resize_with_pad`).
        Pad = "pad",
        /// The image is scaled until its shorter side fits, then its center is cut out (`Resize` and `CenterCrop` of
        /// torchvision).
        ShortestSide = "shortest-side",
    }
}

words! {
    /// Library whose resizing is reproduced: kernels, coordinates, edges, antialiasing, rounding, and its arithmetic
    /// for [`Fit`] where it has one.
    ResizeLike: "library" {
        /// `tf.image.resize` without antialiasing, its default; bytes are rounded half to even.
        Tf = "tf",
        /// `tf.image.resize(antialias=True)`.
        TfAntialias = "tf-antialias",
        /// `PIL.Image.resize`.
        Pillow = "pillow",
        /// `torchvision.transforms.v2.functional.resize(antialias=True)` on byte tensors.
        Torchvision = "torchvision",
        /// `cv2.resize`, which antialiases only with `INTER_AREA`.
        OpenCv = "opencv",
    }
}

words! {
    /// Kernel for resizing.
    Filter: "filter" {
        /// Nearest source pixel.
        Nearest = "nearest",
        /// Triangle with support 1.
        Bilinear = "bilinear",
        /// Catmull-Rom (a = -0.5; OpenCV uses -0.75) with support 2.
        Bicubic = "bicubic",
        /// Sinc windowed by a sinc, with support 3.
        Lanczos3 = "lanczos3",
        /// Mean of the source pixels whose centers are covered.
        Box = "box",
        /// Mean of the source pixels, weighted by how much of each is covered, as in TensorFlow and OpenCV.
        Area = "area",
    }
}

words! {
    /// Type of the image column.
    Storage: "storage" {
        /// Fixed-size list with the extension type `arrow.fixed_shape_tensor`.
        Tensor = "tensor",
        /// Fixed-size binary, with the shape in the field's metadata.
        Binary = "binary",
        /// Image files, as in the `Image` type of Hugging Face `datasets`: a struct of `bytes` and `path`.
        Encoded = "encoded",
    }
}

words! {
    /// Encoding of resized images.
    Encoding: "encoding" {
        /// Baseline JPEG, with chroma halved in both directions (4:2:0) below quality 90.
        Jpeg = "jpeg",
        /// PNG, which is lossless.
        Png = "png",
    }
}

impl Default for Encoding {
    /// [`Encoding::Jpeg`], the smaller one.
    fn default() -> Encoding {
        Encoding::Jpeg
    }
}

impl Encoding {
    /// Name as people write it, such as `JPEG`.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Jpeg => "JPEG",
            Encoding::Png => "PNG",
        }
    }

    /// File name extension, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Encoding::Jpeg => "jpg",
            Encoding::Png => "png",
        }
    }
}

words! {
    /// File format of the shards.
    Format: "format" {
        /// Apache Parquet.
        Parquet = "parquet",
        /// Arrow IPC files.
        Arrow = "arrow",
    }
}

impl Format {
    /// File name extension, without the dot.
    pub fn extension(self) -> &'static str {
        self.as_str()
    }
}

words! {
    /// Compression of the image column.
    Compression: "compression" {
        /// No compression: pages can be memory-mapped. Pixels barely compress (zstd to 0.87 of their size, lz4 to
        /// 0.93).
        None = "none",
        /// LZ4 (in Parquet: LZ4_RAW).
        Lz4 = "lz4",
        /// Zstandard, level 3.
        Zstd = "zstd",
    }
}
