//! Files that are read instead of mapped: the same values, and an error where a map would end the process.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use inlaid::read::{BatchOptions, FileAccess};
use inlaid::{Dataset, FormatError, Split, Table};

use crate::harness::Scratch;

/// Every dtype, storage, format and compression that goes together.
fn settings() -> Vec<String> {
    let mut all = Vec::new();
    for dtype in ["u8", "u16", "f16", "f32"] {
        for storage in ["tensor", "binary"] {
            for format in ["parquet", "arrow"] {
                for compression in ["none", "lz4", "zstd"] {
                    all.push(format!(
                        "--dtype {dtype} --storage {storage} --format {format} --compression {compression}"
                    ));
                }
            }
        }
    }
    all
}

fn convert(settings: &str) -> Scratch {
    let scratch = Scratch::new();
    scratch.images(&["src/a", "src/b"], 20);
    let sizes = "--size 6x5 --row-group-bytes 900 --shard-bytes 1800";
    scratch.convert(&format!("src --out d --split train=0.9,test=0.1 {sizes} {settings}")).exits(0);
    scratch
}

fn train(folder: &Path, access: FileAccess) -> Arc<Table> {
    let mut splits = Dataset::open_with(folder, access).unwrap().into_splits();
    Arc::new(splits.remove(&Split::Train).unwrap())
}

#[test]
fn files_that_are_not_mapped_have_the_same_rows() {
    for settings in settings() {
        let scratch = convert(&settings);
        let folder = scratch.path().join("d");
        let (mapped, read) = (train(&folder, FileAccess::Map), train(&folder, FileAccess::Read));
        assert_eq!(read.fingerprint(), mapped.fingerprint());
        for row in 0..mapped.len() {
            assert_eq!(read.tensor(row).unwrap(), mapped.tensor(row).unwrap(), "{settings}: row {row}");
        }
        let options = BatchOptions::new(7).columns(vec!["label".to_owned(), "path".to_owned()]).prefetch(2);
        for (one, other) in read.batches(&options).unwrap().zip(mapped.batches(&options).unwrap()) {
            let (one, other) = (one.unwrap(), other.unwrap());
            assert_eq!((one.rows, one.tensors), (other.rows, other.tensors), "{settings}");
            assert_eq!(one.columns, other.columns, "{settings}");
        }
        let rows = |table: &Arc<Table>| {
            let batches = table.record_batches(None).unwrap().map(|batch| batch.unwrap());
            batches.map(|batch| (batch.num_rows(), batch.column(0).to_data())).collect::<Vec<_>>()
        };
        assert_eq!(rows(&read), rows(&mapped), "{settings}");
    }
}

#[test]
fn a_file_that_is_truncated_in_place_is_an_error_unless_it_is_mapped() {
    // Where rows are is found out before, or only afterwards.
    for (settings, is_known) in [
        ("", false),
        ("", true),
        ("--storage binary", true),
        ("--compression zstd", false),
        ("--format arrow", false),
        ("--format arrow", true),
        ("--format arrow --compression lz4", false),
    ] {
        let scratch = convert(settings);
        let table = train(&scratch.path().join("d"), FileAccess::Read);
        let rows: Vec<usize> = (0..table.len()).collect();
        if is_known {
            table.copy(&rows).unwrap();
        }
        let name = scratch.shards("d", "train").last().unwrap().clone();
        let shard = File::options().write(true).open(scratch.path().join("d").join(name)).unwrap();
        shard.set_len(0).unwrap();
        let error = table.copy(&rows).unwrap_err();
        assert!(matches!(error, FormatError::Damaged { .. }), "{settings}: {error}");
        assert!(error.to_string().ends_with("it was truncated after it was opened"), "{settings}: {error}");
    }
}

#[test]
fn a_file_without_bytes_is_an_error_however_it_is_read() {
    let scratch = Scratch::new();
    let path = scratch.file("x.parquet", b"");
    for access in [FileAccess::Map, FileAccess::Read] {
        let message = Table::open_with(&path, access).unwrap_err().to_string();
        assert!(message.ends_with("x.parquet` is damaged: the file is empty"), "{message}");
    }
}

#[test]
fn strings_of_files_that_are_not_mapped_are_read_too() {
    let scratch = convert("");
    let table = train(&scratch.path().join("d"), FileAccess::Read);
    assert!(table.column("path").unwrap().as_string::<i32>().iter().all(|path| path.unwrap().ends_with(".png")));
}
