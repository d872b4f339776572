//! The arguments of the command line, and their translation to settings of the library.

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use crate::{
    About, ByteSize, CardOptions, Channels, Color, ColorProfile, Compression, CropRatio, Dtype, Encoding, Filter, Fit,
    Folders, Format, History, JpegDecoder, JpegShrink, Layout, License, Limits, MaxErrors, Mean, Mode, OnChanged,
    OnError, Order, Overwrite, Quality, RepackSpec, ResizeLike, RunOptions, Scale, Shape, Size, SmallClasses, Spec,
    SplitBy, SplitFractions, Std, Storage, Truncated, Writers,
};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::source_args::Inputs;
#[cfg(feature = "report")]
use crate::{ReportOptions, Shown};

/// Turn folders of images into training datasets: resized tensors in Parquet, split and shuffled.
#[derive(Parser)]
#[command(version, propagate_version = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    Convert(Box<ConvertRun>),
    Append(Box<Append>),
    Plan(Box<Plan>),
    Work(Work),
    Commit(Commit),
    Repack(Repack),
    Verify(Verify),
    /// Show a dataset's settings and contents
    ///
    /// A commit that was interrupted is completed first.
    ///
    /// Exit codes: 0 shown; 1 can't be read; 2 usage error; 4 shown, but unfinished: a run was interrupted, or a commit is
    /// not complete.
    Info(Dataset),
    Card(Card),
    #[cfg(feature = "report")]
    Report(Report),
    #[cfg(feature = "report")]
    Show(Show),
    /// Merge the small files that appends leave; readers must list the files again
    ///
    /// Full row groups are copied unchanged, small ones are merged into full ones. `inlaid rollback` is no longer
    /// possible afterwards.
    Compact(Dataset),
    /// Undo the last append
    Rollback(Dataset),
    /// Print the completions for a shell
    ///
    /// For example, in the start-up file of bash: `source <(inlaid completions bash)`.
    Completions {
        /// Shell that completes
        shell: Shell,
    },
    /// Write manual pages, inlaid.1 and one for each command
    Man {
        /// Folder of the pages; created if missing
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

impl Command {
    /// Whether the result, or the failure, is printed as JSON.
    pub fn json(&self) -> bool {
        match self {
            Command::Convert(run) => run.convert.run.json,
            Command::Append(append) => append.run.json,
            Command::Plan(plan) => plan.convert.run.json,
            Command::Work(work) => work.json,
            Command::Commit(commit) => commit.json,
            Command::Card(card) => card.json,
            Command::Repack(repack) => repack.json,
            Command::Verify(verify) => verify.dataset.json,
            #[cfg(feature = "report")]
            Command::Report(report) => report.json,
            #[cfg(feature = "report")]
            Command::Show(_) => false,
            Command::Completions { .. } | Command::Man { .. } => false,
            Command::Info(dataset) | Command::Compact(dataset) | Command::Rollback(dataset) => dataset.json,
        }
    }
}

/// Make a dataset from images
///
/// SRC is a folder with class folders (SRC/cat/1.jpg), split folders with class folders inside
/// (SRC/train/cat/1.jpg), or only images; an archive of such a folder (tar, tar.gz, tar.zst, zip) or shards of a
/// WebDataset; a table that names images, or holds them (Parquet, Arrow); or arrays (npy, npz, IDX, CIFAR). A table
/// `metadata.csv` (or tsv, jsonl, parquet) beside the images describes them. Every image becomes a row of the dataset in
/// DIR, or a line of DIR/rejects.jsonl that says why it could not.
///
/// Each file is committed as soon as it is finished: after a crash, run the same command again to resume.
///
/// Exit codes: 0 finished; 1 stopped; 2 usage error; 3 finished, but some images were rejected (see rejects.jsonl).
#[derive(Args)]
#[command(allow_negative_numbers = true)]
pub struct ConvertRun {
    #[command(flatten)]
    pub convert: Convert,
    /// Make a page that shows what the dataset holds, as `inlaid report` does [default file: DIR/report.html]
    #[cfg(feature = "report")]
    #[arg(long, help_heading = "Files", value_name = "FILE", num_args = 0..=1, require_equals = true)]
    pub report: Option<Option<PathBuf>>,
    #[command(flatten)]
    descriptions: Descriptions,
}

/// What describes a dataset besides its card.
#[derive(Args)]
struct Descriptions {
    /// Describe the dataset in DIR/croissant.json too, for search engines and loaders (MLCommons Croissant 1.1)
    #[arg(long, help_heading = "Files")]
    croissant: bool,
}

impl ConvertRun {
    /// Settings that decide bytes, and options of the run.
    pub fn resolve(&self) -> (Spec, RunOptions) {
        let (spec, options) = self.convert.resolve();
        (spec, RunOptions { croissant: self.descriptions.croissant, ..options })
    }
}

/// Sources and settings of a conversion
#[derive(Args)]
#[command(allow_negative_numbers = true)]
pub struct Convert {
    /// Folders or archives of images, a table that names them, tables with images, or arrays
    #[arg(value_name = "SRC", required_unless_present = "files_from")]
    pub sources: Vec<PathBuf>,
    /// Folder of the dataset; created if missing
    #[arg(short, long, value_name = "DIR")]
    pub out: PathBuf,
    /// Height and width of the tensors in pixels: 224, or 240x320 (HEIGHTxWIDTH)
    ///
    /// With `--storage encoded` and no size, the files are stored unchanged.
    #[arg(short, long, value_name = "SIZE", required_unless_present = "storage")]
    size: Option<Size>,

    #[command(flatten)]
    inputs: Inputs,
    /// Meaning of top-level folders [auto: splits if all are named after splits, else classes]
    #[arg(long, help_heading = "Source", value_name = "RULE", default_value = "auto", value_parser = words(Folders::ALL))]
    folders: Folders,
    /// Follow symbolic links to folders
    #[arg(long, help_heading = "Source")]
    follow_links: bool,
    /// Take files of any name and let their content decide; hidden files are still ignored
    #[arg(long, help_heading = "Source")]
    any_name: bool,
    /// Largest file to read
    #[arg(long, help_heading = "Source", value_name = "BYTES", default_value = "1GiB")]
    max_file_bytes: ByteSize,
    /// Most pixels of an image, height times width
    #[arg(
        long,
        help_heading = "Source",
        value_name = "N",
        default_value_t = Limits::default().pixels,
        value_parser = |text: &str| whole(text, 1..=u64::MAX)
    )]
    max_pixels: u64,
    /// What to do with a JPEG or PNG that ends before its image does: keep what is there and fill the rest, or reject it
    #[arg(long, help_heading = "Source", value_name = "RULE", default_value = "reject", value_parser = words(Truncated::ALL))]
    truncated: Truncated,

    /// Fraction of the rows for each split
    #[arg(
        long,
        help_heading = "Splits",
        value_name = "FRACTIONS",
        default_value = "train=0.8,validation=0.1,test=0.1"
    )]
    split: SplitFractions,
    /// Rule that assigns images to splits [default: folder if the source has split folders, else label]
    #[arg(long, help_heading = "Splits", value_name = "RULE", value_parser = words(SplitBy::ALL))]
    split_by: Option<SplitBy>,
    /// Seed for splits and row order
    #[arg(long, help_heading = "Splits", value_name = "N", default_value_t = 0, value_parser = |text: &str| whole(text, 0..=u64::MAX))]
    seed: u64,
    /// Order of the rows within a split
    #[arg(long, help_heading = "Splits", default_value = "shuffled", value_parser = words(Order::ALL))]
    order: Order,

    /// Channels of the tensors
    #[arg(long, help_heading = "Pixels", default_value = "rgb", value_parser = words(Channels::ALL))]
    channels: Channels,
    /// Element type of the tensors
    #[arg(long, help_heading = "Pixels", default_value = "u8", value_parser = words(Dtype::ALL))]
    dtype: Dtype,
    /// Values of black and white, for f32 and f16 [default: 0..1]
    #[arg(long, help_heading = "Pixels", value_parser = words(Scale::ALL), allow_hyphen_values = true)]
    scale: Option<Scale>,
    /// Mean to subtract from scaled elements, for f32 and f16: R,G,B, one number, or imagenet
    #[arg(long, help_heading = "Pixels", value_name = "NUMBERS", allow_hyphen_values = true)]
    mean: Option<Mean>,
    /// Standard deviation to divide by after that: R,G,B, one number, or imagenet
    #[arg(long, help_heading = "Pixels", value_name = "NUMBERS", allow_hyphen_values = true)]
    std: Option<Std>,
    /// Order of the tensors' dimensions
    #[arg(long, help_heading = "Pixels", default_value = "hwc", value_parser = words(Layout::ALL))]
    layout: Layout,
    /// How to fit images whose aspect ratio differs from the tensor's
    #[arg(long, help_heading = "Pixels", default_value = "stretch", value_parser = words(Fit::ALL))]
    fit: Fit,
    /// Share of the shorter side that `--fit shortest-side` keeps; 0.875 keeps 224 of 256 pixels
    #[arg(long, help_heading = "Pixels", value_name = "RATIO", default_value = "1")]
    crop_ratio: CropRatio,
    /// Never enlarge: center small images on the pad color (`--fit stretch` decides for each side)
    #[arg(long, help_heading = "Pixels")]
    only_shrink: bool,
    /// Color of margins and behind transparent pixels: R,G,B, #RRGGBB, black, gray or white
    #[arg(long, help_heading = "Pixels", value_name = "COLOR", default_value = "black")]
    pad_color: Color,
    /// Library whose resizing to reproduce: kernels, coordinates, antialiasing and rounding
    #[arg(long, help_heading = "Pixels", value_name = "LIBRARY", value_parser = words(ResizeLike::ALL))]
    resize_like: Option<ResizeLike>,
    /// Kernel for resizing; area needs `--resize-like tf`, `tf-antialias` or `opencv`
    #[arg(long, help_heading = "Pixels", default_value = "bilinear", value_parser = words(Filter::ALL))]
    filter: Filter,
    /// Sample only a few source pixels when shrinking, as tf.image.resize does by default
    #[arg(long, help_heading = "Pixels")]
    no_antialias: bool,
    /// Ignore the EXIF orientation
    #[arg(long, help_heading = "Pixels")]
    no_exif: bool,
    /// Treatment of embedded color profiles: ignore them, or convert colors to sRGB
    #[arg(long, help_heading = "Pixels", value_name = "RULE", default_value = "keep", value_parser = words(ColorProfile::ALL))]
    color_profile: ColorProfile,
    /// Decoder of JPEGs; auto is libjpeg-turbo where it was built in (`--features turbojpeg`), else zune-jpeg
    #[arg(long, help_heading = "Pixels", value_name = "DECODER", default_value = "auto", value_parser = words(JpegDecoder::ALL))]
    jpeg_decoder: JpegDecoder,
    /// Decode large JPEGs at a reduced size of at least N times SIZE [without N: 2]
    #[arg(long, help_heading = "Pixels", value_name = "N", num_args = 0..=1, default_missing_value = "2", require_equals = true)]
    jpeg_shrink: Option<JpegShrink>,

    /// Type of the image column: fixed-shape tensors, fixed-size binary, or image files as in Hugging Face datasets [default: tensor]
    #[arg(long, help_heading = "Files", value_parser = words(Storage::ALL))]
    storage: Option<Storage>,
    /// Encoding of resized images with `--storage encoded` [default: jpeg]
    #[arg(long, help_heading = "Files", value_parser = words(Encoding::ALL))]
    encoding: Option<Encoding>,
    /// JPEG quality, 1 to 100; chroma is halved below 90 [default: 90]
    #[arg(long, help_heading = "Files", value_name = "N")]
    quality: Option<Quality>,
    /// File format of the shards
    #[arg(long, help_heading = "Files", default_value = "parquet", value_parser = words(Format::ALL))]
    format: Format,
    /// Compression of the image column; pixels barely compress, and only uncompressed ones can be memory-mapped
    #[arg(long, help_heading = "Files", default_value = "none", value_parser = words(Compression::ALL))]
    compression: Compression,
    /// Most bytes of tensors or encoded images in a row group [default: 16MiB, or --shard-bytes if that is less]
    #[arg(long, help_heading = "Files", value_name = "BYTES")]
    row_group_bytes: Option<ByteSize>,
    /// Most bytes of tensors, or roughly of images, in a file [default: 512MiB, or --row-group-bytes if that is more]
    #[arg(long, help_heading = "Files", value_name = "BYTES")]
    shard_bytes: Option<ByteSize>,
    /// Replace the dataset in DIR
    #[arg(long, help_heading = "Files")]
    overwrite: bool,

    #[command(flatten)]
    pub run: Run,
}

/// Options of a run
#[derive(Args)]
#[command(next_help_heading = "Run")]
pub struct Run {
    /// Decoding threads, at most 1024 [default: one per core]
    #[arg(short = 'j', long, value_name = "N", value_parser = threads)]
    threads: Option<NonZeroUsize>,
    /// Most memory for large images, on all threads together [default: half of what the machine or its control group has]
    #[arg(long, value_name = "BYTES")]
    memory: Option<ByteSize>,
    /// If an image is unusable: skip and list it, or stop
    #[arg(long, default_value = "skip", value_parser = ["skip", "stop"])]
    on_error: String,
    /// Stop if more images than this are unusable, as a number or a percentage: 100 or 0.5%
    #[arg(long, value_name = "N|P%")]
    max_errors: Option<MaxErrors>,
    /// If a class is too small for exact fractions: fill train, then test, then validation, or stop
    #[arg(long, default_value = "fill", value_parser = ["fill", "stop"])]
    small_classes: String,
    /// Write to an object store that ignores conditions of writes: nobody else may write to DIR
    #[arg(long)]
    single_writer: bool,
    /// Report what would be written, without writing it
    #[arg(long)]
    pub dry_run: bool,
    /// Print the summary, or the error, as JSON
    #[arg(long)]
    pub json: bool,
    /// Progress on standard error: a bar in a terminal and lines elsewhere, or JSON objects in lines, one each second
    #[arg(long, value_name = "FORM", default_value = "auto", value_enum)]
    pub progress: ProgressForm,
    /// Don't print progress and notes
    #[arg(short, long)]
    pub quiet: bool,
}

impl Run {
    fn resolve(&self) -> RunOptions {
        RunOptions {
            threads: self.threads,
            memory: self.memory,
            on_error: if self.on_error == "stop" { OnError::Stop } else { OnError::Skip },
            max_errors: self.max_errors,
            small_classes: if self.small_classes == "stop" { SmallClasses::Stop } else { SmallClasses::Fill },
            writers: if self.single_writer { Writers::Single } else { Writers::Several },
            mode: if self.dry_run { Mode::DryRun } else { Mode::Write },
            ..RunOptions::default()
        }
    }
}

/// Add new images to a dataset
///
/// Images whose path within SRC is not yet in the dataset in DIR become rows, made with the settings of the
/// dataset; existing rows are unchanged. Running the command again adds nothing, or resumes it after a crash.
///
/// Exit codes: 0 finished; 1 stopped; 2 usage error; 3 finished, but some images were rejected (see rejects.jsonl).
#[derive(Args)]
#[command(allow_negative_numbers = true)]
pub struct Append {
    /// Folders or archives of images, a table that names them, tables with images, or arrays
    #[arg(value_name = "SRC", required_unless_present = "files_from")]
    pub sources: Vec<PathBuf>,
    /// Folder of the dataset, or its URL in an object store
    #[arg(short, long, value_name = "DIR")]
    pub out: PathBuf,
    #[command(flatten)]
    inputs: Inputs,
    /// Override what top-level folders mean; must match the original conversion
    #[arg(long, value_name = "RULE", value_parser = words(Folders::ALL))]
    folders: Option<Folders>,
    /// If a file changed since its row was written: skip and list it, or stop
    #[arg(long, default_value = "skip", value_parser = ["skip", "stop"])]
    on_changed: String,
    /// Don't keep the previous snapshot for `inlaid rollback`
    #[arg(long)]
    no_history: bool,
    #[command(flatten)]
    descriptions: Descriptions,
    #[command(flatten)]
    pub run: Run,
}

impl Append {
    /// Options of the run.
    pub fn resolve(&self) -> RunOptions {
        RunOptions {
            source: self.inputs.resolve(),
            folders: self.folders,
            on_changed: if self.on_changed == "stop" { OnChanged::Stop } else { OnChanged::Skip },
            history: if self.no_history { History::Drop } else { History::Keep },
            croissant: self.descriptions.croissant,
            ..self.run.resolve()
        }
    }
}

/// Plan a conversion for many processes or machines, without reading an image
///
/// Takes what `inlaid convert` takes, and makes the same dataset of it in three steps: the plan is written below DIR and
/// divided into items, one for each shard; `inlaid work` makes the shard of an item, anywhere and in any order; `inlaid
/// commit` makes them a dataset. Every machine must find SRC and DIR at the same paths. Repeating a step resumes it. With `--json`, prints the `run`, which the other steps are given, and the number of `items`.
///
/// Exit codes: 0 planned; 1 stopped; 2 usage error.
#[derive(Args)]
// Plans refuse both.
#[command(mut_arg("overwrite", |arg| arg.hide(true)), mut_arg("dry_run", |arg| arg.hide(true)))]
pub struct Plan {
    #[command(flatten)]
    pub convert: Convert,
}

/// Make one shard of a plan
///
/// May run for the same item again, or twice at once: items are numbered from 0, and one that is done is passed over. An
/// array of tasks calls it with the number of the task: `--item $SLURM_ARRAY_TASK_ID`.
///
/// Exit codes: 0 done; 1 stopped, the item is not done; 2 usage error.
#[derive(Args)]
pub struct Work {
    /// The run that `inlaid plan` printed
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Number of the item
    #[arg(long, value_name = "N")]
    pub item: usize,
    /// Also every M-th item after it, for fewer tasks than items
    #[arg(long, value_name = "M")]
    pub step: Option<NonZeroUsize>,
    /// Decoding threads, at most 1024
    #[arg(short = 'j', long, value_name = "N", value_parser = threads, default_value = "1")]
    threads: NonZeroUsize,
    /// Most memory for large images, on all threads together [default: half of what the machine or its control group has]
    #[arg(long, value_name = "BYTES")]
    memory: Option<ByteSize>,
    /// Print what became of the items, a line for each, or the error, as JSON
    #[arg(long)]
    pub json: bool,
}

impl Work {
    /// Options of the run.
    pub fn resolve(&self) -> RunOptions {
        RunOptions { threads: Some(self.threads), memory: self.memory, ..RunOptions::default() }
    }
}

/// Make the dataset of a plan whose items are done
///
/// Exit codes: 0 finished; 1 stopped, for example because items are not done; 2 usage error; 3 finished, but some images
/// were rejected (see rejects.jsonl).
#[derive(Args)]
pub struct Commit {
    /// The run that `inlaid plan` printed
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Write to an object store that ignores conditions of writes: nobody else may write to the dataset
    #[arg(long)]
    pub single_writer: bool,
    #[command(flatten)]
    descriptions: Descriptions,
    /// Print the summary, or the error, as JSON
    #[arg(long)]
    pub json: bool,
}

impl Commit {
    /// Options of the run.
    pub fn resolve(&self) -> RunOptions {
        let writers = if self.single_writer { Writers::Single } else { Writers::Several };
        RunOptions { writers, croissant: self.descriptions.croissant, ..RunOptions::default() }
    }
}

/// Say what only people know about a dataset, and show it to them
///
/// The card of a dataset, DATASET/README.md, gets a title, a license and a source, pictures of some of its images and of
/// the rows of each class. What else people wrote into it stays. An empty text removes what was said before.
///
/// Exit codes: 0 written; 1 stopped; 2 usage error.
#[derive(Args)]
pub struct Card {
    /// Folder of the dataset, or its URL in an object store
    #[arg(value_name = "DATASET")]
    pub dataset: PathBuf,
    /// Name of the dataset, for people
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// License: an identifier such as cc-by-4.0, or a URL
    #[arg(long, value_name = "LICENSE")]
    license: Option<License>,
    /// Where the images are from: a URL, or a text
    #[arg(long, value_name = "TEXT")]
    source: Option<String>,
    /// Describe the dataset in DATASET/croissant.json too, for search engines and loaders (MLCommons Croissant 1.1)
    #[arg(long)]
    croissant: bool,
    /// Leave out pictures, and remove those that there are
    #[cfg(feature = "report")]
    #[arg(long)]
    no_pictures: bool,
    /// Print the names of the files that describe the dataset, or the error, as JSON
    #[arg(long)]
    pub json: bool,
}

impl Card {
    /// What the card is to have.
    pub fn resolve(&self) -> CardOptions {
        let about = About { title: self.title.clone(), license: self.license.clone(), source: self.source.clone() };
        let mut options = CardOptions::default();
        (options.about, options.croissant) = (about, self.croissant);
        #[cfg(feature = "report")]
        {
            options.pictures = !self.no_pictures;
        }
        options
    }
}

/// Rewrite Parquet and Arrow files of other tools in inlaid's layout, so that tensors can be memory-mapped
///
/// SRC is a Parquet or Arrow file with a column of tensors (lists of fixed or equal length, nested or not; columns of
/// Hugging Face datasets; with `--shape` also bytes), or a folder of such files. Each becomes a Parquet file of
/// the same name in DIR, with the same rows and other columns. DIR appears once everything is written.
///
/// Exit codes: 0 finished; 1 stopped, nothing was written; 2 usage error.
#[derive(Args)]
#[command(allow_negative_numbers = true)]
pub struct Repack {
    /// Parquet or Arrow files, or folders of them
    #[arg(value_name = "SRC", required = true)]
    pub sources: Vec<PathBuf>,
    /// Folder for the new files; must be missing or empty
    #[arg(short, long, value_name = "DIR")]
    pub out: PathBuf,
    /// Name of the tensor column, if several columns could hold tensors
    #[arg(long, value_name = "NAME")]
    column: Option<String>,
    /// Shape of the tensors, such as 224x224x3 [default: as stated in the files, else one dimension]
    #[arg(long, value_name = "SHAPE")]
    shape: Option<Shape>,
    /// Compression of the tensor column; pixels barely compress, and only uncompressed ones can be memory-mapped
    #[arg(long, default_value = "none", value_parser = words(Compression::ALL))]
    compression: Compression,
    /// Most bytes of tensors in a row group
    #[arg(long, value_name = "BYTES", default_value = "16MiB")]
    row_group_bytes: ByteSize,
    /// Print the summary, or the error, as JSON
    #[arg(long)]
    pub json: bool,
    /// Progress on standard error: a bar in a terminal and lines elsewhere, or JSON objects in lines, one each second
    #[arg(long, value_name = "FORM", default_value = "auto", value_enum)]
    pub progress: ProgressForm,
    /// Don't print progress
    #[arg(short, long)]
    pub quiet: bool,
}

impl Repack {
    /// Settings that decide bytes.
    pub fn resolve(&self) -> RepackSpec {
        let mut spec = RepackSpec::default();
        spec.column.clone_from(&self.column);
        spec.shape.clone_from(&self.shape);
        spec.compression = self.compression;
        spec.row_group_bytes = self.row_group_bytes;
        spec
    }
}

/// An existing dataset
#[derive(Args)]
pub struct Dataset {
    /// Folder of the dataset
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Print the result, or the error, as JSON
    #[arg(long)]
    pub json: bool,
}

/// Make a page that shows what a dataset holds
///
/// The page is one file that needs nothing else: counts, a contact sheet and a mean image of every class, sizes of the
/// sources, images that stand out, copies, rejects, and how the dataset was made. DATASET is a dataset, or any Parquet and
/// Arrow files of tensors or images.
///
/// Exit codes: 0 written; 1 stopped; 2 usage error.
#[cfg(feature = "report")]
#[derive(Args)]
pub struct Report {
    /// Folder or URL of the dataset, or a file or folder of tables
    #[arg(value_name = "DATASET")]
    pub dataset: PathBuf,
    /// File of the page; an earlier report there is replaced
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    pub out: PathBuf,
    /// Open the page in a browser
    #[arg(long, conflicts_with = "json")]
    pub open: bool,
    /// Rows whose images are looked at, evenly from all classes
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = |text: &str| whole(text, 1..=1 << 32))]
    pub rows: u64,
    /// Seed that decides which rows these are
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = |text: &str| whole(text, 0..=u64::MAX))]
    pub seed: u64,
    /// Threads, at most 1024 [default: one per core]
    #[arg(short = 'j', long, value_name = "N", value_parser = threads)]
    pub threads: Option<NonZeroUsize>,
    /// Print the report, or the error, as JSON, and write no page
    #[arg(long)]
    pub json: bool,
}

#[cfg(feature = "report")]
impl Report {
    /// Settings of the report.
    pub fn resolve(&self) -> ReportOptions {
        let mut options = ReportOptions::default();
        (options.rows, options.seed, options.threads) = (self.rows as usize, self.seed, self.threads);
        options
    }
}

/// Show rows of a dataset as pictures, in the terminal or in a file
///
/// Terminals show pictures by the protocols of kitty, iTerm2 and sixel, others as blocks of two colors. DATASET is a
/// dataset, or any Parquet and Arrow files of tensors or images.
///
/// Exit codes: 0 shown; 1 stopped; 2 usage error.
#[cfg(feature = "report")]
#[derive(Args)]
pub struct Show {
    /// Folder or URL of the dataset, or a file or folder of tables
    #[arg(value_name = "DATASET")]
    pub dataset: PathBuf,
    /// Numbers of rows, from 0, as in 0-11,40 [default: some of every class]
    #[arg(value_name = "ROWS", value_parser = row_ranges, conflicts_with = "class")]
    pub rows: Option<RowRanges>,
    /// Only rows of this split, which also numbers them; without, splits follow each other
    #[arg(long, value_name = "NAME")]
    pub split: Option<String>,
    /// Only rows of this class
    #[arg(long, value_name = "NAME")]
    pub class: Option<String>,
    /// The images that could not become rows, and why
    #[arg(long, conflicts_with_all = ["rows", "class", "split"])]
    pub rejects: bool,
    /// Most pictures, if no rows are named
    #[arg(short = 'n', long, value_name = "N", default_value_t = 24, value_parser = |text: &str| whole(text, 1..=10_000))]
    pub count: u64,
    /// Seed that decides which ones
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = |text: &str| whole(text, 0..=u64::MAX))]
    pub seed: u64,
    /// PNG file to write instead; an earlier picture there is replaced
    #[arg(short, long, value_name = "FILE", value_parser = clap::builder::PathBufValueParser::new().try_map(png_file))]
    pub out: Option<PathBuf>,
    /// Pictures next to each other [default: as many as fit in the terminal, or 8 in a file]
    #[arg(long, value_name = "N")]
    pub columns: Option<NonZeroUsize>,
    /// Threads, at most 1024 [default: one per core]
    #[arg(short = 'j', long, value_name = "N", value_parser = threads)]
    pub threads: Option<NonZeroUsize>,
}

#[cfg(feature = "report")]
impl Show {
    /// Which rows are shown.
    pub fn shown(&self) -> Shown {
        let (rows, seed) = (self.count as usize, self.seed);
        match (&self.rows, &self.class) {
            (Some(RowRanges(rows)), _) => Shown::Rows(rows.clone()),
            (None, Some(name)) => Shown::Class { name: name.clone(), rows, seed },
            (None, None) => Shown::Drawn { rows, seed },
        }
    }
}

/// Numbers of rows.
#[cfg(feature = "report")]
#[derive(Clone, Debug)]
pub struct RowRanges(Vec<usize>);

/// Numbers and ranges of numbers, both ends included, as in `0-11,40`.
#[cfg(feature = "report")]
fn row_ranges(text: &str) -> Result<RowRanges, String> {
    const MOST: usize = 10_000;
    let mut rows = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let range = first.trim().parse().ok().zip(last.trim().parse().ok());
        let (first, last): (usize, usize) = range.filter(|(first, last)| first <= last).ok_or("not as in 0-11,40")?;
        if last - first >= MOST - rows.len() {
            return Err(format!("more than {MOST} rows"));
        }
        rows.extend(first..=last);
    }
    Ok(RowRanges(rows))
}

/// A file for a PNG, which is not called another kind of picture.
#[cfg(feature = "report")]
fn png_file(file: PathBuf) -> Result<PathBuf, String> {
    let is_other = file.extension().is_some_and(|extension| !extension.eq_ignore_ascii_case("png"));
    match is_other {
        true => Err(format!("the picture is a PNG file, so name it `{}`", file.with_extension("png").display())),
        false => Ok(file),
    }
}

/// Read every byte of a dataset, and report any damage
///
/// A commit that was interrupted is completed first.
///
/// Exit codes: 0 intact; 1 damaged, or can't be read; 2 usage error; 4 intact, but unfinished: a run was interrupted, or
/// a commit is not complete.
#[derive(Args)]
pub struct Verify {
    #[command(flatten)]
    pub dataset: Dataset,
    /// Also compare every row with its source file in these folders
    #[arg(long, value_name = "SRC", num_args = 1..)]
    pub sources: Vec<PathBuf>,
    /// Reading threads, at most 1024 [default: one per core]
    #[arg(short = 'j', long, value_name = "N", value_parser = threads)]
    pub threads: Option<NonZeroUsize>,
}

impl Convert {
    /// Settings that decide bytes, and options of the run.
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
        spec.truncated = self.truncated;
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
            source: self.inputs.resolve(),
            ..self.run.resolve()
        };
        (spec, options)
    }
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProgressForm {
    Auto,
    Json,
    None,
}

/// A whole number in a range.
fn whole(text: &str, range: RangeInclusive<u64>) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("not a whole number from {} to {}", range.start(), range.end()))
}

/// A number of threads. One that is too large is an error of the library.
fn threads(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| format!("not a whole number from 1 to {}", RunOptions::MAX_THREADS))
}

/// Parser for the words of one of the library's enums, which the help lists.
fn words<T>(all: &'static [T]) -> impl TypedValueParser<Value = T>
where
    T: Copy + Into<&'static str> + FromStr<Err: std::error::Error + Send + Sync + 'static> + Send + Sync + 'static,
{
    let words = all.iter().map(|word| -> &'static str { (*word).into() });
    PossibleValuesParser::new(words).try_map(|word| word.parse::<T>())
}
