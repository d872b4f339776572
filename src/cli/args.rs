//! The arguments, and what they mean to the library.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

use crate::{
    ByteSize, Channels, Color, ColorProfile, Compression, CropRatio, Dtype, Encoding, Filter, Fit, Folders, Format,
    History, JpegDecoder, JpegShrink, Layout, Limits, MaxErrors, Mean, Mode, OnChanged, OnError, Order, Overwrite,
    Quality, RepackSpec, ResizeLike, RunOptions, Scale, Shape, Shares, Size, SmallClasses, Spec, SplitBy, Std, Storage,
};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};

/// Image folders to training datasets: resized tensors in Parquet, split and shuffled.
#[derive(Parser)]
#[command(version, about, propagate_version = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    Convert(Box<Convert>),
    Append(Append),
    Repack(Repack),
    Verify(Verify),
    /// Say what a dataset is and what it holds
    Info(Dataset),
    /// Merge the small files that appends leave; readers that have listed them must list them again
    ///
    /// Full row groups are copied as they are, small ones become full ones. What `inlaid rollback` needs is dropped.
    Compact(Dataset),
    /// Take the last append back
    Rollback(Dataset),
}

/// Make a dataset from folders of images
///
/// SRC holds class folders (SRC/cat/1.jpg), split folders with class folders below
/// (SRC/train/cat/1.jpg), or images alone. Every image becomes a row of the dataset in DIR, or a line
/// of DIR/rejects.jsonl that says why not.
///
/// Files are committed as they are finished: running it again after a crash goes on where it was.
///
/// Exit codes: 0 done; 1 stopped; 2 usage; 3 done, but some images are no rows.
#[derive(Args)]
pub struct Convert {
    /// Folders of images
    #[arg(value_name = "SRC", required = true)]
    pub sources: Vec<PathBuf>,
    /// The dataset's folder; made if missing
    #[arg(short, long, value_name = "DIR")]
    pub out: PathBuf,
    /// Height and width of the tensors in pixels: 224, or 240x320 (HEIGHTxWIDTH)
    ///
    /// `--storage encoded` without it stores the files as they are.
    #[arg(short, long, value_name = "SIZE", required_unless_present = "storage")]
    size: Option<Size>,

    /// What top folders mean [auto: splits if all are named after splits, else classes]
    #[arg(long, help_heading = "Source", value_name = "RULE", default_value = "auto", value_parser = words(Folders::ALL))]
    folders: Folders,
    /// Follow symbolic links to folders
    #[arg(long, help_heading = "Source")]
    follow_links: bool,
    /// Take files of any name and let their content decide; hidden files are still ignored
    #[arg(long, help_heading = "Source")]
    any_name: bool,
    /// Largest file that is read
    #[arg(long, help_heading = "Source", value_name = "BYTES", default_value = "1GiB")]
    max_file_bytes: ByteSize,
    /// Most pixels (height times width) of an image
    #[arg(long, help_heading = "Source", value_name = "N", default_value_t = Limits::default().pixels)]
    max_pixels: u64,

    /// Share of each split
    #[arg(long, help_heading = "Splits", value_name = "SHARES", default_value = "train=0.8,validation=0.1,test=0.1")]
    split: Shares,
    /// What decides the split [default: folder if the source has split folders, else label]
    #[arg(long, help_heading = "Splits", value_name = "RULE", value_parser = words(SplitBy::ALL))]
    split_by: Option<SplitBy>,
    /// Decides which images go where, and the order of rows
    #[arg(long, help_heading = "Splits", value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Order of the rows in a split
    #[arg(long, help_heading = "Splits", default_value = "shuffled", value_parser = words(Order::ALL))]
    order: Order,

    /// Channels of the tensors
    #[arg(long, help_heading = "Pixels", default_value = "rgb", value_parser = words(Channels::ALL))]
    channels: Channels,
    /// Type of the elements
    #[arg(long, help_heading = "Pixels", default_value = "u8", value_parser = words(Dtype::ALL))]
    dtype: Dtype,
    /// Where black and white lie, for f32 and f16 [default: 0..1]
    #[arg(long, help_heading = "Pixels", value_parser = words(Scale::ALL), allow_hyphen_values = true)]
    scale: Option<Scale>,
    /// Subtracted from scaled elements, for f32 and f16: R,G,B, one number, or imagenet
    #[arg(long, help_heading = "Pixels", value_name = "NUMBERS", allow_hyphen_values = true)]
    mean: Option<Mean>,
    /// What they are divided by then: R,G,B, one number, or imagenet
    #[arg(long, help_heading = "Pixels", value_name = "NUMBERS", allow_hyphen_values = true)]
    std: Option<Std>,
    /// Order of the dimensions
    #[arg(long, help_heading = "Pixels", default_value = "hwc", value_parser = words(Layout::ALL))]
    layout: Layout,
    /// How an image of another aspect ratio fills the tensor
    #[arg(long, help_heading = "Pixels", default_value = "stretch", value_parser = words(Fit::ALL))]
    fit: Fit,
    /// Share of the shorter side that `--fit shortest-side` keeps; 0.875 is 224 of 256 pixels
    #[arg(long, help_heading = "Pixels", value_name = "RATIO", default_value = "1")]
    crop_ratio: CropRatio,
    /// Never enlarge: what is too small (with --fit stretch: each side) lies in the middle of the pad color
    #[arg(long, help_heading = "Pixels")]
    only_shrink: bool,
    /// What margins are filled with and transparent pixels lie on: R,G,B, #RRGGBB or a name
    #[arg(long, help_heading = "Pixels", value_name = "COLOR", default_value = "black")]
    pad_color: Color,
    /// Library to resize like: its kernels, coordinates, antialiasing and rounding
    #[arg(long, help_heading = "Pixels", value_name = "LIBRARY", value_parser = words(ResizeLike::ALL))]
    resize_like: Option<ResizeLike>,
    /// Kernel for resizing; area is that of the tf or opencv named by --resize-like
    #[arg(long, help_heading = "Pixels", default_value = "bilinear", value_parser = words(Filter::ALL))]
    filter: Filter,
    /// Sample few source pixels when shrinking, as tf.image.resize does by default
    #[arg(long, help_heading = "Pixels")]
    no_antialias: bool,
    /// Ignore the EXIF orientation
    #[arg(long, help_heading = "Pixels")]
    no_exif: bool,
    /// What becomes of an embedded color profile: it is passed over, or colors are brought to sRGB
    #[arg(long, help_heading = "Pixels", value_name = "RULE", default_value = "keep", value_parser = words(ColorProfile::ALL))]
    color_profile: ColorProfile,
    /// What decodes JPEGs; libjpeg-turbo needs a build with `--features turbojpeg`
    #[arg(long, help_heading = "Pixels", value_name = "DECODER", default_value = "zune-jpeg", value_parser = words(JpegDecoder::ALL))]
    jpeg_decoder: JpegDecoder,
    /// Decode JPEGs no larger than needed for N times SIZE [without N: 2]
    #[arg(long, help_heading = "Pixels", value_name = "N", num_args = 0..=1, default_missing_value = "2", require_equals = true)]
    jpeg_shrink: Option<JpegShrink>,

    /// Column type: fixed-shape tensor, fixed-size binary, or image files as in Hugging Face datasets [default: tensor]
    #[arg(long, help_heading = "Files", value_parser = words(Storage::ALL))]
    storage: Option<Storage>,
    /// What the images of `--storage encoded` are, resized [default: jpeg]
    #[arg(long, help_heading = "Files", value_parser = words(Encoding::ALL))]
    encoding: Option<Encoding>,
    /// Of these JPEGs, 1 to 100; colors are halved below 90 [default: 90]
    #[arg(long, help_heading = "Files", value_name = "N")]
    quality: Option<Quality>,
    /// File format
    #[arg(long, help_heading = "Files", default_value = "parquet", value_parser = words(Format::ALL))]
    format: Format,
    /// Of the column of images; pixels hardly shrink, and only uncompressed ones can be mapped
    #[arg(long, help_heading = "Files", default_value = "none", value_parser = words(Compression::ALL))]
    compression: Compression,
    /// Pixels (or encoded images) of a row group at most [default: 16MiB, or --shard-bytes if that is less]
    #[arg(long, help_heading = "Files", value_name = "BYTES")]
    row_group_bytes: Option<ByteSize>,
    /// Pixels of a file at most; encoded images are about as many [default: 512MiB, or --row-group-bytes if that is more]
    #[arg(long, help_heading = "Files", value_name = "BYTES")]
    shard_bytes: Option<ByteSize>,
    /// Replace the dataset that is in DIR
    #[arg(long, help_heading = "Files")]
    overwrite: bool,

    #[command(flatten)]
    pub run: Run,
}

/// How a run is carried out
#[derive(Args)]
#[command(next_help_heading = "Run")]
pub struct Run {
    /// Threads that decode, at most 1024 [default: one for every core]
    #[arg(short = 'j', long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// What an unusable image does: it is skipped and listed, or it stops the run
    #[arg(long, default_value = "skip", value_parser = ["skip", "stop"])]
    on_error: String,
    /// Stop if more images than this are unusable: 100 or 0.5%
    #[arg(long, value_name = "N|P%")]
    max_errors: Option<MaxErrors>,
    /// What to do with classes too small for exact shares: fill train, then test, then validation, or stop the run
    #[arg(long, default_value = "fill", value_parser = ["fill", "stop"])]
    small_classes: String,
    /// Say what would be written, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print the summary as JSON
    #[arg(long)]
    pub json: bool,
    /// Print no progress and no notes
    #[arg(short, long)]
    pub quiet: bool,
}

impl Run {
    fn resolve(&self) -> RunOptions {
        RunOptions {
            threads: self.threads,
            on_error: if self.on_error == "stop" { OnError::Stop } else { OnError::Skip },
            max_errors: self.max_errors,
            small_classes: if self.small_classes == "stop" { SmallClasses::Stop } else { SmallClasses::Fill },
            mode: if self.dry_run { Mode::DryRun } else { Mode::Write },
            ..RunOptions::default()
        }
    }
}

/// Add new images to a dataset
///
/// Images whose path below SRC is not yet a row of the dataset in DIR become rows, made as the others
/// were; the rest of the dataset stays as it is. Running it again adds nothing; running it again after
/// a crash goes on where it was.
///
/// Exit codes: 0 done; 1 stopped; 2 usage; 3 done, but some images are no rows.
#[derive(Args)]
pub struct Append {
    /// Folders of images
    #[arg(value_name = "SRC", required = true)]
    pub sources: Vec<PathBuf>,
    /// The dataset's folder
    #[arg(short, long, value_name = "DIR")]
    pub out: PathBuf,
    /// What top folders mean, if that is not what it looks like; it must be what it was
    #[arg(long, value_name = "RULE", value_parser = words(Folders::ALL))]
    folders: Option<Folders>,
    /// What an image does whose row was made from other bytes: it is skipped and listed, or it stops the run
    #[arg(long, default_value = "skip", value_parser = ["skip", "stop"])]
    on_changed: String,
    /// Keep nothing that `inlaid rollback` needs
    #[arg(long)]
    no_history: bool,
    #[command(flatten)]
    pub run: Run,
}

impl Append {
    /// How the run is carried out.
    pub fn resolve(&self) -> RunOptions {
        RunOptions {
            folders: self.folders,
            on_changed: if self.on_changed == "stop" { OnChanged::Stop } else { OnChanged::Skip },
            history: if self.no_history { History::Drop } else { History::Keep },
            ..self.run.resolve()
        }
    }
}

/// Write files of other tools once more, so that their tensors are read at the speed of memory
///
/// SRC is a Parquet or Arrow file with a column of tensors (lists of fixed or of equal length, nested or not;
/// columns of Hugging Face datasets; with `--shape` also bytes), or a folder of such files. Each becomes a
/// Parquet file of the same name below DIR, with the same rows and other columns. DIR appears when all is
/// written.
///
/// Exit codes: 0 done; 1 stopped, nothing is written; 2 usage.
#[derive(Args)]
pub struct Repack {
    /// Parquet or Arrow files, or folders of them
    #[arg(value_name = "SRC", required = true)]
    pub sources: Vec<PathBuf>,
    /// The folder of the new files; it must be missing or empty
    #[arg(short, long, value_name = "DIR")]
    pub out: PathBuf,
    /// The column of tensors, if there are several that may be it
    #[arg(long, value_name = "NAME")]
    column: Option<String>,
    /// Shape of the tensors: 224x224x3 [default: what the files say, else one dimension]
    #[arg(long, value_name = "SHAPE")]
    shape: Option<Shape>,
    /// Of the tensor column; pixels hardly shrink, and only uncompressed ones can be mapped
    #[arg(long, default_value = "none", value_parser = words(Compression::ALL))]
    compression: Compression,
    /// Tensors of a row group at most
    #[arg(long, value_name = "BYTES", default_value = "16MiB")]
    row_group_bytes: ByteSize,
    /// Print the summary as JSON
    #[arg(long)]
    pub json: bool,
    /// Print no progress
    #[arg(short, long)]
    pub quiet: bool,
}

impl Repack {
    /// What decides bytes.
    pub fn resolve(&self) -> RepackSpec {
        RepackSpec {
            column: self.column.clone(),
            shape: self.shape.clone(),
            compression: self.compression,
            row_group_bytes: self.row_group_bytes,
        }
    }
}

/// A dataset that is there
#[derive(Args)]
pub struct Dataset {
    /// The dataset's folder
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

/// Read a dataset back, every byte, and say what is wrong with it
///
/// Exit codes: 0 it is whole; 1 it is not, or can't be read; 2 usage.
#[derive(Args)]
pub struct Verify {
    #[command(flatten)]
    pub dataset: Dataset,
    /// Also compare every row with the file it was made from, in these folders
    #[arg(long, value_name = "SRC", num_args = 1..)]
    pub sources: Vec<PathBuf>,
    /// Threads that read, at most 1024 [default: one for every core]
    #[arg(short = 'j', long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
}

impl Convert {
    /// What decides bytes, and how the run is carried out.
    pub fn resolve(&self) -> (Spec, RunOptions) {
        let limits = Limits { file_bytes: self.max_file_bytes, pixels: self.max_pixels, ..Limits::default() };
        let mut spec = self.size.map_or_else(Spec::originals, Spec::new);
        spec.channels = self.channels;
        spec.dtype = self.dtype;
        spec.scale = self.scale;
        spec.mean = self.mean.clone();
        spec.std = self.std.clone();
        spec.layout = self.layout;
        spec.fit = self.fit;
        spec.crop_ratio = self.crop_ratio;
        spec.only_shrink = self.only_shrink;
        spec.pad_color = self.pad_color;
        spec.resize_like = self.resize_like;
        spec.filter = self.filter;
        spec.antialias = !self.no_antialias;
        spec.exif = !self.no_exif;
        spec.color_profile = self.color_profile;
        spec.jpeg_decoder = self.jpeg_decoder;
        spec.jpeg_shrink = self.jpeg_shrink;
        spec.shares = self.split.clone();
        spec.split_by = self.split_by;
        spec.seed = self.seed;
        spec.order = self.order;
        spec.folders = self.folders;
        spec.follow_links = self.follow_links;
        spec.any_name = self.any_name;
        spec.storage = self.storage.unwrap_or(Storage::Tensor);
        spec.encoding = self.encoding;
        spec.quality = self.quality;
        spec.format = self.format;
        spec.compression = self.compression;
        spec.limits = limits;
        let spec = spec.with_bytes(self.row_group_bytes, self.shard_bytes);
        let options = RunOptions {
            overwrite: if self.overwrite { Overwrite::Dataset } else { Overwrite::Refuse },
            ..self.run.resolve()
        };
        (spec, options)
    }
}

/// Takes the words of an enum of the library, and shows them in the help.
fn words<T>(all: &'static [T]) -> impl TypedValueParser<Value = T>
where
    T: Copy + Into<&'static str> + FromStr<Err: std::error::Error + Send + Sync + 'static> + Send + Sync + 'static,
{
    let words = all.iter().map(|word| -> &'static str { (*word).into() });
    PossibleValuesParser::new(words).try_map(|word| word.parse::<T>())
}
