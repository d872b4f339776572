//! Everything that decides bytes: the settings of a dataset, parsed once into types that can't be
//! wrong, and stored in the manifest. How a run is carried out (threads, progress) is in `run`.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::SpecError;

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
    /// The type of a tensor's elements.
    Dtype: "element type" {
        /// Unsigned 8-bit integers, 0..=255.
        U8 = "u8",
    }
}

impl Dtype {
    /// Bytes of one element.
    pub fn bytes(self) -> usize {
        match self {
            Dtype::U8 => 1,
        }
    }
}

words! {
    /// The order of a tensor's dimensions.
    Layout: "tensor layout" {
        /// Height, width, channel: the channels of a pixel lie side by side.
        Hwc = "hwc",
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
    }
}

words! {
    /// The kernel that an image is resized with.
    Filter: "filter" {
        /// The nearest source pixel.
        Nearest = "nearest",
        /// A triangle: support 1.
        Bilinear = "bilinear",
        /// Catmull-Rom (a = -0.5): support 2.
        Bicubic = "bicubic",
        /// A sinc windowed by a sinc: support 3.
        Lanczos3 = "lanczos3",
        /// The mean of the covered source pixels.
        Box = "box",
    }
}

words! {
    /// How a tensor is stored as a column.
    Storage: "storage" {
        /// A fixed-size list with the extension type `arrow.fixed_shape_tensor`.
        Tensor = "tensor",
        /// Fixed-size binary; the shape is in the field's metadata.
        Binary = "binary",
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

/// Height and width of a tensor in pixels, in this order, 1..=65,535 each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "(u32, u32)", into = "(u32, u32)")]
pub struct Size {
    height: NonZeroU32,
    width: NonZeroU32,
}

impl Size {
    /// The greatest height and width.
    pub const MAX_SIDE: u32 = 65_535;

    /// # Errors
    /// If a side is 0 or above [`Size::MAX_SIDE`].
    pub fn new(height: u32, width: u32) -> Result<Size, SpecError> {
        let side = |n| {
            NonZeroU32::new(n)
                .filter(|n| n.get() <= Size::MAX_SIDE)
                .ok_or_else(|| SpecError::Size(format!("{height}x{width}")))
        };
        Ok(Size { height: side(height)?, width: side(width)? })
    }

    /// In pixels.
    pub fn height(self) -> u32 {
        self.height.get()
    }

    /// In pixels.
    pub fn width(self) -> u32 {
        self.width.get()
    }
}

impl TryFrom<(u32, u32)> for Size {
    type Error = SpecError;
    fn try_from((height, width): (u32, u32)) -> Result<Size, SpecError> {
        Size::new(height, width)
    }
}

impl From<Size> for (u32, u32) {
    fn from(size: Size) -> (u32, u32) {
        (size.height(), size.width())
    }
}

impl FromStr for Size {
    type Err = SpecError;

    /// `224` (a square) or `240x320` (height x width).
    fn from_str(text: &str) -> Result<Size, SpecError> {
        let side = |side: &str| side.parse().map_err(|_| SpecError::Size(text.to_owned()));
        let (height, width) = text.split_once('x').unwrap_or((text, text));
        Size::new(side(height)?, side(width)?).map_err(|_| SpecError::Size(text.to_owned()))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.height, self.width)
    }
}

/// Red, green and blue, 0..=255 each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Color(pub [u8; 3]);

impl FromStr for Color {
    type Err = SpecError;

    /// `R,G,B`, `#RRGGBB`, `black`, `gray` (128 each) or `white`.
    fn from_str(text: &str) -> Result<Color, SpecError> {
        let wrong = || SpecError::Color(text.to_owned());
        match text {
            "black" => return Ok(Color([0; 3])),
            "gray" => return Ok(Color([128; 3])),
            "white" => return Ok(Color([255; 3])),
            _ => {}
        }
        if let Some(hex) = text.strip_prefix('#') {
            let value = u32::from_str_radix(hex, 16).ok().filter(|_| hex.len() == 6);
            let [_, r, g, b] = value.ok_or_else(wrong)?.to_be_bytes();
            return Ok(Color([r, g, b]));
        }
        let parts: Result<Vec<u8>, _> = text.split(',').map(|part| part.trim().parse()).collect();
        let rgb = parts.ok().and_then(|parts| parts.try_into().ok());
        rgb.map(Color).ok_or_else(wrong)
    }
}

/// The share of each split: fractions above 0 that sum to 1. Splits that are not named get nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<(Split, f64)>", into = "Vec<(Split, f64)>")]
pub struct Shares(Vec<(Split, f64)>);

impl Shares {
    /// Sums within this distance of 1 count as 1: it covers decimal fractions that binary numbers
    /// can't hold, and nothing that a person would write by mistake.
    const SUM_TOLERANCE: f64 = 1e-6;

    /// # Errors
    /// If a split is named twice, a fraction is not above 0, or the sum is not 1.
    pub fn new(mut shares: Vec<(Split, f64)>) -> Result<Shares, SpecError> {
        shares.sort_by_key(|(split, _)| *split);
        if let Some(pair) = shares.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(SpecError::SplitTwice(pair[0].0));
        }
        if let Some((split, share)) = shares.iter().find(|(_, share)| !(*share > 0.0 && *share <= 1.0)) {
            return Err(SpecError::ShareRange { split: *split, share: *share });
        }
        let sum: f64 = shares.iter().map(|(_, share)| share).sum();
        if (sum - 1.0).abs() > Shares::SUM_TOLERANCE {
            return Err(SpecError::ShareSum(sum));
        }
        Ok(Shares(shares))
    }

    /// In the order train, validation, test.
    pub fn iter(&self) -> impl Iterator<Item = (Split, f64)> + '_ {
        self.0.iter().copied()
    }
}

impl TryFrom<Vec<(Split, f64)>> for Shares {
    type Error = SpecError;
    fn try_from(shares: Vec<(Split, f64)>) -> Result<Shares, SpecError> {
        Shares::new(shares)
    }
}

impl From<Shares> for Vec<(Split, f64)> {
    fn from(shares: Shares) -> Vec<(Split, f64)> {
        shares.0
    }
}

impl FromStr for Shares {
    type Err = SpecError;

    /// `train=0.8,validation=0.1,test=0.1`; the split words of [`Split::from_folder_name`] are taken too.
    fn from_str(text: &str) -> Result<Shares, SpecError> {
        let parse = |part: &str| {
            let (name, share) = part.split_once('=').ok_or_else(|| SpecError::ShareSyntax(part.to_owned()))?;
            let split = match Split::from_folder_name(name.trim()) {
                Some(split) => split,
                None => name.trim().parse()?,
            };
            let share = share.trim().parse().map_err(|_| SpecError::ShareSyntax(part.to_owned()))?;
            Ok((split, share))
        };
        Shares::new(text.split(',').map(parse).collect::<Result<_, SpecError>>()?)
    }
}

impl fmt::Display for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self.iter().map(|(split, share)| format!("{split}={share}")).collect();
        f.write_str(&parts.join(","))
    }
}

/// A number of bytes, 1 or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// `n` mebibytes.
    pub const fn mib(n: u64) -> ByteSize {
        ByteSize(n << 20)
    }
}

impl FromStr for ByteSize {
    type Err = SpecError;

    /// A whole number with an optional unit: `B`, `KB`/`KiB`, `MB`/`MiB`, `GB`/`GiB` (the short ones are decimal).
    fn from_str(text: &str) -> Result<ByteSize, SpecError> {
        let digits = text.trim().trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match text.trim()[digits.len()..].to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kb" => 1000,
            "k" | "kib" => 1 << 10,
            "mb" => 1_000_000,
            "m" | "mib" => 1 << 20,
            "gb" => 1_000_000_000,
            "g" | "gib" => 1 << 30,
            _ => 0,
        };
        let count: Option<u64> = digits.trim().parse().ok();
        let bytes = count.and_then(|count| count.checked_mul(unit)).filter(|bytes| *bytes > 0);
        bytes.map(ByteSize).ok_or_else(|| SpecError::ByteSize(text.to_owned()))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bytes, mib, gib) = (self.0, 1 << 20, 1 << 30);
        match bytes {
            _ if bytes >= gib => write!(f, "{:.1} GiB", bytes as f64 / gib as f64),
            _ if bytes >= mib => write!(f, "{:.1} MiB", bytes as f64 / mib as f64),
            _ if bytes >= 1024 => write!(f, "{:.1} KiB", bytes as f64 / 1024.0),
            _ => write!(f, "{bytes} B"),
        }
    }
}

/// What a source image may be at most; checked from the file's length and header, before any
/// memory for pixels is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Length of the file. Default: 1 GiB.
    pub file_bytes: ByteSize,
    /// Height and width in pixels. Default: 65,535.
    pub side: u32,
    /// Height times width. Default: 178,956,970, above which Pillow speaks of a decompression bomb
    /// (twice its `MAX_IMAGE_PIXELS`).
    pub pixels: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { file_bytes: ByteSize::mib(1024), side: 65_535, pixels: 178_956_970 }
    }
}

/// Everything that decides the bytes of a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// Height and width of every tensor.
    pub size: Size,
    /// Default: [`Channels::Rgb`].
    pub channels: Channels,
    /// Default: [`Dtype::U8`].
    pub dtype: Dtype,
    /// Default: [`Layout::Hwc`].
    pub layout: Layout,
    /// Default: [`Fit::Stretch`].
    pub fit: Fit,
    /// What [`Fit::Pad`] fills with and transparent pixels lie on. Default: black.
    pub pad_color: Color,
    /// Default: [`Filter::Bilinear`].
    pub filter: Filter,
    /// Whether the kernel widens when shrinking, so that every source pixel counts. Default: true;
    /// false is the default of `tf.image.resize`.
    pub antialias: bool,
    /// Whether the EXIF orientation is applied. Default: true.
    pub exif: bool,
    /// Default: train 0.8, validation 0.1, test 0.1.
    pub shares: Shares,
    /// Default: [`SplitBy::Folder`] if the source has split folders, else [`SplitBy::Label`]; always
    /// set in a manifest.
    pub split_by: Option<SplitBy>,
    /// Decides the split and the order. Default: 0.
    pub seed: u64,
    /// Default: [`Order::Shuffled`].
    pub order: Order,
    /// Default: [`Folders::Auto`]; never that in a manifest.
    pub folders: Folders,
    /// Whether symbolic links to folders are followed (those to files always are). Default: false.
    pub follow_links: bool,
    /// Default: [`Storage::Tensor`].
    pub storage: Storage,
    /// Default: [`Format::Parquet`].
    pub format: Format,
    /// Of the tensor column; the others always use Zstandard in Parquet. Default: [`Compression::None`].
    pub compression: Compression,
    /// Pixels of a row group at most, but at least one row. Default: 16 MiB.
    pub row_group_bytes: ByteSize,
    /// Pixels of a shard at most, but at least one row group. Default: 512 MiB.
    pub shard_bytes: ByteSize,
    /// What a source image may be at most.
    pub limits: Limits,
}

impl Spec {
    /// A spec for tensors of this size, all else at its default.
    pub fn new(size: Size) -> Spec {
        Spec {
            size,
            channels: Channels::Rgb,
            dtype: Dtype::U8,
            layout: Layout::Hwc,
            fit: Fit::Stretch,
            pad_color: Color::default(),
            filter: Filter::Bilinear,
            antialias: true,
            exif: true,
            shares: Shares(vec![(Split::Train, 0.8), (Split::Validation, 0.1), (Split::Test, 0.1)]),
            split_by: None,
            seed: 0,
            order: Order::Shuffled,
            folders: Folders::Auto,
            follow_links: false,
            storage: Storage::Tensor,
            format: Format::Parquet,
            compression: Compression::None,
            row_group_bytes: ByteSize::mib(16),
            shard_bytes: ByteSize::mib(512),
            limits: Limits::default(),
        }
    }
}
