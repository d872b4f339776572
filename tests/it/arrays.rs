//! Arrays of images, and images that are no files.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use inlaid::{
    ArraySource, ByteSize, Channels, Dataset, Dtype, Error, Files, Fit, Folders, ImageRef, Layout, Limits, Listing,
    Mode, Notice, RawChannels, RawOrder, RawPixels, RawSample, Record, ResizeLike, RunOptions, Source, SourceOptions,
    Spec, Split, SplitFractions, Storage, Summary,
};

use crate::harness::Scratch;

/// An IDX file of bytes.
fn idx(shape: &[u32], elements: &[u8]) -> Vec<u8> {
    let sides = shape.iter().flat_map(|side| side.to_be_bytes());
    [0, 0, 8, shape.len() as u8].into_iter().chain(sides).chain(elements.iter().copied()).collect()
}

/// A `.npy` file.
fn npy(descr: &str, is_fortran: bool, shape: &str, elements: &[u8]) -> Vec<u8> {
    let order = if is_fortran { "True" } else { "False" };
    let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), elements].concat()
}

fn spec(size: &str, channels: Channels) -> Spec {
    let mut spec = Spec::new(size.parse().unwrap());
    spec.channels = channels;
    spec
}

fn open(path: PathBuf) -> Result<ArraySource, Error> {
    ArraySource::open(&[path], &SourceOptions::default())
}

fn convert(scratch: &Scratch, source: &dyn Source, spec: &Spec) -> Result<Summary, Error> {
    let out = scratch.path().join("out");
    let _ = fs::remove_dir_all(&out);
    inlaid::convert_from(source, out, spec, &RunOptions::default())
}

/// Key, label and elements of every row, sorted by key.
fn rows(scratch: &Scratch) -> Vec<(Split, String, Option<i64>, Vec<u8>)> {
    let mut rows = Vec::new();
    for (split, table) in Dataset::open(scratch.path().join("out")).unwrap().into_splits() {
        let (paths, labels) = (table.column("path").unwrap(), table.column("label").unwrap());
        let images = table.tensors("image").unwrap();
        let each = paths.as_string::<i32>().iter().zip(labels.as_primitive::<Int64Type>().iter()).enumerate();
        rows.extend(
            each.map(|(row, (path, label))| {
                (split, path.unwrap().to_owned(), label, images.row(row).unwrap().to_vec())
            }),
        );
    }
    rows.sort_by(|a, b| a.1.cmp(&b.1));
    rows
}

fn elements(scratch: &Scratch) -> Vec<Vec<u8>> {
    rows(scratch).into_iter().map(|(.., elements)| elements).collect()
}

/// Images in memory that are no files.
struct Memory {
    pixels: RawPixels,
    images: Vec<Vec<u8>>,
}

impl Source for Memory {
    fn list(&self, _: &Spec) -> Result<Listing, Error> {
        let record = |number| Record::new(format!("memory/{number:03}"), number);
        let records = (0..self.images.len() as u32).map(record).collect();
        Ok(Listing { folders: Some(Folders::None), ..Listing::new(records, Vec::new(), Vec::new()) })
    }

    fn read(&self, images: &[ImageRef<'_>], limits: &Limits, files: &mut Files) {
        for ImageRef { record, .. } in images {
            let samples = &self.images[record.place as usize];
            let has_room = files.add_pixels(self.pixels, limits, |buffer| {
                buffer.extend_from_slice(samples);
                Ok(())
            });
            if !has_room {
                return;
            }
        }
    }

    fn length(&self, _: &Record) -> Option<u64> {
        Some(self.pixels.bytes())
    }

    fn paths(&self) -> &[PathBuf] {
        &[]
    }
}

fn raw(height: u32, width: u32, channels: RawChannels, sample: RawSample, order: RawOrder) -> RawPixels {
    RawPixels { height, width, channels, sample, order }
}

/// All rows in the split for training.
fn in_train(mut spec: Spec) -> Spec {
    spec.shares = "train=1".parse::<SplitFractions>().unwrap();
    spec
}

#[test]
fn raw_samples_become_elements() {
    let scratch = Scratch::new();
    let made = |pixels, samples: Vec<u8>, spec: Spec| {
        convert(&scratch, &Memory { pixels, images: vec![samples] }, &in_train(spec)).unwrap();
        elements(&scratch).remove(0)
    };
    let (gray, rgb, rgba) = (RawChannels::Gray, RawChannels::Rgb, RawChannels::Rgba);
    let (flat, planar) = (RawOrder::Interleaved, RawOrder::Planar);
    let bytes = raw(1, 2, rgb, RawSample::U8, planar);
    assert_eq!(made(bytes, vec![1, 2, 3, 4, 5, 6], spec("1x2", Channels::Rgb)), [1, 3, 5, 2, 4, 6]);
    let mut chw = spec("1x2", Channels::Rgb);
    chw.layout = Layout::Chw;
    assert_eq!(made(bytes, vec![1, 2, 3, 4, 5, 6], chw), [1, 2, 3, 4, 5, 6]);
    let one = raw(1, 2, gray, RawSample::U8, planar);
    assert_eq!(made(one, vec![7, 9], spec("1x2", Channels::Rgb)), [7, 7, 7, 9, 9, 9]);
    assert_eq!(made(one, vec![7, 9], spec("1x2", Channels::Rgba)), [7, 7, 7, 255, 9, 9, 9, 255]);
    // Luma of pure red, and half transparent white on black.
    let red = raw(1, 1, rgb, RawSample::U8, flat);
    assert_eq!(made(red, vec![255, 0, 0], spec("1x1", Channels::Gray)), [76]);
    let glass = raw(1, 1, rgba, RawSample::U8, flat);
    assert_eq!(made(glass, vec![255, 255, 255, 128], spec("1x1", Channels::Rgb)), [128, 128, 128]);

    let wide = raw(1, 2, gray, RawSample::U16, flat);
    assert_eq!(made(wide, vec![0x34, 0x12, 0xFF, 0xFF], spec("1x2", Channels::Gray)), [18, 255]);
    let mut sixteen = spec("1x2", Channels::Gray);
    sixteen.dtype = Dtype::U16;
    assert_eq!(made(wide, vec![0x34, 0x12, 0xFF, 0xFF], sixteen), [0x34, 0x12, 0xFF, 0xFF]);

    let float = raw(1, 2, gray, RawSample::F32, flat);
    let floats = |values: [f32; 2]| values.into_iter().flat_map(f32::to_le_bytes).collect::<Vec<u8>>();
    assert_eq!(made(float, floats([0.5, 1.0]), spec("1x2", Channels::Gray)), [128, 255]);
    let mut kept = spec("1x2", Channels::Gray);
    kept.dtype = Dtype::F32;
    // A sum of three weighted parts would differ in the last bit.
    assert_eq!(made(float, floats([0.1, 0.7]), kept), floats([0.1, 0.7]));
}

#[test]
fn images_of_the_size_of_the_tensor_are_copied_whatever_the_filter() {
    let scratch = Scratch::new();
    let samples: Vec<u8> = (0..6 * 5 * 4).map(|n| (n * 37 % 251) as u8).collect();
    let pixels = raw(6, 5, RawChannels::Rgba, RawSample::U8, RawOrder::Interleaved);
    let source = Memory { pixels, images: vec![samples.clone()] };
    for like in [None, Some(ResizeLike::Pillow), Some(ResizeLike::Torchvision), Some(ResizeLike::Tf)] {
        for fit in [Fit::Stretch, Fit::Crop, Fit::Pad, Fit::ShortestSide] {
            let mut spec = in_train(spec("6x5", Channels::Rgba));
            (spec.fit, spec.resize_like) = (fit, like);
            convert(&scratch, &source, &spec).unwrap();
            assert_eq!(elements(&scratch)[0], samples, "{fit} {like:?}");
        }
    }
}

#[test]
fn raw_pixels_that_are_not_what_they_claim_are_rejected() {
    let scratch = Scratch::new();
    let pixels = raw(2, 2, RawChannels::Gray, RawSample::U8, RawOrder::Interleaved);
    let images = vec![vec![1; 4], vec![1; 3], vec![1; 5], Vec::new()];
    let spec = in_train(spec("2", Channels::Gray));
    let summary = convert(&scratch, &Memory { pixels, images }, &spec).unwrap();
    assert_eq!((summary.rows, summary.rejects), (1, 3));
    let reasons: Vec<String> = scratch.rejects("out").into_iter().map(|[_, _, reason, _]| reason).collect();
    assert_eq!(reasons, ["truncated", "truncated", "empty"]);

    let too_large = |edit: fn(&mut Spec), pixels: RawPixels| {
        let mut spec = spec.clone();
        edit(&mut spec);
        convert(&scratch, &Memory { pixels, images: vec![vec![1; 4]] }, &spec).unwrap_err().to_string()
    };
    let message = "the only input, `memory/000`, can't be used: ";
    let many = too_large(|spec| spec.limits.pixels = 3, pixels);
    assert_eq!(many, format!("{message}the image is 2 pixels wide and 2 high, more than the 3 pixels allowed"));
    let long = too_large(|spec| spec.limits.file_bytes = ByteSize(3), pixels);
    assert_eq!(long, format!("{message}the file has 4 bytes, more than the 3 allowed"));
    let none = too_large(|_| {}, RawPixels { width: 0, ..pixels });
    assert_eq!(none, format!("{message}the image is 0 pixels wide and 2 high"));
    // Nothing is allocated for what is only claimed.
    let huge = too_large(
        |spec| (spec.limits.pixels, spec.limits.side) = (u64::MAX, u32::MAX),
        RawPixels { width: u32::MAX, height: u32::MAX, ..pixels },
    );
    assert!(huge.contains("the file has 18446744065119617025 bytes, more than the 1073741824 allowed"), "{huge}");
    let files =
        too_large(|spec| (spec.size, spec.storage, spec.channels) = (None, Storage::Encoded, Channels::Rgb), pixels);
    assert_eq!(files, format!("{message}the image is no file that could be stored unchanged"));
}

fn mnist(scratch: &Scratch) -> PathBuf {
    for (name, count) in [("train", 40_u32), ("t10k", 12)] {
        let pixels: Vec<u8> = (0..count * 6).map(|n| (n * 7 % 251) as u8).collect();
        scratch.file(&format!("src/{name}-images-idx3-ubyte"), &idx(&[count, 2, 3], &pixels));
        let labels: Vec<u8> = (0..count).map(|n| (n % 10) as u8).collect();
        scratch.file(&format!("src/{name}-labels-idx1-ubyte"), &idx(&[count], &labels));
    }
    scratch.path().join("src")
}

#[test]
fn mnist_keeps_its_splits_and_labels() {
    let scratch = Scratch::new();
    let source = open(mnist(&scratch)).unwrap();
    let summary = convert(&scratch, &source, &spec("2x3", Channels::Gray)).unwrap();
    assert_eq!((summary.rows, summary.rejects), (52, 0));
    let found = rows(&scratch);
    let (split, key, label, image) = &found[3];
    assert_eq!((*split, &**key, *label), (Split::Test, "t10k-images-idx3-ubyte/000000003", Some(3)));
    assert_eq!(image[..], [126, 133, 140, 147, 154, 161]);
    assert_eq!((found[12].0, &*found[12].1), (Split::Train, "train-images-idx3-ubyte/000000000"));

    let mut spec = spec("2x3", Channels::Gray);
    spec.folders = Folders::Classes;
    convert(&scratch, &source, &spec).unwrap();
    assert!(rows(&scratch).iter().any(|row| row.0 == Split::Validation));
}

#[test]
fn small_rows_are_the_same_with_any_number_of_threads() {
    let scratch = Scratch::new();
    // Several shards of several row groups, of pages that are handed over together, with holes.
    let count = 1500;
    let floats = (0..count * 6).map(|n| if n % 97 == 0 { 2.0 } else { (n % 100) as f32 / 100.0 });
    let elements: Vec<u8> = floats.flat_map(f32::to_le_bytes).collect();
    let path = scratch.file("src/x.npy", &npy("<f4", false, &format!("({count}, 2, 3)"), &elements));
    let mut spec = spec("2x3", Channels::Gray);
    (spec.row_group_bytes, spec.shard_bytes) = (ByteSize(6 * 88), ByteSize(6 * 500));
    let all = [1, 2, 5].map(|threads| {
        let mut options = RunOptions::default();
        options.threads = NonZeroUsize::new(threads);
        let out = scratch.path().join(format!("out{threads}"));
        let summary = inlaid::convert_from(&open(path.clone()).unwrap(), &out, &spec, &options).unwrap();
        assert_eq!((summary.rows, summary.rejects), (1407, 93));
        assert_eq!(inlaid::verify(&out, None, &options).unwrap().problems, []);
        scratch.dataset(&format!("out{threads}"))
    });
    assert!(all[0] == all[1] && all[1] == all[2]);
}

#[test]
fn orders_of_elements_are_turned_into_rows() {
    let scratch = Scratch::new();
    // Image n has the pixel 100 n + 10 y + x; the first index changes fastest.
    let fortran: Vec<u8> =
        (0..3_u8).flat_map(|x| (0..2_u8).flat_map(move |y| (0..2_u8).map(move |n| 100 * n + 10 * y + x))).collect();
    let path = scratch.file("src/images.npy", &npy("|u1", true, "(2, 2, 3)", &fortran));
    convert(&scratch, &open(path.clone()).unwrap(), &in_train(spec("2x3", Channels::Gray))).unwrap();
    assert_eq!(elements(&scratch), [[0, 1, 2, 10, 11, 12], [100, 101, 102, 110, 111, 112]]);
    // A dry run reads nothing, and writes nothing.
    let mut options = RunOptions::default();
    options.mode = Mode::DryRun;
    let out = scratch.path().join("dry");
    let summary = inlaid::convert_from(&open(path).unwrap(), &out, &spec("2x3", Channels::Gray), &options).unwrap();
    assert_eq!((summary.rows, out.exists()), (2, false));
}

#[test]
fn what_is_left_out_is_told() {
    let scratch = Scratch::new();
    let source = mnist(&scratch);
    scratch.file("src/readme.txt", b"hello");
    scratch.file("src/train-weights.npy", &npy("<f8", false, "(3,)", &[0; 24]));
    scratch.file("other/x.npy", &npy("|u1", false, "(1, 3, 2, 4)", &[0; 24]));
    let notices = |path: &Path| {
        let listing = open(path.to_owned()).unwrap().list(&spec("2x3", Channels::Gray)).unwrap();
        listing.notices.iter().map(Notice::to_string).collect::<Vec<_>>()
    };
    let expected = [
        format!("splits are taken from the names in `{}`", source.display()),
        "array `train-weights` belongs to no images, so it was left out".to_owned(),
        "ignored files that hold no arrays: 1 .txt".to_owned(),
    ];
    assert_eq!(notices(&source), expected);
    let other = notices(&scratch.path().join("other"));
    assert_eq!(other, ["the last dimension was taken for the channels of `x (1, 3, 2, 4)`"]);
}

#[test]
fn files_of_another_kind_are_refused() {
    let scratch = Scratch::new();
    let message = |name: &str, bytes: &[u8]| {
        let path = scratch.file(name, bytes);
        let message = open(path.clone()).unwrap_err().to_string();
        message.strip_prefix(&format!("can't read `{}`: ", path.display())).unwrap().to_owned()
    };
    assert_eq!(
        message("a/data_batch_1", b"\x80\x02}q\x01."),
        "it holds pickled Python objects, which can run code when they are read"
    );
    assert_eq!(
        message("b/images.npy", &npy("|O", false, "(3,)", b"\x80\x04.")),
        "array `images` holds pickled Python objects, which can run code when they are read"
    );
    assert_eq!(message("c/note.txt", b"hello"), "it is neither a folder, an archive, a table nor an array of images");
    assert_eq!(message("d/x.npy", &npy("|u1", false, "(4, 6)", &[0; 24])), "none of its arrays are images: `x (4, 6)`");
    assert_eq!(
        message("e/x.npy", &npy("|u1", false, "(40, 60, 3)", &[0; 7200])),
        "array `x` has the shape (40, 60, 3), not one of images: (N, H, W), or (N, H, W, C) or (N, C, H, W) with 1, 3 or \
         4 channels"
    );
    assert_eq!(
        message("f/x.npy", &npy("|u1", false, "(4, 2, 2)", &[0; 15])),
        "it is damaged: its header announces 89 bytes in all, but it ends after 88"
    );
    assert_eq!(
        message("g/train.bin.npy", &npy("|u1", false, "(18446744073709551615, 2, 2)", &[])),
        "it is damaged: its shape is too large"
    );
}
