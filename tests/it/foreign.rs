//! Files of other writers: any row is decoded from the pages it is in, whatever these are.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::types::{Float16Type, Float64Type, Int16Type, UInt8Type, UInt32Type};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, FixedSizeListArray, PrimitiveArray, RecordBatch, UInt8Array};
use arrow_schema::{Field, Schema};
use half::f16;
use inlaid::Table;
use inlaid::read::FileAccess;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};

use crate::harness::Scratch;

/// Writes lists of this length.
fn write(path: &Path, values: ArrayRef, length: i32, properties: WriterPropertiesBuilder) {
    let item = Arc::new(Field::new("item", values.data_type().clone(), true));
    let list = FixedSizeListArray::try_new(item, length, values, None).unwrap();
    let schema = Arc::new(Schema::new(vec![Field::new("pixels", list.data_type().clone(), true)]));
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, schema.clone(), Some(properties.build())).unwrap();
    writer.write(&RecordBatch::try_new(schema, vec![Arc::new(list)]).unwrap()).unwrap();
    writer.close().unwrap();
}

/// Properties of pages of about 100 bytes.
fn small_pages() -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_data_page_size_limit(100)
        .set_write_batch_size(16)
        .set_max_row_group_row_count(Some(23))
}

/// Reads 50 rows of 12 elements one by one, forwards and backwards, each with a new table, and all of them at once.
fn check<T: ArrowPrimitiveType>(path: &Path, value: impl Fn(usize) -> T::Native) {
    let values: PrimitiveArray<T> = PrimitiveArray::from_iter_values((0..50 * 12).map(value));
    let bytes = values.to_data().buffers()[0].as_slice().to_vec();
    let row_bytes = bytes.len() / 50;
    let values: ArrayRef = Arc::new(values);
    for (name, properties) in [
        ("dictionary", small_pages()),
        ("plain", small_pages().set_dictionary_enabled(false)),
        ("lz4", small_pages().set_compression(Compression::LZ4_RAW)),
        ("zstd", small_pages().set_dictionary_enabled(false).set_compression(Compression::ZSTD(ZstdLevel::default()))),
        ("v2", small_pages().set_writer_version(WriterVersion::PARQUET_2_0)),
    ] {
        write(path, values.clone(), 12, properties);
        for access in [FileAccess::Map, FileAccess::Read] {
            let table = Table::open_with(path, access).unwrap();
            for row in (0..50).rev().chain(0..50) {
                let expected = &bytes[row * row_bytes..][..row_bytes];
                assert_eq!(table.tensor(row).unwrap(), expected, "{name}, row {row}");
                assert_eq!(Table::open_with(path, access).unwrap().tensor(row).unwrap(), expected, "{name}, row {row}");
            }
            assert_eq!(table.copy(&(0..50).collect::<Vec<_>>()).unwrap().to_vec(), bytes, "{name}");
        }
    }
}

#[test]
fn any_row_is_found_in_its_pages() {
    let scratch = Scratch::new();
    let path = scratch.path().join("x.parquet");
    check::<UInt8Type>(&path, |n| (n * 7 % 251) as u8);
    check::<Int16Type>(&path, |n| (n as i16 - 300) * 91);
    check::<UInt32Type>(&path, |n| n as u32 * 7_000_003);
    check::<Float16Type>(&path, |n| f16::from_f32(n as f32));
    check::<Float64Type>(&path, |n| n as f64 / 3.0);
}

#[test]
fn a_row_may_be_longer_than_what_is_decoded_at_a_time() {
    let scratch = Scratch::new();
    let path = scratch.path().join("x.parquet");
    let length = 400_000;
    let bytes: Vec<u8> = (0..3 * length).map(|n| (n % 253) as u8).collect();
    write(&path, Arc::new(UInt8Array::from(bytes.clone())), length as i32, WriterProperties::builder());
    let table = Table::open(&path).unwrap();
    for row in [2, 0, 1] {
        assert!(table.tensor(row).unwrap() == bytes[row * length..(row + 1) * length], "row {row}");
    }
}

#[test]
fn a_small_page_that_would_take_much_memory_is_refused() {
    let scratch = Scratch::new();
    let path = scratch.path().join("x.parquet");
    let zeros: ArrayRef = Arc::new(UInt8Array::from(vec![0; 17 << 20]));
    let zstd = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_compression(Compression::ZSTD(ZstdLevel::default()));
    let one_page = zstd.clone().set_data_page_size_limit(usize::MAX).set_write_batch_size(usize::MAX);
    write(&path, zeros.clone(), 1 << 20, one_page);
    let message = Table::open(&path).unwrap().tensor(3).unwrap_err().to_string();
    let (begin, end) = ("x.parquet` is damaged: row group 0: a page of ", ", more than 1000 times as many");
    assert!(message.contains(begin) && message.ends_with(end), "{message}");
    let out = scratch.run("repack", "x.parquet --out out").exits(1).stderr;
    assert!(out.contains("a page of ") && out.contains(end), "{out}");
    // The same tensors in pages of the usual length are read.
    write(&path, zeros, 1 << 20, zstd);
    assert_eq!(Table::open(&path).unwrap().tensor(16).unwrap(), vec![0; 1 << 20]);
}

#[test]
fn a_table_knows_whether_its_rows_are_decoded() {
    let scratch = Scratch::new();
    let path = scratch.path().join("x.parquet");
    write(&path, Arc::new(UInt8Array::from(vec![1; 240])), 12, WriterProperties::builder());
    assert!(Table::open(&path).unwrap().decodes());
    scratch.run("repack", "x.parquet --out fast").exits(0);
    assert!(!Table::open(scratch.path().join("fast")).unwrap().decodes());
    scratch.run("repack", "x.parquet --out small --compression zstd").exits(0);
    assert!(!Table::open(scratch.path().join("small")).unwrap().decodes());
}
