//! Makes the tensors of batches from image files or from stored tensors.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use arrow_buffer::{Buffer, MutableBuffer};

use super::crew::Crew;
use super::draws::EpochDraws;
use super::hand::{Hand, Rule};
use super::options::LoadOptions;
use super::row_image::decoded;
use crate::error::{FormatError, LoadError, RecordError};
use crate::format::catch_panic::contain;
use crate::format::keys;
use crate::format::row_layout::TENSOR_COLUMN;
use crate::format::tensor::TensorShape;
use crate::image::decode::Samples;
use crate::image::recipe::Recipe;
use crate::read::{Cast, CastError, CastOptions, DrawnRow, Element, Epoch, Table, TensorColumn, TensorMaker};
use crate::run::{Memory, RunOptions};
use crate::spec::{Channels, ColorProfile, Dtype, Fit, JpegDecoder, Layout, Size, Spec, SpecError, Storage, Truncated};

/// Makes tensors of one size for the batches of a table: it is their [`maker`](crate::read::BatchOptions::maker). Decodes
/// image files on threads of its own, and augments them or stored tensors.
///
/// Without augmentations, the tensors of image files are those that a conversion with the same settings stores.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use inlaid::read::{BatchOptions, Table};
/// use inlaid::{LoadOptions, Loader};
///
/// let table = Table::open("photos/train")?;
/// let loader = Loader::new(&table, &LoadOptions::new("224".parse()?))?;
/// for batch in table.batches(&BatchOptions::new(256).maker(Some(Arc::new(loader))).prefetch(2))? {
///     println!("{:?}", &batch?.tensors[..3]);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Loader {
    target: TensorColumn,
    rows: Rows,
    crew: Crew<Hand>,
}

/// What the rows of a table are.
#[derive(Debug)]
enum Rows {
    /// Image files.
    Files,
    /// Tensors, which are cast first unless their samples are as they have to be.
    Tensors { column: TensorColumn, size: Size, cast: Option<Cast> },
}

impl Loader {
    /// A loader of the rows of a table.
    ///
    /// # Errors
    /// If settings are wrong or contradict each other or the table, image files have no size, or threads can't be started.
    pub fn new(table: &Table, options: &LoadOptions) -> Result<Loader, LoadError> {
        let (rule, rows, target) = checked(table, options)?;
        let threads = match options.threads.map(NonZeroUsize::get) {
            Some(threads) if threads > RunOptions::MAX_THREADS => {
                return Err(LoadError::TooManyThreads { threads, most: RunOptions::MAX_THREADS });
            }
            Some(threads) => threads,
            None => thread::available_parallelism().map_or(1, NonZeroUsize::get).min(RunOptions::MAX_THREADS),
        };
        let (rule, memory) = (Arc::new(rule), Memory::of(options.memory));
        let hands = (0..threads).map(|_| Some(Hand::new(&rule, rule.recipe.filler()?, &memory)));
        let crew = Crew::new(hands.collect::<Option<_>>().ok_or(LoadError::NoSize)?)?;
        Ok(Loader { target, rows, crew })
    }

    /// The column of the tensors that a loader with these options makes, without its threads.
    ///
    /// # Errors
    /// As [`Loader::new`].
    pub fn column(table: &Table, options: &LoadOptions) -> Result<TensorColumn, LoadError> {
        checked(table, options).map(|(.., target)| target)
    }

    /// The tensors of rows, one after another, with nothing drawn.
    ///
    /// # Errors
    /// If a row has none.
    pub fn tensors(&self, table: &Table, rows: &[usize]) -> Result<Buffer, FormatError> {
        let length = rows.len().checked_mul(self.target.row_bytes()).ok_or(FormatError::NoMemory(u64::MAX))?;
        let mut out = MutableBuffer::from_len_zeroed(length);
        let rows: Vec<DrawnRow> = rows.iter().map(|row| DrawnRow { row: *row, repeat: 0 }).collect();
        let mut bad = self.make(table, &Epoch::default(), &rows, &mut out)?;
        if bad.is_empty() { Ok(out.into()) } else { Err(bad.swap_remove(0).1) }
    }

    /// Writes the tensor of a row to a slot.
    fn fill(
        &self,
        hand: &mut Hand,
        table: &Table,
        draws: EpochDraws,
        row: DrawnRow,
        slot: &mut [u8],
    ) -> Result<(), FormatError> {
        let (column, size, cast) = match &self.rows {
            Rows::Files => {
                let file = table.image_file(row.row)?;
                return decoded(table, row.row, |name| {
                    contained(|| hand.decode(&file, name, &mut draws.of_row(row), slot))
                });
            }
            Rows::Tensors { column, size, cast } => (column, size, cast),
        };
        let samples = match cast {
            Some(cast) => table.cast(&[row.row], cast)?,
            None => table.tensor(row.row)?.into(),
        };
        let element = cast.as_ref().map_or(column, Cast::target).element;
        let sides = [size.width(), size.height()];
        decoded(table, row.row, |_| {
            contained(|| hand.resize(samples_of(element, &samples), sides, &mut draws.of_row(row), slot))
        })
    }
}

/// What a function returns; of one that panics, an error.
fn contained(make: impl FnOnce() -> Result<(), RecordError>) -> Result<(), RecordError> {
    contain(make).unwrap_or_else(|panic| Err(RecordError::CodecPanic(panic)))
}

impl TensorMaker for Loader {
    fn target(&self) -> &TensorColumn {
        &self.target
    }

    fn make(
        &self,
        table: &Table,
        epoch: &Epoch,
        rows: &[DrawnRow],
        out: &mut [u8],
    ) -> Result<Vec<(usize, FormatError)>, FormatError> {
        let draws = EpochDraws::new(epoch);
        Ok(self
            .crew
            .fill(out, self.target.row_bytes(), |hand, place, slot| self.fill(hand, table, draws, rows[place], slot)))
    }
}

/// The rule for the rows of a table, what these are, and the column of what is made of them.
fn checked(table: &Table, options: &LoadOptions) -> Result<(Rule, Rows, TensorColumn), LoadError> {
    let (rule, rows) = match table.tensor_column() {
        Some(column) => of_tensors(column, table.layout(), options)?,
        None => (of_files(stored_spec(table).as_ref(), options)?, Rows::Files),
    };
    let target = target(table.main_column(), rule.recipe.spec())?;
    Ok((rule, rows, target))
}

/// The spec of the dataset that a table is of.
pub(crate) fn stored_spec(table: &Table) -> Option<Spec> {
    serde_json::from_str(table.schema().metadata().get(keys::SPEC)?).ok()
}

/// The rule for image files; `stored` is the spec of their dataset.
fn of_files(stored: Option<&Spec>, options: &LoadOptions) -> Result<Rule, LoadError> {
    let resized = stored.filter(|spec| spec.size.is_some());
    let fitted = options.spec.size.or_else(|| resized.and_then(|spec| spec.size));
    let channels = options.channels.or_else(|| resized.map(|spec| spec.channels)).unwrap_or(Channels::Rgb);
    rule(options, fitted, channels, &options.cast)
}

/// The rule for stored tensors, and how they become samples.
fn of_tensors(column: &TensorColumn, layout: Option<Layout>, options: &LoadOptions) -> Result<(Rule, Rows), LoadError> {
    if let Some(option) = decodes(options) {
        return Err(LoadError::ForFiles(option));
    }
    // Whatever casts can't do.
    let whole = Cast::new(column, layout, &options.cast).map_err(uncast)?;
    let no_images = || LoadError::NotImages(column.shape.clone());
    let (height, width, count) = match (layout, &column.shape[..]) {
        (Some(Layout::Hwc), &[height, width, count]) | (Some(Layout::Chw), &[count, height, width]) => {
            (height, width, count)
        }
        _ => return Err(no_images()),
    };
    let side = |side: usize| u32::try_from(side).map_err(|_| no_images());
    let size = Size::new(side(height)?, side(width)?)?;
    let known = [Channels::Gray, Channels::Rgb, Channels::Rgba];
    let channels = known.into_iter().find(|channels| channels.count() == count).ok_or_else(no_images)?;
    let dtype = whole.target().element.dtype().ok_or_else(no_images)?;
    let from = column.element;
    let samples = match (from, dtype) {
        (Element::U8, _) | (Element::U16, Dtype::U8) => Dtype::U8,
        (Element::U16, _) => Dtype::U16,
        _ => Dtype::F32,
    };
    if samples == Dtype::F32 {
        let margins = [
            ("--fit pad", options.spec.fit == Fit::Pad),
            ("--only-shrink", options.spec.only_shrink),
            ("--padding", options.augment.crop.is_some_and(|crop| crop.padding > 0)),
        ];
        if let Some((option, _)) = margins.into_iter().find(|(_, is_set)| *is_set) {
            return Err(LoadError::Margins(option));
        }
    }
    let mut as_samples = CastOptions::default();
    (as_samples.layout, as_samples.dtype) = (Some(Layout::Hwc), Some(samples));
    let is_as_it_is = layout == Some(Layout::Hwc) && from == Element::from(samples);
    let cast = if is_as_it_is { None } else { Some(Cast::new(column, layout, &as_samples).map_err(uncast)?) };
    let mut kept = options.cast.clone();
    kept.dtype = Some(dtype);
    kept.layout = kept.layout.or(layout);
    let rule = rule(options, Some(options.spec.size.unwrap_or(size)), channels, &kept)?;
    Ok((rule, Rows::Tensors { column: column.clone(), size, cast }))
}

fn uncast(error: CastError) -> LoadError {
    match error {
        CastError::Setting(error) => LoadError::Spec(error),
        error => LoadError::Cast(error.to_string()),
    }
}

/// The rule for images that are fitted to a size, if there is one.
fn rule(
    options: &LoadOptions,
    fitted: Option<Size>,
    channels: Channels,
    cast: &CastOptions,
) -> Result<Rule, LoadError> {
    let augment = options.augment;
    augment.check(fitted)?;
    let mut spec = options.spec.clone();
    spec.size = Some(augment.crop.map(|crop| crop.size).or(fitted).ok_or(LoadError::NoSize)?);
    spec.channels = channels;
    let is_scaled = cast.scale.is_some() || cast.mean.is_some() || cast.std.is_some();
    spec.dtype = cast.dtype.unwrap_or(if is_scaled { Dtype::F32 } else { Dtype::U8 });
    (spec.scale, spec.mean, spec.std) = (cast.scale, cast.mean.clone(), cast.std.clone());
    spec.layout = cast.layout.unwrap_or(Layout::Hwc);
    (spec.storage, spec.encoding, spec.quality) = (Storage::Tensor, None, None);
    (spec.tensors, spec.columns) = (Vec::new(), Vec::new());
    if augment.random_resized_crop.is_some() {
        let fits = [
            ("--fit", spec.fit != Fit::Stretch),
            ("--crop-ratio", !spec.crop_ratio.is_whole()),
            ("--only-shrink", spec.only_shrink),
        ];
        if let Some((option, _)) = fits.into_iter().find(|(_, is_set)| *is_set) {
            return Err(LoadError::NoEffect { option, with: "--random-resized-crop" });
        }
    }
    let fitted = fitted.filter(|_| augment.crop.is_some());
    Ok(Rule { recipe: Recipe::new(&spec)?, fitted, augment })
}

/// First setting, not at its default, of how files are decoded.
fn decodes(LoadOptions { spec, channels, .. }: &LoadOptions) -> Option<&'static str> {
    let settings = [
        ("--channels", channels.is_some()),
        ("--no-exif", !spec.exif),
        ("--color-profile", spec.color_profile != ColorProfile::Keep),
        ("--jpeg-decoder", spec.jpeg_decoder != JpegDecoder::Auto),
        ("--jpeg-shrink", spec.jpeg_shrink.is_some()),
        ("--truncated", spec.truncated != Truncated::Reject),
    ];
    settings.into_iter().find(|(_, is_set)| *is_set).map(|(option, _)| option)
}

/// The column that the tensors of a spec would be.
fn target(name: &str, spec: &Spec) -> Result<TensorColumn, LoadError> {
    let shape = TensorShape::new(spec)?.ok_or(SpecError::NoSize)?;
    let name = if name.is_empty() { TENSOR_COLUMN } else { name };
    Ok(TensorColumn {
        name: name.to_owned(),
        shape: shape.dims().to_vec(),
        element: shape.dtype().into(),
        storage: Storage::Tensor,
    })
}

/// Interleaved elements as samples.
fn samples_of(element: Element, bytes: &[u8]) -> Samples<'_> {
    match element {
        Element::U16 => Samples::U16(bytemuck::cast_slice(bytes)),
        Element::F32 => Samples::F32(bytemuck::cast_slice(bytes)),
        _ => Samples::U8(bytes),
    }
}
