//! Settings that are one of a few words, and what follows from each word.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::SpecError;

/// Declares an enum whose variants have one word each: on the command line, in the manifest and in
/// messages.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident: $what:literal { $($(#[$vmeta:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// Every variant, in the order of declaration.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// The word that stands for this variant everywhere.
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
        /// What a model learns from.
        Train = "train",
        /// What choices are made by.
        Validation = "validation",
        /// What the result is judged by.
        Test = "test",
    }
}

impl Split {
    /// The split that a folder of this name holds by convention, in any case of letters:
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
    /// What decides the split of a record.
    SplitBy: "split rule" {
        /// Exact shares of every class, by largest remainder; which records is decided by the seed.
        Label = "label",
        /// Exact shares of the whole, by largest remainder; which records is decided by the seed.
        Random = "random",
        /// A hash of the file's bytes: identical files are always on one side.
        Content = "content",
        /// A hash of the key: renaming moves a record, nothing else does.
        Path = "path",
        /// The source's own split folders.
        Folder = "folder",
    }
}

words! {
    /// What the top folders of a source mean.
    Folders: "folder rule" {
        /// Split folders if all of them have a split's name, else class folders; nothing if there are none.
        Auto = "auto",
        /// A class each (`SRC/cat/1.jpg`).
        Classes = "classes",
        /// A split each, with class folders below (`SRC/train/cat/1.jpg`).
        Splits = "splits",
        /// Nothing: rows have no label.
        None = "none",
    }
}

impl Folders {
    /// What a source with such folders holds.
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
    /// The order of the rows within a split.
    Order: "row order" {
        /// Shuffled by the seed, so that sequential reading sees all classes mixed.
        Shuffled = "shuffled",
        /// By key, in the order of its UTF-8 bytes.
        Path = "path",
    }
}

words! {
    /// The channels of a tensor.
    Channels: "channel set" {
        /// One: luma by ITU-R BT.601.
        Gray = "gray",
        /// Three: red, green, blue.
        Rgb = "rgb",
        /// Four: red, green, blue, alpha (not premultiplied).
        Rgba = "rgba",
    }
}

impl Channels {
    /// 1, 3 or 4.
    pub fn count(self) -> usize {
        match self {
            Channels::Gray => 1,
            Channels::Rgb => 3,
            Channels::Rgba => 4,
        }
    }
}

words! {
    /// What decodes JPEGs.
    JpegDecoder: "JPEG decoder" {
        /// The Rust decoder of the `image` crate: 0.05 levels off libjpeg-turbo in the mean.
        Zune = "zune-jpeg",
        /// The decoder of Pillow, OpenCV and torchvision, sample for sample; needs the feature `turbojpeg`.
        /// A JPEG that it finds fault with is left to the Rust decoder.
        LibjpegTurbo = "libjpeg-turbo",
    }
}

words! {
    /// What becomes of an embedded ICC colour profile.
    ColorProfile: "color profile rule" {
        /// It is passed over, as Pillow, OpenCV, torchvision and TensorFlow do when they decode.
        Keep = "keep",
        /// Samples are brought to sRGB.
        Srgb = "srgb",
    }
}

words! {
    /// The type of a tensor's elements.
    Dtype: "element type" {
        /// Unsigned 8-bit integers, 0..=255.
        U8 = "u8",
        /// Unsigned 16-bit integers, 0..=65,535.
        U16 = "u16",
        /// Floating point numbers of 16 bits (IEEE 754 binary16).
        F16 = "f16",
        /// Floating point numbers of 32 bits (IEEE 754 binary32).
        F32 = "f32",
    }
}

impl Dtype {
    /// Bytes of one element.
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

    /// The name of NumPy and of Hugging Face `datasets`: `uint8`.
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
    /// What floating point elements are before mean and standard deviation: where black and white lie.
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
    /// 0 to 1.
    fn default() -> Scale {
        Scale::Unit
    }
}

words! {
    /// The order of a tensor's dimensions.
    Layout: "tensor layout" {
        /// Height, width, channel: the channels of a pixel lie side by side (TensorFlow, JAX).
        Hwc = "hwc",
        /// Channel, height, width: one plane after the other (PyTorch).
        Chw = "chw",
    }
}

words! {
    /// How an image of another aspect ratio fills the tensor.
    Fit: "fit" {
        /// Each axis is scaled by itself (`tf.image.resize`, Keras' default).
        Stretch = "stretch",
        /// The largest centred window of the right aspect ratio is cut out, then scaled
        /// (Keras' `crop_to_aspect_ratio`).
        Crop = "crop",
        /// The whole image is scaled to fit and centred on the pad colour (`tf.image.resize_with_pad`).
        Pad = "pad",
        /// The whole image is scaled so that its shorter side fits, then the middle is cut out
        /// (torchvision's `Resize` and `CenterCrop`).
        ShortestSide = "shortest-side",
    }
}

words! {
    /// A library whose resizing is imitated: kernels, coordinates, edges, antialiasing, rounding, and what it has of
    /// the arithmetic of [`Fit`].
    ResizeLike: "library" {
        /// `tf.image.resize`, which does not antialias by default; bytes are rounded to the nearest even.
        Tf = "tf",
        /// `tf.image.resize(antialias=True)`.
        TfAntialias = "tf-antialias",
        /// `PIL.Image.resize`.
        Pillow = "pillow",
        /// `torchvision.transforms.v2.functional.resize(antialias=True)` of tensors of bytes.
        Torchvision = "torchvision",
        /// `cv2.resize`, which antialiases with `INTER_AREA` alone.
        OpenCv = "opencv",
    }
}

words! {
    /// The kernel that an image is resized with.
    Filter: "filter" {
        /// The nearest source pixel.
        Nearest = "nearest",
        /// A triangle: support 1.
        Bilinear = "bilinear",
        /// Catmull-Rom (a = -0.5): support 2. OpenCV's has a = -0.75.
        Bicubic = "bicubic",
        /// A sinc windowed by a sinc: support 3.
        Lanczos3 = "lanczos3",
        /// The mean of the source pixels whose centres are covered.
        Box = "box",
        /// The mean of the source pixels by how much of each is covered, as TensorFlow and OpenCV have it.
        Area = "area",
    }
}

words! {
    /// How images are stored as a column.
    Storage: "storage" {
        /// A fixed-size list with the extension type `arrow.fixed_shape_tensor`.
        Tensor = "tensor",
        /// Fixed-size binary; the shape is in the field's metadata.
        Binary = "binary",
        /// Image files, as the `Image` of Hugging Face `datasets`: a struct of `bytes` and `path`.
        Encoded = "encoded",
    }
}

words! {
    /// What encoded images are.
    Encoding: "encoding" {
        /// Baseline JPEG; colours are halved in both directions (4:2:0) by qualities below 90.
        Jpeg = "jpeg",
        /// PNG, which keeps every byte.
        Png = "png",
    }
}

impl Default for Encoding {
    /// JPEG, the smaller one.
    fn default() -> Encoding {
        Encoding::Jpeg
    }
}

impl Encoding {
    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Jpeg => "JPEG",
            Encoding::Png => "PNG",
        }
    }

    /// Of a file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Encoding::Jpeg => "jpg",
            Encoding::Png => "png",
        }
    }
}

words! {
    /// The file format of the shards.
    Format: "format" {
        /// Apache Parquet.
        Parquet = "parquet",
        /// Arrow IPC files.
        Arrow = "arrow",
    }
}

impl Format {
    /// The file name extension, without the dot.
    pub fn extension(self) -> &'static str {
        self.as_str()
    }
}

words! {
    /// How the tensor column is compressed.
    Compression: "compression" {
        /// Not at all: pages can be mapped, and pixels hardly shrink (zstd to 0.87, lz4 to 0.93).
        None = "none",
        /// LZ4 (in Parquet: LZ4_RAW).
        Lz4 = "lz4",
        /// Zstandard, level 3.
        Zstd = "zstd",
    }
}
