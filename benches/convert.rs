//! The whole conversion, compared with its upper limit and with the obvious program.
//!
//! `cargo bench --bench convert -- PHOTOS [--images 1000] [--repeat 7] [--threads 2] [--scratch DIR]
//! [--no-obvious] [--dtype u8] [--layout hwc] [--jpeg-decoder auto]`
//!
//! - `limit`: threads that read, decode and resize the same files with the same libraries into
//!   memory, and nothing else, with reused buffers. For element types other than u8, they resize to
//!   floats without converting these to elements;
//! - `written`: the same, but each thread also writes the bytes of its tensors to a file that is not
//!   synced: the cost of new pages in the page cache, which on virtual machines is anything from
//!   nothing to a quarter of the total;
//! - `inlaid`: the whole conversion to uncompressed Parquet, synced to disk;
//! - `obvious`: the program one would write first, on as many threads: decode and `resize_exact` of
//!   the `image` crate, a fixed-size list column through `ArrowWriter`; one row group in memory.
//!
//! The files are read once beforehand, so they come from the page cache. All programs run in every
//! repetition, and ratios are within a repetition. If there are fewer photos than `--images`, they are
//! linked several times.

#![cfg_attr(feature = "turbojpeg", allow(unsafe_code))]

use std::error::Error;
use std::fs::{self, File};
use std::io::Cursor;
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use arrow_array::{ArrayRef, FixedSizeListArray, RecordBatch, StringArray, UInt8Array};
use arrow_schema::{DataType, Field, Schema};
use fast_image_resize as fir;
use fir::PixelTrait;
use fir::images::{TypedImage, TypedImageRef};
use fir::pixels::{F32, F32x3, U8, U8x3};
use image::imageops::FilterType;
use image::{ImageDecoder, ImageReader};
use inlaid::{Dtype, JpegDecoder, Layout, RunOptions, Spec, convert};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use rayon::prelude::*;

const SIDE: u32 = 224;
const TENSOR: usize = SIDE as usize * SIDE as usize * 3;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let arguments = Arguments::parse();
    if arguments.photos.as_os_str().is_empty() {
        println!("convert: no PHOTOS given, nothing measured; see the head of benches/convert.rs");
        return Ok(());
    }
    let scratch = tempfile::tempdir_in(&arguments.scratch)?;
    let source = scratch.path().join("photos");
    let files = link(&arguments.photos, &source, arguments.images)?;
    for file in &files {
        fs::read(file)?;
    }

    let mut seconds: [Vec<f64>; 4] = Default::default();
    let mut spec = Spec::new("224".parse()?);
    (spec.dtype, spec.layout, spec.jpeg_decoder) = (arguments.dtype, arguments.layout, arguments.jpeg_decoder);
    let limit = |out: Option<File>| limit(&files, arguments.threads, &spec, out.as_ref());
    for _ in 0..arguments.repeat {
        seconds[0].push(timed(|| limit(None))?);
        let written = scratch.path().join("written");
        seconds[1].push(timed(|| limit(Some(File::create(&written)?)))?);
        fs::remove_file(&written)?;
        seconds[2].push(timed(|| inlaid(&source, &scratch.path().join("dataset"), arguments.threads, &spec))?);
        fs::remove_dir_all(scratch.path().join("dataset"))?;
        if arguments.obvious {
            seconds[3].push(timed(|| obvious(&files, &scratch.path().join("obvious.parquet"), arguments.threads))?);
        }
    }
    let rate = |row: usize| files.len() as f64 / median(seconds[row].clone());
    let ratio = |a: usize, b: usize| median(seconds[a].iter().zip(&seconds[b]).map(|(a, b)| a / b).collect());
    let Arguments { threads, repeat, dtype, layout, .. } = arguments;
    println!("{} images, {dtype} {layout}, {threads} threads, medians of {repeat}", files.len());
    println!("limit    {:>7.0} images/s", rate(0));
    println!("written  {:>7.0} images/s", rate(1));
    println!("inlaid   {:>7.0} images/s, {:.3} of the limit, {:.3} of written", rate(2), ratio(0, 2), ratio(1, 2));
    if arguments.obvious {
        println!("obvious  {:>7.0} images/s; inlaid is {:.2} times as fast", rate(3), ratio(3, 2));
    }
    // For `benches/convert.py`.
    println!("seconds  {seconds:?}");
    Ok(())
}

struct Arguments {
    photos: PathBuf,
    images: usize,
    repeat: usize,
    threads: usize,
    scratch: PathBuf,
    obvious: bool,
    dtype: Dtype,
    layout: Layout,
    jpeg_decoder: JpegDecoder,
}

impl Arguments {
    fn parse() -> Arguments {
        let mut parsed = Arguments {
            photos: PathBuf::new(),
            images: 1000,
            repeat: 7,
            threads: 2,
            scratch: std::env::temp_dir(),
            obvious: true,
            dtype: Dtype::U8,
            layout: Layout::Hwc,
            jpeg_decoder: JpegDecoder::Auto,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut number = || words.next().and_then(|n| n.parse().ok()).expect("the option needs a number");
            match word.as_str() {
                "--bench" => {}
                "--images" => parsed.images = number(),
                "--repeat" => parsed.repeat = number(),
                "--threads" => parsed.threads = number(),
                "--no-obvious" => parsed.obvious = false,
                "--dtype" => parsed.dtype = words.next().expect("the option needs a type").parse().expect("a type"),
                "--jpeg-decoder" => {
                    let word = words.next().expect("the option needs a decoder");
                    parsed.jpeg_decoder = word.parse().expect("a decoder");
                }
                "--layout" => parsed.layout = words.next().expect("the option needs a word").parse().expect("a layout"),
                "--scratch" => parsed.scratch = words.next().expect("the option needs a folder").into(),
                photos => parsed.photos = photos.into(),
            }
        }
        parsed
    }
}

/// Ten class folders of hard links to the photos, each as often as needed.
fn link(photos: &Path, folder: &Path, count: usize) -> Outcome<Vec<PathBuf>> {
    let mut originals: Vec<PathBuf> = fs::read_dir(photos)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    originals.retain(|path| path.is_file());
    originals.sort();
    let mut files = Vec::new();
    for (number, original) in originals.iter().cycle().take(count).enumerate() {
        let class = folder.join(format!("class-{}", number % 10));
        fs::create_dir_all(&class)?;
        let file = class.join(format!("{number:06}.jpg"));
        // Across file systems there are no hard links.
        fs::hard_link(original, &file).or_else(|_| fs::copy(original, &file).map(|_| ()))?;
        files.push(file);
    }
    Ok(files)
}

fn timed(run: impl FnOnce() -> Outcome<()>) -> Outcome<f64> {
    let begin = Instant::now();
    run()?;
    Ok(begin.elapsed().as_secs_f64())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Reads, decodes and resizes into memory, and writes tensors if there is a file for them.
fn limit(files: &[PathBuf], threads: usize, spec: &Spec, out: Option<&File>) -> Outcome<()> {
    let dtype = spec.dtype;
    let length = TENSOR * dtype.bytes();
    let write = |number: usize, tensor: &[u8]| {
        out.map_or(Ok(()), |out| out.write_all_at(&tensor[..length], (number * length) as u64))
    };
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let work = || -> Outcome<()> {
            let mut decoder = Decoder::new(spec.jpeg_decoder);
            let (mut pixels, mut tensor) = (Vec::new(), vec![0; TENSOR]);
            let (mut floats, mut values) = (Vec::new(), vec![0_f32; TENSOR]);
            let mut resizer = fir::Resizer::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(file) = files.get(number) else { return Ok(()) };
                let (width, height, gray) = decoder.decode(&fs::read(file)?, &mut pixels)?;
                let length = width as usize * height as usize * if gray { 1 } else { 3 };
                let samples = &pixels[..length];
                if dtype == Dtype::U8 {
                    match gray {
                        true => resize::<U8>(&mut resizer, samples, width, height, &mut tensor)?,
                        false => resize::<U8x3>(&mut resizer, samples, width, height, &mut tensor)?,
                    }
                    write(number, &tensor)?;
                    continue;
                }
                floats.resize(floats.len().max(length), 0.0);
                floats.iter_mut().zip(samples).for_each(|(float, sample)| *float = f32::from(*sample));
                let (samples, tensor) =
                    (bytemuck::cast_slice(&floats[..length]), bytemuck::cast_slice_mut(&mut values));
                match gray {
                    true => resize::<F32>(&mut resizer, samples, width, height, tensor)?,
                    false => resize::<F32x3>(&mut resizer, samples, width, height, tensor)?,
                }
                write(number, bytemuck::cast_slice(&values))?;
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no worker panics"))
    })
}

/// Decodes with the library that inlaid decodes with.
enum Decoder {
    Zune,
    #[cfg(feature = "turbojpeg")]
    LibjpegTurbo(libjpeg_turbo::Decompressor),
}

impl Decoder {
    fn new(jpeg_decoder: JpegDecoder) -> Decoder {
        match jpeg_decoder {
            #[cfg(feature = "turbojpeg")]
            JpegDecoder::Auto | JpegDecoder::LibjpegTurbo => Decoder::LibjpegTurbo(libjpeg_turbo::Decompressor::new()),
            _ => Decoder::Zune,
        }
    }

    /// Width, height, and whether the image is gray. Its samples are the first of `pixels`, which only grow.
    fn decode(&mut self, file: &[u8], pixels: &mut Vec<u8>) -> Outcome<(u32, u32, bool)> {
        #[cfg(feature = "turbojpeg")]
        if let Decoder::LibjpegTurbo(decompressor) = self {
            return decompressor.decode(file, pixels);
        }
        let decoder = ImageReader::new(Cursor::new(file)).with_guessed_format()?.into_decoder()?;
        let (width, height) = decoder.dimensions();
        let (length, gray) = (decoder.total_bytes() as usize, !decoder.color_type().has_color());
        pixels.resize(pixels.len().max(length), 0);
        decoder.read_image(&mut pixels[..length])?;
        Ok((width, height, gray))
    }
}

#[cfg(feature = "turbojpeg")]
mod libjpeg_turbo {
    use std::ffi::{c_int, c_void};

    use turbojpeg_sys as sys;

    pub struct Decompressor(*mut c_void);

    impl Decompressor {
        pub fn new() -> Decompressor {
            // SAFETY: the function takes a number.
            let handle = unsafe { sys::tj3Init(sys::TJINIT_TJINIT_DECOMPRESS as c_int) };
            assert!(!handle.is_null(), "there is memory for a decompressor");
            Decompressor(handle)
        }

        pub fn decode(&mut self, file: &[u8], pixels: &mut Vec<u8>) -> super::Outcome<(u32, u32, bool)> {
            let length = file.len().try_into()?;
            // SAFETY: the file is as long as it is said to be.
            let status = unsafe { sys::tj3DecompressHeader(self.0, file.as_ptr(), length) };
            // SAFETY: the handle lives as long as `self`.
            let get = |parameter| unsafe { sys::tj3Get(self.0, parameter as c_int) };
            let (width, height) = (get(sys::TJPARAM_TJPARAM_JPEGWIDTH), get(sys::TJPARAM_TJPARAM_JPEGHEIGHT));
            let gray = get(sys::TJPARAM_TJPARAM_COLORSPACE) == sys::TJCS_TJCS_GRAY as c_int;
            let (format, channels) = if gray { (sys::TJPF_TJPF_GRAY, 1) } else { (sys::TJPF_TJPF_RGB, 3) };
            let samples = usize::try_from(width)? * usize::try_from(height)? * channels;
            pixels.resize(pixels.len().max(samples), 0);
            // SAFETY: as before, and the pixels have room for the whole image.
            let decoded = unsafe { sys::tj3Decompress8(self.0, file.as_ptr(), length, pixels.as_mut_ptr(), 0, format) };
            if (status, decoded) != (0, 0) {
                return Err("libjpeg-turbo can't decode a photo".into());
            }
            Ok((width.try_into()?, height.try_into()?, gray))
        }
    }

    impl Drop for Decompressor {
        fn drop(&mut self) {
            // SAFETY: nobody has the handle any more.
            unsafe { sys::tj3Destroy(self.0) }
        }
    }
}

fn resize<P: PixelTrait>(
    resizer: &mut fir::Resizer,
    samples: &[u8],
    width: u32,
    height: u32,
    tensor: &mut [u8],
) -> Outcome<()> {
    let bilinear = fir::ResizeOptions::new().resize_alg(fir::ResizeAlg::Convolution(fir::FilterType::Bilinear));
    let source = TypedImageRef::<P>::from_buffer(width, height, samples)?;
    let mut target = TypedImage::<P>::from_buffer(SIDE, SIDE, tensor)?;
    Ok(resizer.resize_typed(&source, &mut target, &bilinear)?)
}

/// The whole conversion.
fn inlaid(source: &Path, out: &Path, threads: usize, spec: &Spec) -> Outcome<()> {
    let mut options = RunOptions::default();
    options.threads = NonZeroUsize::new(threads);
    convert(&[source.to_owned()], out, spec, &options)?;
    Ok(())
}

/// The obvious program.
fn obvious(files: &[PathBuf], out: &Path, threads: usize) -> Outcome<()> {
    const ROW_GROUP: usize = 104;
    let item = Arc::new(Field::new("item", DataType::UInt8, true));
    let list = DataType::FixedSizeList(item.clone(), TENSOR as i32);
    let schema =
        Arc::new(Schema::new(vec![Field::new("image", list, false), Field::new("path", DataType::Utf8, false)]));
    let properties = WriterProperties::builder().set_compression(Compression::UNCOMPRESSED).build();
    let mut writer = ArrowWriter::try_new(File::create(out)?, schema.clone(), Some(properties))?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    for files in files.chunks(ROW_GROUP) {
        let tensors: Vec<Vec<u8>> = pool.install(|| {
            let decode = |file: &PathBuf| -> Outcome<Vec<u8>> {
                Ok(image::open(file)?.resize_exact(SIDE, SIDE, FilterType::Triangle).into_rgb8().into_raw())
            };
            files.par_iter().map(decode).collect::<Outcome<_>>()
        })?;
        let values = Arc::new(UInt8Array::from(tensors.concat()));
        let images: ArrayRef = Arc::new(FixedSizeListArray::try_new(item.clone(), TENSOR as i32, values, None)?);
        let paths: ArrayRef = Arc::new(StringArray::from_iter_values(files.iter().map(|file| file.to_string_lossy())));
        writer.write(&RecordBatch::try_new(schema.clone(), vec![images, paths])?)?;
        writer.flush()?;
    }
    writer.close()?;
    Ok(())
}
