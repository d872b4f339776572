//! Everything that decides the bytes of a dataset: settings parsed once into types that can't be wrong, and stored in
//! the manifest. Settings that don't (threads, progress) are the crate `inlaid`'s `RunOptions`.

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
mod size;
mod split_fractions;
mod words;

use serde::{Deserialize, Serialize};

pub use byte_size::ByteSize;
pub use color::Color;
pub use crop_ratio::CropRatio;
pub use error::SpecError;
pub use extra::{ColumnSpec, TensorSpec};
pub use jpeg_shrink::JpegShrink;
pub use normalize::{IMAGENET_MEAN, IMAGENET_STD};
pub use normalize::{Mean, Std};
pub use quality::Quality;
pub use repack::RepackSpec;
pub use shape::{MAX_ELEMENTS, Shape};
pub use size::Size;
pub use split_fractions::SplitFractions;
pub use words::{
    Channels, ColorProfile, ColumnType, Compression, Dtype, Encoding, Filter, Fit, Folders, Format, JpegDecoder,
    LabelKind, Layout, Order, ResizeLike, Scale, Split, SplitBy, Storage, Truncated,
};

/// Settings that decide the bytes of a dataset.
///
/// Begin with [`Spec::new`] or [`Spec::originals`], and set what differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Spec {
    /// Height and width of every tensor or encoded image, in pixels. `None` stores the files unchanged, which needs
    /// [`Storage::Encoded`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
    /// Channels of every tensor or encoded image. Default: [`Channels::Rgb`].
    pub channels: Channels,
    /// Element type of the tensors. Default: [`Dtype::U8`].
    pub dtype: Dtype,
    /// Scale of floating point elements. Default: [`Scale::Unit`], which a manifest always states for these types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scale>,
    /// Mean subtracted from floating point elements, on `scale`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<Mean>,
    /// Standard deviation that floating point elements are then divided by, on `scale`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub std: Option<Std>,
    /// Order of the tensors' dimensions. Default: [`Layout::Hwc`].
    pub layout: Layout,
    /// Rule for images whose aspect ratio differs from the tensor's. Default: [`Fit::Stretch`].
    pub fit: Fit,
    /// Share of the shorter side that [`Fit::ShortestSide`] keeps, 0.01 to 1; 1 with every other fit. Default: 1.
    #[serde(default, skip_serializing_if = "CropRatio::is_whole")]
    pub crop_ratio: CropRatio,
    /// Whether images are never enlarged. One that would be is centered on the pad color at its own size, and any part
    /// that is larger than the tensor is cut off. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_shrink: bool,
    /// Color of margins, and of the background behind transparent pixels. Default: black.
    pub pad_color: Color,
    /// Library whose resizing is reproduced. Default: none; images are then resized as [`Filter`] describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resize_like: Option<ResizeLike>,
    /// Kernel for resizing. Default: [`Filter::Bilinear`].
    pub filter: Filter,
    /// Whether the kernel widens when shrinking, so that every source pixel counts. Default: true (`tf.image.resize`
    /// defaults to false). Must be true with `resize_like`: the library decides by itself.
    pub antialias: bool,
    /// Whether the EXIF orientation is applied. Default: true.
    pub exif: bool,
    /// Treatment of embedded ICC profiles. Default: [`ColorProfile::Keep`], which makes tensors match what a model sees
    /// at inference, where the usual decoders ignore profiles.
    #[serde(default = "keep")]
    pub color_profile: ColorProfile,
    /// Decoder of JPEGs. Default: [`JpegDecoder::Auto`].
    #[serde(default = "zune")]
    pub jpeg_decoder: JpegDecoder,
    /// Factor that lets JPEGs be decoded at a reduced size; needs [`JpegDecoder::LibjpegTurbo`]. Default: none, JPEGs
    /// are decoded at full size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jpeg_shrink: Option<JpegShrink>,
    /// What to do with a JPEG or PNG that ends before its image does. Default: [`Truncated::Reject`].
    #[serde(default = "reject", skip_serializing_if = "Truncated::is_reject")]
    pub truncated: Truncated,
    /// Fraction of the rows for each split. Default: train 0.8, validation 0.1, test 0.1.
    pub shares: SplitFractions,
    /// Rule that assigns records to splits. Default: [`SplitBy::Folder`] if the source has split folders, else
    /// [`SplitBy::Label`]; always set in a manifest.
    pub split_by: Option<SplitBy>,
    /// Seed for splits and row order. Default: 0.
    pub seed: u64,
    /// Order of the rows within a split. Default: [`Order::Shuffled`].
    pub order: Order,
    /// Meaning of a source's top folders. Default: [`Folders::Auto`], which a manifest replaces by the rule that was
    /// found.
    pub folders: Folders,
    /// Whether symbolic links to folders are followed; links to files always are. Default: false.
    pub follow_links: bool,
    /// Whether files of any name are inputs, so that only their content decides. Otherwise only files with an image
    /// extension are. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub any_name: bool,
    /// Type of the image column. Default: [`Storage::Tensor`].
    pub storage: Storage,
    /// Encoding of resized images with [`Storage::Encoded`]. Default: [`Encoding::Jpeg`], which a manifest always
    /// states for these images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// Quality of encoded JPEGs, 1..=100. Default: 90, which a manifest always states for these images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
    /// File format of the shards. Default: [`Format::Parquet`].
    pub format: Format,
    /// Compression of the image column; in Parquet the other columns always use Zstandard. Default:
    /// [`Compression::None`].
    pub compression: Compression,
    /// Most bytes of tensors or encoded images in a row group, which has at least one row; at most `shard_bytes`. Default:
    /// 16 MiB.
    pub row_group_bytes: ByteSize,
    /// Most bytes of tensors in a shard, which has at least one row group; approximate for encoded images. Default: 512
    /// MiB.
    pub shard_bytes: ByteSize,
    /// Limits on source images.
    pub limits: Limits,
    /// What labels are. Default: [`LabelKind::Class`], which a manifest replaces by the kind that was found.
    #[serde(default = "class", skip_serializing_if = "LabelKind::is_class")]
    pub label: LabelKind,
    /// Further columns of tensors. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tensors: Vec<TensorSpec>,
    /// Columns of values that come with the inputs. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<ColumnSpec>,
}

impl Spec {
    /// A spec that stores image files unchanged, with every other setting at its default.
    pub fn originals() -> Spec {
        Spec { size: None, storage: Storage::Encoded, ..Spec::new(Size::SMALLEST) }
    }

    /// A spec for tensors of this size, with every other setting at its default.
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
            jpeg_decoder: JpegDecoder::Auto,
            jpeg_shrink: None,
            truncated: Truncated::Reject,
            shares: SplitFractions::default(),
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
            label: LabelKind::Class,
            tensors: Vec::new(),
            columns: Vec::new(),
        }
    }

    /// Sets the sizes of row groups and shards. A size that is not given adjusts to the other, since a row group is never
    /// larger than its shard.
    pub fn with_bytes(self, row_group: Option<ByteSize>, shard: Option<ByteSize>) -> Spec {
        let row_group_bytes = row_group.unwrap_or(self.row_group_bytes.min(shard.unwrap_or(self.shard_bytes)));
        Spec { row_group_bytes, shard_bytes: shard.unwrap_or(self.shard_bytes.max(row_group_bytes)), ..self }
    }

    /// Height and width that images are resized to.
    ///
    /// # Panics
    /// If the spec has no size: its images are not resized.
    pub fn target(&self) -> Size {
        self.size.expect("images without a size are not resized")
    }

    /// Description of the filter, such as `filter bilinear (antialiased)` or `filter bicubic as in opencv`.
    pub fn filter_in_words(&self) -> String {
        let filter = self.filter;
        match (self.resize_like, self.antialias) {
            (Some(like), _) => format!("filter {filter} as in {like}"),
            (None, true) => format!("filter {filter} (antialiased)"),
            (None, false) => format!("filter {filter} (not antialiased)"),
        }
    }

    /// Description of the fit, such as `fit stretch` or `fit shortest-side 0.875, never enlarged`.
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

fn class() -> LabelKind {
    LabelKind::Class
}

fn keep() -> ColorProfile {
    ColorProfile::Keep
}

/// What decoded the JPEGs of datasets that do not say so.
fn zune() -> JpegDecoder {
    JpegDecoder::Zune
}

fn reject() -> Truncated {
    Truncated::Reject
}

/// Limits on source images, checked against the file's length and header before any memory for pixels is
/// allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Greatest length of a file, in bytes. Default: 1 GiB.
    pub file_bytes: ByteSize,
    /// Greatest height and width, in pixels. Default: 65,535.
    pub side: u32,
    /// Greatest number of pixels, height times width. Default: 178,956,970, above which Pillow reports a decompression
    /// bomb (twice its `MAX_IMAGE_PIXELS`).
    pub pixels: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { file_bytes: ByteSize::mib(1024), side: 65_535, pixels: 178_956_970 }
    }
}
