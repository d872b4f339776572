//! Rows of more than one image, and columns of values, from a source that is not a folder.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, UInt8Type};
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use image::{GrayImage, ImageFormat, Luma, Rgb, RgbImage};
use inlaid::read::BatchOptions;
use inlaid::{
    ByteSize, ColumnSpec, ColumnType, Compression, Dataset, Dtype, Error, Files, Filter, Fit, Format, ImageRef, Limits,
    Listing, Manifest, Progress, Record, RepackSpec, RunOptions, Source, Spec, Split, Storage, Table, TensorSpec,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::harness::Scratch;

/// Photos with masks and values, in memory.
struct Shelf {
    rows: Vec<Pair>,
}

/// A photo of one color, its mask, and how old it is.
#[derive(Clone)]
struct Pair {
    key: String,
    photo: Vec<u8>,
    mask: Vec<u8>,
    label: u32,
    age: Option<i64>,
}

fn png(write: impl FnOnce(&mut std::io::Cursor<Vec<u8>>)) -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    write(&mut file);
    file.into_inner()
}

/// What the pixels of a row are.
fn levels(number: usize) -> (u8, u8) {
    ((number * 7 % 251) as u8, (number * 13 % 5) as u8)
}

impl Shelf {
    fn new(numbers: impl IntoIterator<Item = usize>) -> Shelf {
        let pair = |number: usize| {
            let (photo, mask) = levels(number);
            let photo = RgbImage::from_pixel(12, 10, Rgb([photo, 0, 255]));
            // A class in the left half, none in the right one: no filter may mix them.
            let mask = GrayImage::from_fn(12, 10, |x, _| Luma([if x < 6 { mask } else { 0 }]));
            Pair {
                key: format!("shelf/{number:04}.png"),
                photo: png(|file| photo.write_to(file, ImageFormat::Png).unwrap()),
                mask: png(|file| mask.write_to(file, ImageFormat::Png).unwrap()),
                label: (number % 2) as u32,
                age: (number % 10 != 3).then_some(number as i64),
            }
        };
        Shelf { rows: numbers.into_iter().map(pair).collect() }
    }
}

impl Source for Shelf {
    fn list(&self, spec: &Spec) -> Result<Listing, Error> {
        let records = self
            .rows
            .iter()
            .zip(0..)
            .map(|(row, place)| Record { label: Some(row.label), ..Record::new(row.key.as_str(), place) });
        let column = |column: &ColumnSpec| -> ArrayRef {
            let ages = self.rows.iter().map(|row| row.age);
            match &*column.name {
                "age" => Arc::new(ages.collect::<Int64Array>()),
                "weight" => Arc::new(ages.map(|age| age.map(|age| age as f64 / 2.0)).collect::<Float64Array>()),
                _ => Arc::new(self.rows.iter().map(|row| Some(row.key.to_uppercase())).collect::<StringArray>()),
            }
        };
        let columns = spec.columns.iter().map(column).collect();
        Ok(Listing::new(records.collect(), vec!["even".to_owned(), "odd".to_owned()], columns))
    }

    fn read(&self, images: &[ImageRef<'_>], _: &Limits, files: &mut Files) {
        for ImageRef { record, image } in images {
            let row = &self.rows[record.place as usize];
            let bytes = if *image == 0 { &row.photo } else { &row.mask };
            if !files.add(|buffer| {
                buffer.extend_from_slice(bytes);
                Ok(())
            }) {
                return;
            }
        }
    }

    fn length(&self, record: &Record) -> Option<u64> {
        Some(self.rows[record.place as usize].photo.len() as u64)
    }

    fn paths(&self) -> &[PathBuf] {
        &[]
    }
}

/// Photos of 8x6 pixels with masks of 4x4, and three columns of values: a row group has 16 rows, a shard 48.
fn spec() -> Spec {
    let mut spec = Spec::new("8x6".parse().unwrap());
    spec.tensors = vec![TensorSpec::mask("mask", "4x4".parse().unwrap())];
    spec.columns = vec![
        ColumnSpec::new("age", ColumnType::Int64),
        ColumnSpec::new("weight", ColumnType::Float64),
        ColumnSpec::new("note: #1", ColumnType::String),
    ];
    spec.row_group_bytes = ByteSize(16 * (8 * 6 * 3 + 4 * 4));
    spec.shard_bytes = ByteSize(3 * 16 * (8 * 6 * 3 + 4 * 4));
    spec
}

fn number_of(key: &str) -> usize {
    key["shelf/".len()..].trim_end_matches(".png").parse().unwrap()
}

/// Compares every row of a table with the number in its key.
fn check(table: &Arc<Table>) -> Vec<usize> {
    let paths = table.column("path").unwrap();
    let paths: Vec<&str> = paths.as_string::<i32>().iter().flatten().collect();
    let numbers: Vec<usize> = paths.iter().map(|path| number_of(path)).collect();
    let (images, masks) = (table.tensors("image").unwrap(), table.tensors("mask").unwrap());
    assert_eq!((images.column().shape.clone(), masks.column().shape.clone()), (vec![8, 6, 3], vec![4, 4, 1]));
    for (row, number) in numbers.iter().enumerate() {
        let (photo, mask) = levels(*number);
        assert_eq!(images.row(row).unwrap()[..6], [photo, 0, 255, photo, 0, 255], "{number}");
        assert_eq!(masks.row(row).unwrap()[..], [mask, mask, 0, 0].repeat(4)[..], "{number}");
    }
    let age = |number: &usize| (number % 10 != 3).then_some(*number as i64);
    let ages = table.column("age").unwrap();
    assert!(ages.as_primitive::<Int64Type>().iter().eq(numbers.iter().map(age)));
    let weights = table.column("weight").unwrap();
    let weight = |number: &usize| age(number).map(|age| age as f64 / 2.0);
    assert!(weights.as_primitive::<Float64Type>().iter().eq(numbers.iter().map(weight)));
    let notes = table.column("note: #1").unwrap();
    assert!(notes.as_string::<i32>().iter().flatten().eq(paths.iter().map(|path| path.to_uppercase())));
    numbers
}

fn splits(scratch: &Scratch) -> BTreeMap<Split, Arc<Table>> {
    let splits = Dataset::open(scratch.path().join("out")).unwrap().into_splits();
    splits.into_iter().map(|(split, table)| (split, Arc::new(table))).collect()
}

/// The numbers of all rows, sorted; every row is checked.
fn numbers(scratch: &Scratch) -> Vec<usize> {
    let mut numbers: Vec<usize> = splits(scratch).values().flat_map(check).collect();
    numbers.sort_unstable();
    numbers
}

fn problems(scratch: &Scratch, source: &Shelf) -> Vec<inlaid::Problem> {
    inlaid::verify(scratch.path().join("out"), Some(source), &RunOptions::default()).unwrap().problems
}

#[test]
fn two_columns_of_tensors_live_the_life_of_one() {
    for (storage, format, compression) in [
        (Storage::Tensor, Format::Parquet, Compression::None),
        (Storage::Tensor, Format::Parquet, Compression::Zstd),
        (Storage::Binary, Format::Parquet, Compression::None),
        (Storage::Tensor, Format::Arrow, Compression::None),
        (Storage::Binary, Format::Arrow, Compression::Lz4),
    ] {
        let scratch = Scratch::new();
        let out = scratch.path().join("out");
        let mut spec = spec();
        (spec.storage, spec.format, spec.compression) = (storage, format, compression);
        let first = Shelf::new(0..130);
        let summary = inlaid::convert_from(&first, &out, &spec, &RunOptions::default()).unwrap();
        assert_eq!((summary.rows, summary.rejects), (130, 0));
        let manifest = Manifest::read(&out).unwrap().unwrap();
        assert_eq!(manifest.format_version, 2);
        let row_groups: Vec<usize> =
            manifest.snapshot.splits[&Split::Train].shards.iter().map(|s| s.row_groups).collect();
        assert_eq!(row_groups, [3, 3, 1], "104 rows, 16 in a row group, 48 in a shard");
        assert_eq!(numbers(&scratch), Vec::from_iter(0..130));

        // Nothing new: no byte changes.
        let before = fs::read(out.join("inlaid.json")).unwrap();
        assert!(!inlaid::append_from(&first, &out, &RunOptions::default()).unwrap().committed);
        assert_eq!(fs::read(out.join("inlaid.json")).unwrap(), before);

        let all = Shelf::new(0..150);
        for end in [137, 142, 150] {
            inlaid::append_from(&Shelf::new(0..end), &out, &RunOptions::default()).unwrap();
            assert_eq!(numbers(&scratch), Vec::from_iter(0..end));
        }
        assert_eq!(problems(&scratch, &all), []);

        inlaid::rollback(&out).unwrap();
        assert_eq!(numbers(&scratch), Vec::from_iter(0..142));
        inlaid::append_from(&all, &out, &RunOptions::default()).unwrap();

        let inlaid::Change { before, after, .. } = inlaid::compact(&out).unwrap();
        assert!(after.shards().map(|s| s.row_groups).sum::<usize>() < before.shards().map(|s| s.row_groups).sum());
        assert_eq!(numbers(&scratch), Vec::from_iter(0..150));
        assert_eq!(problems(&scratch, &all), []);
    }
}

#[test]
fn columns_missing_from_the_manifest_are_not_dropped() {
    for name in ["tensors", "columns"] {
        let scratch = Scratch::new();
        let out = scratch.path().join("out");
        inlaid::convert_from(&Shelf::new(0..60), &out, &spec(), &RunOptions::default()).unwrap();
        inlaid::append_from(&Shelf::new(0..64), &out, &RunOptions::default()).unwrap();
        scratch.edit_manifest("out", |manifest| {
            manifest["spec"].as_object_mut().unwrap().remove(name).unwrap();
            manifest["spec"]["row_group_bytes"] = (1 << 24).into();
        });
        let before = scratch.dataset("out");
        let error = inlaid::compact(&out).unwrap_err().to_string();
        assert!(error.ends_with("its columns are not those that `inlaid.json` describes"), "{error}");
        assert_eq!(scratch.dataset("out"), before);
        assert!(!problems(&scratch, &Shelf::new(0..64)).is_empty());
    }
}

#[test]
fn bytes_do_not_depend_on_threads() {
    let files = [1, 4].map(|threads| {
        let scratch = Scratch::new();
        let mut options = RunOptions::default();
        options.threads = std::num::NonZeroUsize::new(threads);
        inlaid::convert_from(&Shelf::new(0..130), scratch.path().join("out"), &spec(), &options).unwrap();
        ["train/train-00000.parquet", "test/test-00000.parquet", "inlaid.json", "README.md"]
            .map(|file| fs::read(scratch.path().join("out").join(file)).unwrap())
    });
    assert!(files[0] == files[1]);
}

#[test]
fn arrow_rs_reads_both_columns() {
    let scratch = Scratch::new();
    inlaid::convert_from(&Shelf::new(0..40), scratch.path().join("out"), &spec(), &RunOptions::default()).unwrap();
    let file = File::open(scratch.path().join("out/train/train-00000.parquet")).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let names =
        ["image", "mask", "label", "path", "source_height", "source_width", "sha256", "age", "weight", "note: #1"];
    for batch in reader.map(Result::unwrap) {
        let schema = batch.schema();
        assert_eq!(schema.fields().iter().map(|field| &**field.name()).collect::<Vec<_>>(), names);
        let paths = batch.column_by_name("path").unwrap().as_string::<i32>().clone();
        for name in ["image", "mask"] {
            let list = batch.column_by_name(name).unwrap().as_fixed_size_list();
            let metadata = schema.field_with_name(name).unwrap().metadata();
            assert_eq!(metadata["ARROW:extension:name"], "arrow.fixed_shape_tensor");
            for (row, path) in paths.iter().flatten().enumerate() {
                let (photo, mask) = levels(number_of(path));
                let first = list.value(row).as_primitive::<UInt8Type>().value(0);
                assert_eq!(first, if name == "image" { photo } else { mask });
            }
        }
    }
}

#[test]
fn batches_and_record_batches_have_both() {
    let scratch = Scratch::new();
    inlaid::convert_from(&Shelf::new(0..90), scratch.path().join("out"), &spec(), &RunOptions::default()).unwrap();
    let train = splits(&scratch).remove(&Split::Train).unwrap();
    let paths = train.column("path").unwrap();
    let options = BatchOptions::new(7).columns(vec!["mask".to_owned(), "age".to_owned()]).prefetch(2);
    let mut rows = 0;
    for batch in train.batches(&options).unwrap() {
        let batch = batch.unwrap();
        let masks = batch.columns[0].as_fixed_size_list();
        for (place, row) in batch.rows.iter().enumerate() {
            let (_, mask) = levels(number_of(paths.as_string::<i32>().value(*row)));
            assert_eq!(masks.value(place).as_primitive::<UInt8Type>().values()[..4], [mask, mask, 0, 0]);
        }
        rows += batch.rows.len();
    }
    assert_eq!(rows, train.len());

    let batches: Vec<RecordBatch> = train.record_batches(None).unwrap().map(Result::unwrap).collect();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), train.len());
    assert_eq!(batches[0].column_by_name("mask").unwrap().as_fixed_size_list().value_length(), 16);
    let only = ["mask".to_owned()];
    let batches: Vec<RecordBatch> = train.record_batches(Some(&only)).unwrap().map(Result::unwrap).collect();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), train.len());
}

#[test]
fn both_are_repacked_into_verbatim_pages() {
    let scratch = Scratch::new();
    let mut spec = spec();
    spec.compression = Compression::Zstd;
    inlaid::convert_from(&Shelf::new(0..90), scratch.path().join("out"), &spec, &RunOptions::default()).unwrap();
    let (from, to) = (scratch.path().join("out/train"), scratch.path().join("fast"));
    inlaid::repack(&[from], &to, &RepackSpec::default(), &Progress::default()).unwrap();
    let table = Arc::new(Table::open(&to).unwrap());
    assert_eq!(check(&table).len(), 72);
    // Views of the mapped file, not copies: both columns are verbatim.
    for name in ["image", "mask"] {
        let tensors = table.tensors(name).unwrap();
        let (view, again) = (tensors.row(3).unwrap(), tensors.row(3).unwrap());
        assert_eq!(view.as_ptr(), again.as_ptr(), "{name}");
    }
}

#[test]
fn a_lost_mask_loses_its_row_alone() {
    let scratch = Scratch::new();
    let mut shelf = Shelf::new(0..30);
    shelf.rows[7].mask.truncate(20);
    shelf.rows[8].photo.clear();
    let summary = inlaid::convert_from(&shelf, scratch.path().join("out"), &spec(), &RunOptions::default()).unwrap();
    assert_eq!((summary.rows, summary.rejects), (28, 2));
    let expected: Vec<usize> = (0..30).filter(|number| ![7, 8].contains(number)).collect();
    assert_eq!(numbers(&scratch), expected);
}

#[test]
fn floats_beside_bytes() {
    let scratch = Scratch::new();
    let mut spec = spec();
    let mut depth = TensorSpec::new("depth", "3x5".parse().unwrap());
    (depth.dtype, depth.filter) = (Dtype::F32, Filter::Nearest);
    spec.tensors.push(depth);
    spec.fit = Fit::Crop;
    inlaid::convert_from(&Shelf::new(0..30), scratch.path().join("out"), &spec, &RunOptions::default()).unwrap();
    let train = splits(&scratch).remove(&Split::Train).unwrap();
    let depth = train.tensors("depth").unwrap();
    let floats: Vec<f32> =
        depth.row(5).unwrap().chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
    assert!(floats.len() == 45 && floats.iter().all(|value| (0.0..=1.0).contains(value)));
    assert_eq!(depth.run(0, 4).unwrap().0.as_ptr().addr() % 4, 0);
}

#[test]
fn columns_have_names_of_their_own() {
    let scratch = Scratch::new();
    let message = |spec: &Spec| {
        let out = scratch.path().join("out");
        inlaid::convert_from(&Shelf::new(0..3), out, spec, &RunOptions::default()).unwrap_err().to_string()
    };
    let mut twice = spec();
    twice.columns.push(ColumnSpec::new("mask", ColumnType::Bool));
    assert_eq!(message(&twice), "`mask` can't be the name of an additional column");
    let mut taken = spec();
    taken.tensors[0].name = "label".to_owned();
    assert_eq!(message(&taken), "`label` can't be the name of an additional column");
    let mut files = spec();
    files.storage = Storage::Encoded;
    assert_eq!(message(&files), "tensor column `mask` can't be combined with `--storage encoded`");

    scratch.images(&["src/a"], 3);
    let folders =
        inlaid::convert(&[scratch.path().join("src")], scratch.path().join("out"), &spec(), &RunOptions::default());
    assert_eq!(folders.unwrap_err().to_string(), "folders of images have no column `mask`");
}

/// A shelf that breaks a promise of a source.
struct Broken {
    shelf: Shelf,
    list: fn(&mut Listing),
    reads: bool,
}

impl Source for Broken {
    fn list(&self, spec: &Spec) -> Result<Listing, Error> {
        let mut listing = self.shelf.list(spec)?;
        (self.list)(&mut listing);
        Ok(listing)
    }

    fn read(&self, images: &[ImageRef<'_>], limits: &Limits, files: &mut Files) {
        if self.reads {
            self.shelf.read(images, limits, files);
        }
    }

    fn length(&self, record: &Record) -> Option<u64> {
        self.shelf.length(record)
    }

    fn paths(&self) -> &[PathBuf] {
        &[]
    }
}

#[test]
fn sources_that_break_a_promise_are_refused() {
    let scratch = Scratch::new();
    let message = |list: fn(&mut Listing), reads: bool| {
        let source = Broken { shelf: Shelf::new(0..12), list, reads };
        let out = scratch.path().join("out");
        inlaid::convert_from(&source, out, &spec(), &RunOptions::default()).unwrap_err().to_string()
    };
    assert_eq!(
        message(|listing| listing.records.push(listing.records[0].clone()), true),
        "the source lists `shelf/0000.png` twice or out of order"
    );
    assert_eq!(
        message(|listing| listing.records[3].label = Some(2), true),
        "the source gives `shelf/0003.png` a label that is not one of its classes"
    );
    for list in [
        |listing: &mut Listing| drop(listing.columns.pop()),
        |listing: &mut Listing| listing.columns[2] = listing.columns[0].clone(),
        |listing: &mut Listing| listing.columns[2] = listing.columns[2].slice(0, 11),
    ] {
        assert_eq!(
            message(list, true),
            "the source does not list values of type Utf8 for every record of column `note: #1`"
        );
    }
    assert_eq!(
        message(|_| {}, false),
        "none of the 12 inputs can be used; the first is `shelf/0000.png`: can't be read: the source has read nothing"
    );
}
