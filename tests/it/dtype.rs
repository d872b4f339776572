//! Tensors of every element type and layout: written, appended to, compacted and read back in every way.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type, UInt16Type};
use arrow_array::{Array, RecordBatchReader};
use inlaid::Table;
use inlaid::read::{BatchOptions, Element};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::harness::Scratch;

const ELEMENTS: [(&str, Element); 3] = [("u16", Element::U16), ("f16", Element::F16), ("f32", Element::F32)];

/// A dataset of 40 images in several row groups and shards.
fn dataset(settings: &str) -> Scratch {
    let s = Scratch::new();
    s.images(&["src/a", "src/b"], 20);
    let sizes = "--size 16x15 --row-group-bytes 20000 --shard-bytes 60000";
    s.convert(&format!("src --out d --split train=0.9,test=0.1 {sizes} {settings}")).exits(0);
    s
}

fn train(s: &Scratch) -> Table {
    Table::open(s.path().join("d/train")).unwrap()
}

fn all(table: &Table) -> Vec<u8> {
    table.copy(&(0..table.len()).collect::<Vec<_>>()).unwrap().to_vec()
}

/// The tensors of Parquet files, as the parquet crate decodes them.
fn decoded(folder: &Path) -> Vec<u8> {
    let mut paths: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut tensors = Vec::new();
    for path in paths {
        let file = fs::File::open(path).unwrap();
        for batch in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
            let images = batch.unwrap().column_by_name("image").unwrap().clone();
            match images.as_fixed_size_list_opt() {
                Some(list) => tensors.extend_from_slice(&elements(list.values())),
                None => images.as_fixed_size_binary().iter().for_each(|row| tensors.extend_from_slice(row.unwrap())),
            }
        }
    }
    tensors
}

fn elements(values: &dyn Array) -> Vec<u8> {
    if let Some(values) = values.as_primitive_opt::<UInt16Type>() {
        return values.values().iter().flat_map(|value| value.to_le_bytes()).collect();
    }
    if let Some(values) = values.as_primitive_opt::<Float16Type>() {
        return values.values().iter().flat_map(|value| value.to_le_bytes()).collect();
    }
    values.as_primitive::<Float32Type>().values().iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[test]
fn every_element_type_reads_back_as_the_parquet_crate_decodes_it() {
    for (dtype, element) in ELEMENTS {
        for settings in
            ["", "--layout chw", "--storage binary", "--compression zstd", "--storage binary --compression lz4"]
        {
            let s = dataset(&format!("--dtype {dtype} {settings}"));
            s.is_whole("d");
            let table = train(&s);
            let shape = if settings.contains("chw") { [3, 16, 15] } else { [16, 15, 3] };
            assert_eq!(
                (table.tensor_column().unwrap().element, &table.tensor_column().unwrap().shape[..]),
                (element, &shape[..])
            );
            assert_eq!(all(&table), decoded(&s.path().join("d/train")), "{dtype} {settings}");
        }
    }
}

#[test]
fn arrow_files_hold_the_same_elements() {
    for (dtype, _) in ELEMENTS {
        let parquet = all(&train(&dataset(&format!("--dtype {dtype}"))));
        for settings in ["--format arrow", "--format arrow --storage binary", "--format arrow --compression zstd"] {
            let s = dataset(&format!("--dtype {dtype} {settings}"));
            s.is_whole("d");
            assert_eq!(all(&train(&s)), parquet, "{dtype} {settings}");
        }
    }
}

#[test]
fn tensors_are_aligned_slices_of_the_file() {
    for (dtype, element) in ELEMENTS {
        let s = dataset(&format!("--dtype {dtype}"));
        let table = train(&s);
        for row in 0..table.len() {
            let tensor = table.tensor(row).unwrap();
            // A copy would lie somewhere else the next time, while the first one is there.
            assert_eq!(tensor.as_ptr(), table.tensor(row).unwrap().as_ptr(), "{dtype} {row}");
            assert!(tensor.as_ptr().addr().is_multiple_of(element.size()), "{dtype} {row}");
        }
    }
}

#[test]
fn batches_and_record_batches_have_the_elements() {
    for settings in ["--dtype u16", "--dtype f16 --layout chw", "--dtype f32", "--dtype f32 --storage binary"] {
        let table = Arc::new(train(&dataset(settings)));
        let expected = all(&table);
        let batches = table.batches(&BatchOptions::new(7)).unwrap();
        let read: Vec<u8> = batches.flat_map(|batch| batch.unwrap().tensors.to_vec()).collect();
        assert_eq!(read, expected, "{settings}");
        let batches = table.record_batches(None).unwrap();
        assert_eq!(batches.schema(), *table.schema());
        let rows: usize = batches.map(|batch| batch.unwrap().num_rows()).sum();
        assert_eq!(rows, table.len(), "{settings}");
    }
}

#[test]
fn rows_that_are_added_are_made_as_the_others() {
    for settings in
        ["--dtype u16", "--dtype f32 --layout chw --mean imagenet --std imagenet", "--dtype f16 --format arrow"]
    {
        let s = dataset(&format!("--order path {settings}"));
        let before = all(&train(&s));
        s.more_images(&["src/a", "src/b"], 20..23);
        s.run("append", "src --out d").exits(0);
        s.is_whole("d");
        assert!(all(&train(&s)).starts_with(&before), "{settings}");
        assert!(train(&s).len() > 36);
        let appended = all(&train(&s));
        s.run("compact", "d").exits(0);
        s.is_whole("d");
        assert_eq!(all(&train(&s)), appended, "{settings}");
    }
}

#[test]
fn copied_row_groups_stay_aligned() {
    let s = dataset("--dtype f32");
    for first in [20, 21, 22] {
        s.more_images(&["src/a", "src/b"], first..first + 1);
        s.run("append", "src --out d").exits(0);
    }
    s.run("compact", "d").exits(0);
    s.is_whole("d");
    let table = train(&s);
    for row in 0..table.len() {
        assert_eq!(table.tensor(row).unwrap().as_ptr(), table.tensor(row).unwrap().as_ptr(), "{row}");
    }
}

#[test]
fn planes_are_the_channels_of_the_pixels() {
    let (hwc, chw) = (all(&train(&dataset("--dtype f32"))), all(&train(&dataset("--dtype f32 --layout chw"))));
    let (hwc, chw): (&[[u8; 4]], &[[u8; 4]]) = (hwc.as_chunks().0, chw.as_chunks().0);
    for (row, planes) in chw.chunks(3 * 16 * 15).enumerate() {
        for (at, element) in planes.iter().enumerate() {
            let (channel, pixel) = (at / (16 * 15), at % (16 * 15));
            assert_eq!(*element, hwc[(row * 16 * 15 + pixel) * 3 + channel]);
        }
    }
}

#[test]
fn manifest_tells_how_elements_were_made() {
    let s = dataset("--dtype f32 --mean imagenet --std 0.5");
    let spec = &s.manifest("d")["spec"];
    assert_eq!((&spec["dtype"], &spec["scale"]), (&"f32".into(), &"0..1".into()));
    assert_eq!(spec["mean"], serde_json::json!([0.485, 0.456, 0.406]));
    assert_eq!(spec["std"], serde_json::json!([0.5]));
    let s = dataset("");
    let spec = &s.manifest("d")["spec"];
    assert!(["scale", "mean", "std"].iter().all(|name| spec.get(name).is_none()));
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let s = Scratch::new();
    s.images(&["src/a"], 1);
    let refused =
        |settings: &str, message: &str| s.convert(&format!("src --out d --size 4 {settings}")).fails(2, message);
    let floats = "hint: `--scale`, `--mean` and `--std` need `--dtype f32` or `--dtype f16`";
    refused("--scale 0..1", &format!("error: `--scale` has no effect with `--dtype u8`\n{floats}"));
    refused("--dtype u16 --mean 0.5", &format!("error: `--mean` has no effect with `--dtype u16`\n{floats}"));
    refused("--std imagenet", &format!("error: `--std` has no effect with `--dtype u8`\n{floats}"));
    let scale = "hint: leave out `--scale`, or give numbers on the scale that you chose";
    for (scaled, what) in [("--scale 0..255 --mean", "mean"), ("--scale -1..1 --std", "standard deviation")] {
        let message = format!("error: the imagenet {what} is for the scale 0..1\n{scale}");
        refused(&format!("--dtype f32 {scaled} imagenet"), &message);
    }
    refused(
        "--dtype f32 --channels gray --mean imagenet",
        "error: gray tensors have one mean, not three\nhint: give one number, as in `--mean 0.5 --std 0.25`",
    );
}

#[test]
fn numbers_that_make_no_sense_are_usage() {
    let s = Scratch::new();
    s.images(&["src/a"], 1);
    for (settings, message) in [
        ("--std 0", "standard deviation `0` is not one number or three numbers R,G,B, all above 0, or imagenet"),
        ("--std 1,1", "standard deviation `1,1` is not one number or three numbers R,G,B, all above 0, or imagenet"),
        ("--mean 1,2", "mean `1,2` is not one number, three numbers R,G,B, or imagenet"),
        ("--mean NaN", "mean `NaN` is not one number, three numbers R,G,B, or imagenet"),
        ("--mean x", "mean `x` is not one number, three numbers R,G,B, or imagenet"),
        ("--scale 1..2", "invalid value '1..2' for '--scale <SCALE>'"),
    ] {
        let ran = s.convert(&format!("src --out d --size 4 --dtype f32 {settings}")).exits(2);
        assert!(ran.stderr.contains(message), "{settings}: {}", ran.stderr);
    }
}
