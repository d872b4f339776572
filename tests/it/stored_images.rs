//! Tables of encoded images in object stores: of a file, only what is asked for is read.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use arrow_array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray, StructArray};
use arrow_ipc::writer::FileWriter;
use arrow_schema::{DataType, Field, Fields};
use bytes::Bytes;
use inlaid::read::StoreCache;
use inlaid::{Dataset, FormatError, Split, Table};
use inlaid_format::format::files::{Files, Folder};
use inlaid_format::format::ranges::{Ranges, Stored};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use crate::harness::Scratch;

/// A folder that is read as a store is, and the number of bytes that were read.
#[derive(Debug)]
struct Store {
    folder: Folder,
    read: Arc<Mutex<u64>>,
}

impl Store {
    fn of(folder: PathBuf) -> (Arc<dyn Files>, Arc<Mutex<u64>>) {
        let read = Arc::default();
        (Arc::new(Store { folder: Folder(folder), read: Arc::clone(&read) }), read)
    }
}

impl Files for Store {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path(name)
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, FormatError> {
        self.folder.read(name)
    }

    fn open(&self, name: &str) -> Result<Stored, FormatError> {
        let bytes = fs::read(self.path(name)).map_err(FormatError::io("read", self.path(name)))?;
        Ok(Stored::Elsewhere(Arc::new(Object { bytes: bytes.into(), read: self.read.clone() })))
    }

    fn exists(&self, name: &str) -> Result<bool, FormatError> {
        self.folder.exists(name)
    }

    fn entries(&self, folder: &str) -> Result<Vec<(String, u64)>, FormatError> {
        self.folder.entries(folder)
    }

    fn folder(&self) -> Option<&Path> {
        None
    }
}

#[derive(Debug)]
struct Object {
    bytes: Bytes,
    read: Arc<Mutex<u64>>,
}

impl Ranges for Object {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        *self.read.lock().unwrap() += range.end - range.start;
        Ok(self.bytes.slice(range.start as usize..range.end as usize))
    }

    fn version(&self) -> Option<String> {
        Some("1".to_owned())
    }
}

/// Bytes that are read meanwhile.
fn reading<T>(read: &Mutex<u64>, make: impl FnOnce() -> T) -> (T, u64) {
    let before = *read.lock().unwrap();
    let made = make();
    (made, *read.lock().unwrap() - before)
}

/// Length of every image.
const IMAGE: u64 = 40_000;

/// Bytes that are no image after the first ones, and can't be compressed.
fn noise(number: u64) -> Vec<u8> {
    let mut state = number + 1;
    let body = (0..IMAGE - 4).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    });
    b"\xff\xd8\xff\xe0".iter().copied().chain(body).collect()
}

#[test]
fn of_a_dataset_row_groups_are_read_for_images_and_columns_without_them() {
    for settings in ["", "--format arrow", "--compression zstd", "--format arrow --compression zstd"] {
        let s = Scratch::new();
        for number in 0..40 {
            let name = format!("src/a/{number:02}.png");
            let image = fs::read(s.image(&name)).unwrap();
            s.file(&name, &[image, noise(number)].concat());
        }
        let sizes = "--split train=1 --row-group-bytes 200000";
        s.convert(&format!("src --out d --storage encoded {sizes} {settings}")).exits(0);
        let (files, read) = Store::of(s.path().join("d"));
        let open = || Dataset::open_files(&files, &StoreCache::new(None, 0)).unwrap().into_splits();
        let (splits, bytes) = reading(&read, open);
        // What a file ends with is read to recognize it, and again to check it.
        assert!(bytes < 150_000, "{settings}: {bytes}");
        let table = &splits[&Split::Train];
        assert_eq!(table.len(), 40);
        let (labels, bytes) = reading(&read, || table.column("label").unwrap());
        assert!(labels.len() == 40 && bytes < 40_000, "{settings}: {bytes}");
        let here = Table::open(s.path().join("d/train")).unwrap();
        let (image, bytes) = reading(&read, || table.image_file(20).unwrap());
        assert_eq!(image, here.image_file(20).unwrap(), "{settings}");
        assert!((IMAGE..300_000).contains(&bytes), "{settings}: {bytes}");
        for row in 0..40 {
            assert_eq!(table.image_file(row).unwrap(), here.image_file(row).unwrap(), "{settings}");
        }
        assert_eq!(table.column("image").unwrap().len(), 40);
    }
}

/// 40 images as `datasets` stores them, in four row groups.
fn rows() -> Vec<RecordBatch> {
    let part = |part: u64| {
        let bytes: Vec<Vec<u8>> = (part * 10..part * 10 + 10).map(noise).collect();
        let names = (0..10).map(|row| Some(format!("{row}.jpg")));
        let fields = [Field::new("bytes", DataType::Binary, true), Field::new("path", DataType::Utf8, true)];
        let parts: Vec<ArrayRef> =
            vec![Arc::new(BinaryArray::from_iter_values(bytes)), Arc::new(StringArray::from_iter(names))];
        let images: ArrayRef = Arc::new(StructArray::new(fields.into_iter().collect::<Fields>(), parts, None));
        let labels: ArrayRef = Arc::new(Int64Array::from_iter_values(0..10));
        RecordBatch::try_from_iter([("image", images), ("label", labels)]).unwrap()
    };
    (0..4).map(part).collect()
}

#[test]
fn of_other_parquet_files_column_chunks_are_read() {
    let s = Scratch::new();
    for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY] {
        let path = s.path().join("x.parquet");
        let properties = WriterProperties::builder().set_compression(compression);
        let properties = properties.set_max_row_group_row_count(Some(10)).build();
        let mut writer =
            ArrowWriter::try_new(File::create(&path).unwrap(), rows()[0].schema(), Some(properties)).unwrap();
        rows().iter().for_each(|batch| writer.write(batch).unwrap());
        writer.close().unwrap();
        let (files, read) = Store::of(s.path().to_owned());
        let open = || Table::open_stored(&files, &[("x.parquet".to_owned(), None)], &StoreCache::new(None, 0)).unwrap();
        let (table, bytes) = reading(&read, open);
        assert!(bytes < 150_000, "{bytes}");
        let (labels, bytes) = reading(&read, || table.column("label").unwrap());
        assert!(labels.len() == 40 && bytes < 40_000, "{bytes}");
        let (image, bytes) = reading(&read, || table.image_file(25).unwrap());
        assert_eq!(image, noise(25));
        assert!((IMAGE..11 * IMAGE).contains(&bytes), "{bytes}");
        (0..40).for_each(|row| assert_eq!(table.image_file(row as usize).unwrap(), noise(row)));
    }
}

#[test]
fn of_other_arrow_files_record_batches_are_read() {
    let s = Scratch::new();
    let mut writer = FileWriter::try_new(File::create(s.path().join("x.arrow")).unwrap(), &rows()[0].schema()).unwrap();
    rows().iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
    let (files, read) = Store::of(s.path().to_owned());
    let open = || Table::open_stored(&files, &[("x.arrow".to_owned(), None)], &StoreCache::new(None, 0)).unwrap();
    let (table, bytes) = reading(&read, open);
    assert!(bytes < 200_000, "{bytes}");
    let (image, bytes) = reading(&read, || table.image_file(25).unwrap());
    assert_eq!(image, noise(25));
    assert!((IMAGE..12 * IMAGE).contains(&bytes), "{bytes}");
    (0..40).for_each(|row| assert_eq!(table.image_file(row as usize).unwrap(), noise(row)));
}

#[test]
fn a_file_beside_a_table_in_a_store_is_not_read() {
    let s = Scratch::new();
    s.file("0.jpg", b"here");
    let fields = [Field::new("bytes", DataType::Binary, true), Field::new("path", DataType::Utf8, true)];
    let parts: Vec<ArrayRef> =
        vec![Arc::new(BinaryArray::from_iter([None::<&[u8]>])), Arc::new(StringArray::from_iter_values(["0.jpg"]))];
    let images: ArrayRef = Arc::new(StructArray::new(fields.into_iter().collect::<Fields>(), parts, None));
    let batch = RecordBatch::try_from_iter([("image", images)]).unwrap();
    let mut writer =
        ArrowWriter::try_new(File::create(s.path().join("x.parquet")).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let (files, _) = Store::of(s.path().to_owned());
    let table = Table::open_stored(&files, &[("x.parquet".to_owned(), None)], &StoreCache::new(None, 0)).unwrap();
    let error = table.image_file(0).unwrap_err().to_string();
    assert!(error.ends_with("has no usable image: it is null, and its file `0.jpg` is not on this machine"), "{error}");
    assert_eq!(Table::open(s.path().join("x.parquet")).unwrap().image_file(0).unwrap(), &b"here"[..]);
}
