//! Everything that decides bytes: the settings of a dataset, parsed once into types that can't be
//! wrong, and stored in the manifest. How a run is carried out (threads, progress) is in `run`.

mod byte_size;
mod color;
mod crop_ratio;
mod error;
mod extra;
mod jpeg_shrink;
mod normalize;
mod quality;
mod repack;
mod shape;
mod shares;
mod size;
mod words;

use serde::{Deserialize, Serialize};

pub use byte_size::ByteSize;
pub use color::Color;
pub use crop_ratio::CropRatio;
pub use error::SpecError;
pub use extra::{ColumnSpec, ColumnType, TensorSpec};
pub use jpeg_shrink::JpegShrink;
pub use normalize::{IMAGENET_MEAN, IMAGENET_STD};
pub use normalize::{Mean, Std};
pub use quality::Quality;
pub use repack::RepackSpec;
pub use shape::{MAX_ELEMENTS, Shape};
pub use shares::Shares;
pub use size::Size;
pub use words::{
    Channels, ColorProfile, Compression, Dtype, Encoding, Filter, Fit, Folders, Format, JpegDecoder, Layout, Order,
    ResizeLike, Scale, Split, SplitBy, Storage,
};

/// Everything that decides the bytes of a dataset.
///
/// Begin with [`Spec::new`] or [`Spec::originals`], and set what differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Spec {
    /// Height and width of every tensor, or encoded image; none if the files are stored as they are, which needs
    /// [`Storage::Encoded`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
    /// Default: [`Channels::Rgb`].
    pub channels: Channels,
    /// Default: [`Dtype::U8`].
    pub dtype: Dtype,
    /// Of floating point elements. Default: [`Scale::Unit`]; always set in a manifest of such elements.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scale>,
    /// Subtracted from floating point elements of that scale. Default: nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<Mean>,
    /// What floating point elements are divided by after that. Default: by nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub std: Option<Std>,
    /// Default: [`Layout::Hwc`].
    pub layout: Layout,
    /// Default: [`Fit::Stretch`].
    pub fit: Fit,
    /// What [`Fit::ShortestSide`] keeps of the shorter side; 1 with every other fit. Default: 1.
    #[serde(default, skip_serializing_if = "CropRatio::is_whole")]
    pub crop_ratio: CropRatio,
    /// Whether images are never enlarged: what would be lies unscaled in the middle of the pad colour, and what of it
    /// is larger than the tensor is cut off. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_shrink: bool,
    /// What margins are filled with and transparent pixels lie on. Default: black.
    pub pad_color: Color,
    /// The library that images are resized like. Default: none; then [`Filter`] says what is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resize_like: Option<ResizeLike>,
    /// Default: [`Filter::Bilinear`].
    pub filter: Filter,
    /// Whether the kernel widens when shrinking, so that every source pixel counts. Default: true;
    /// false is the default of `tf.image.resize`. True, and without a meaning, where a library is named.
    pub antialias: bool,
    /// Whether the EXIF orientation is applied. Default: true.
    pub exif: bool,
    /// Default: [`ColorProfile::Keep`], so that tensors are what a model sees that is served by one of the
    /// usual decoders.
    #[serde(default = "keep")]
    pub color_profile: ColorProfile,
    /// Default: [`JpegDecoder::Zune`].
    #[serde(default = "zune")]
    pub jpeg_decoder: JpegDecoder,
    /// Default: none, JPEGs are decoded whole. Needs [`JpegDecoder::LibjpegTurbo`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jpeg_shrink: Option<JpegShrink>,
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
    /// Whether files of any name are inputs, so that only their content decides; else their extension has to be that of
    /// an image. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub any_name: bool,
    /// Default: [`Storage::Tensor`].
    pub storage: Storage,
    /// Of encoded images that have a size. Default: [`Encoding::Jpeg`]; always set in a manifest of such images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// Of JPEGs. Default: 90; always set in a manifest of such images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
    /// Default: [`Format::Parquet`].
    pub format: Format,
    /// Of the column of images; the others always use Zstandard in Parquet. Default: [`Compression::None`].
    pub compression: Compression,
    /// Pixels, or encoded images, of a row group at most, but at least one row; at most as many as of a shard. Default:
    /// 16 MiB.
    pub row_group_bytes: ByteSize,
    /// Pixels of a shard at most, but at least one row group; of encoded images about so many bytes. Default: 512 MiB.
    pub shard_bytes: ByteSize,
    /// What a source image may be at most.
    pub limits: Limits,
    /// Further columns of tensors. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tensors: Vec<TensorSpec>,
    /// Columns of values that come with the inputs. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<ColumnSpec>,
}

impl Spec {
    /// A spec for images that are stored as they are, all else at its default.
    pub fn originals() -> Spec {
        Spec { size: None, storage: Storage::Encoded, ..Spec::new(Size::SMALLEST) }
    }

    /// A spec for tensors of this size, all else at its default.
    pub fn new(size: Size) -> Spec {
        Spec {
            size: Some(size),
            channels: Channels::Rgb,
            dtype: Dtype::U8,
            scale: None,
            mean: None,
            std: None,
            layout: Layout::Hwc,
            fit: Fit::Stretch,
            crop_ratio: CropRatio::default(),
            only_shrink: false,
            pad_color: Color::default(),
            resize_like: None,
            filter: Filter::Bilinear,
            antialias: true,
            exif: true,
            color_profile: ColorProfile::Keep,
            jpeg_decoder: JpegDecoder::Zune,
            jpeg_shrink: None,
            shares: Shares::default(),
            split_by: None,
            seed: 0,
            order: Order::Shuffled,
            folders: Folders::Auto,
            follow_links: false,
            any_name: false,
            storage: Storage::Tensor,
            encoding: None,
            quality: None,
            format: Format::Parquet,
            compression: Compression::None,
            row_group_bytes: ByteSize::mib(16),
            shard_bytes: ByteSize::mib(512),
            limits: Limits::default(),
            tensors: Vec::new(),
            columns: Vec::new(),
        }
    }

    /// Sets the bytes of row groups and shards. One that is not given makes way for the other, as a row group is never
    /// longer than its shard.
    pub fn with_bytes(self, row_group: Option<ByteSize>, shard: Option<ByteSize>) -> Spec {
        let row_group_bytes = row_group.unwrap_or(self.row_group_bytes.min(shard.unwrap_or(self.shard_bytes)));
        Spec { row_group_bytes, shard_bytes: shard.unwrap_or(self.shard_bytes.max(row_group_bytes)), ..self }
    }

    /// Height and width of what images are resized to. Nobody asks for that of images that are not.
    pub fn target(&self) -> Size {
        self.size.expect("images without a size are not resized")
    }

    /// Such as `filter bilinear (antialiased)`, or `filter bicubic as in opencv`.
    pub fn filter_in_words(&self) -> String {
        let filter = self.filter;
        match (self.resize_like, self.antialias) {
            (Some(like), _) => format!("filter {filter} as in {like}"),
            (None, true) => format!("filter {filter} (antialiased)"),
            (None, false) => format!("filter {filter} (not antialiased)"),
        }
    }

    /// Such as `fit stretch`, or `fit shortest-side 0.875, never enlarged`.
    pub fn fit_in_words(&self) -> String {
        let ratio = if self.crop_ratio.is_whole() { String::new() } else { format!(" {}", self.crop_ratio) };
        let enlarged = if self.only_shrink { ", never enlarged" } else { "" };
        format!("fit {}{ratio}{enlarged}", self.fit)
    }
}

impl Spec {
    /// Finds settings that a new dataset can't have, though datasets of earlier releases may.
    ///
    /// # Errors
    /// If a row group is longer than a shard.
    pub fn check_new(&self) -> Result<(), SpecError> {
        let (row_group, shard) = (self.row_group_bytes, self.shard_bytes);
        if row_group > shard {
            Err(SpecError::RowGroupBytes { row_group: row_group.0, shard: shard.0 })
        } else {
            Ok(())
        }
    }
}

fn keep() -> ColorProfile {
    ColorProfile::Keep
}

fn zune() -> JpegDecoder {
    JpegDecoder::Zune
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
