//! Reading files of inlaid and of other tools: the same tensors in every way.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt8Type};
use arrow_array::{Array, ArrayRef, FixedSizeListArray, Float32Array, RecordBatch, UInt8Array};
use arrow_schema::{DataType, Field, Schema};
use inlaid::read::{BatchOptions, Draw, Epoch, Part, RowOrder, Share, Uneven};
use inlaid::{Dataset, Split, Table};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use crate::harness::Scratch;

/// A dataset of 40 images in several row groups and shards.
fn dataset(settings: &str) -> Scratch {
    let scratch = Scratch::new();
    scratch.images(&["src/a", "src/b"], 20);
    let sizes = "--size 6x5 --row-group-bytes 900 --shard-bytes 1800";
    scratch.convert(&format!("src --out d --split train=0.9,test=0.1 {sizes} {settings}")).exits(0);
    scratch
}

/// The tensors and labels of Parquet files, as the parquet crate decodes them.
fn decoded(folder: &Path) -> (Vec<u8>, Vec<i64>) {
    let (mut tensors, mut labels) = (Vec::new(), Vec::new());
    let mut paths: Vec<PathBuf> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap();
        for batch in reader {
            let batch = batch.unwrap();
            let images = batch.column_by_name("image").unwrap();
            match images.data_type() {
                DataType::FixedSizeBinary(_) => {
                    images.as_fixed_size_binary().iter().for_each(|row| tensors.extend_from_slice(row.unwrap()));
                }
                _ => {
                    tensors.extend_from_slice(images.as_fixed_size_list().values().as_primitive::<UInt8Type>().values())
                }
            }
            labels.extend_from_slice(batch.column_by_name("label").unwrap().as_primitive::<Int64Type>().values());
        }
    }
    (tensors, labels)
}

fn all(table: &Table) -> Vec<u8> {
    table.copy(&(0..table.len()).collect::<Vec<_>>()).unwrap().to_vec()
}

fn batches(table: &Arc<Table>, options: &BatchOptions) -> Vec<Vec<usize>> {
    table.batches(options).unwrap().map(|batch| batch.unwrap().rows).collect()
}

#[test]
fn every_storage_reads_back_as_the_parquet_crate_decodes_it() {
    for settings in
        ["", "--storage binary", "--compression zstd", "--compression lz4", "--storage binary --compression lz4"]
    {
        let scratch = dataset(settings);
        let table = Table::open(scratch.path().join("d/train")).unwrap();
        let (tensors, labels) = decoded(&scratch.path().join("d/train"));
        assert_eq!(table.len(), 36);
        assert_eq!(table.tensor_column().unwrap().shape, [6, 5, 3]);
        assert_eq!(all(&table), tensors, "{settings}");
        assert_eq!(table.column("label").unwrap().as_primitive::<Int64Type>().values(), &labels[..]);
        for row in [0, 7, 8, 20, 35] {
            assert_eq!(table.tensor(row).unwrap(), tensors[row * 90..(row + 1) * 90], "{settings}");
        }
        let chosen = [35, 0, 1, 2, 20, 20, 8];
        let expected: Vec<u8> = chosen.iter().flat_map(|row| tensors[row * 90..(row + 1) * 90].to_vec()).collect();
        assert_eq!(table.copy(&chosen).unwrap().to_vec(), expected, "{settings}");
    }
}

#[test]
fn arrow_files_read_back_as_parquet_files() {
    let parquet = dataset("");
    for settings in ["--format arrow", "--format arrow --storage binary", "--format arrow --compression zstd"] {
        let arrow = dataset(settings);
        let open = |scratch: &Scratch| Table::open(scratch.path().join("d/train")).unwrap();
        assert_eq!(all(&open(&arrow)), all(&open(&parquet)), "{settings}");
    }
}

#[test]
fn verbatim_tensors_are_slices_of_the_file() {
    let scratch = dataset("");
    let table = Table::open(scratch.path().join("d/train")).unwrap();
    let (first, second) = (table.tensor(0).unwrap(), table.tensor(1).unwrap());
    // Neighbours in a page are neighbours in memory, and asking again gives the same memory.
    assert_eq!(first.as_ptr() as usize + 90, second.as_ptr() as usize);
    assert_eq!(first.as_ptr(), table.tensor(0).unwrap().as_ptr());
}

#[test]
fn rejected_rows_leave_short_pages_that_are_read() {
    let scratch = Scratch::new();
    scratch.images(&["src/a"], 30);
    for number in [3, 4, 11, 29] {
        scratch.file(&format!("src/a/{number:03}.png"), b"no image");
    }
    scratch.convert("src --out d --split train=1 --size 6x5 --order path").exits(3);
    let table = Table::open(scratch.path().join("d/train")).unwrap();
    assert_eq!((table.len(), all(&table)), (26, decoded(&scratch.path().join("d/train")).0));
}

#[test]
fn files_of_other_writers_are_decoded() {
    let scratch = Scratch::new();
    let values: Vec<u8> = (0..20 * 12).map(|n| (n * 7 % 251) as u8).collect();
    let write = |name: &str, properties: WriterProperties, item_nullable: bool, values: ArrayRef| {
        let item = Arc::new(Field::new("item", values.data_type().clone(), item_nullable));
        let list = FixedSizeListArray::try_new(item, 12, values, None).unwrap();
        let schema = Arc::new(Schema::new(vec![Field::new("pixels", list.data_type().clone(), false)]));
        let path = scratch.path().join(name);
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), schema.clone(), Some(properties)).unwrap();
        writer.write(&RecordBatch::try_new(schema, vec![Arc::new(list)]).unwrap()).unwrap();
        writer.close().unwrap();
        Table::open(&path).unwrap()
    };
    let bytes: ArrayRef = Arc::new(UInt8Array::from(values.clone()));
    let builder = || WriterProperties::builder().set_max_row_group_row_count(Some(6));
    for (name, properties) in [
        ("dictionary", builder().build()),
        ("plain", builder().set_dictionary_enabled(false).build()),
        ("lz4", builder().set_compression(Compression::LZ4_RAW).build()),
        ("snappy", builder().set_compression(Compression::SNAPPY).build()),
        ("v2", builder().set_writer_version(parquet::file::properties::WriterVersion::PARQUET_2_0).build()),
    ] {
        for item_nullable in [true, false] {
            let table = write(name, properties.clone(), item_nullable, bytes.clone());
            assert_eq!((table.len(), all(&table)), (20, values.clone()), "{name}");
        }
    }
    let floats: Vec<f32> = (0..20 * 12).map(|n| n as f32 / 3.0).collect();
    let table = write("floats", builder().build(), true, Arc::new(Float32Array::from(floats.clone())));
    assert_eq!(table.tensor_column().unwrap().element.numpy_name(), "float32");
    assert_eq!(all(&table), floats.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>());

    let holes: ArrayRef = Arc::new(UInt8Array::from((0..240).map(|n| (n != 100).then_some(1)).collect::<Vec<_>>()));
    let table = write("holes", builder().build(), true, holes);
    let message = table.tensor(8).unwrap_err().to_string();
    assert!(message.ends_with("holes` is damaged: row group 1: an element of a tensor is null"), "{message}");
}

#[test]
fn an_epoch_gives_every_row_once() {
    let scratch = dataset("");
    let table = Arc::new(Table::open(scratch.path().join("d/train")).unwrap());
    for order in [RowOrder::Stored, RowOrder::Mixed { row_groups: 2 }, RowOrder::Random] {
        for (world_size, workers, prefetch) in [(1, 1, 0), (3, 1, 2), (2, 3, 0), (1, 2, 3)] {
            let mut seen = Vec::new();
            for rank in 0..world_size {
                let epoch = Epoch { order, seed: 5, number: 1 };
                let whole = BatchOptions::new(5).epoch(epoch).share(Share { rank, world_size, ..Share::default() });
                let alone = batches(&table, &whole);
                // Workers take turns: together they give the batches of one worker, in its order.
                let parts: Vec<_> = (0..workers)
                    .map(|worker| batches(&table, &whole.clone().worker((worker, workers)).prefetch(prefetch)))
                    .collect();
                let turns: Vec<_> =
                    (0..alone.len()).map(|number| parts[number % workers][number / workers].clone()).collect();
                assert_eq!(turns, alone);
                seen.extend(alone.into_iter().flatten());
            }
            seen.sort_unstable();
            assert_eq!(seen, (0..36).collect::<Vec<_>>());
        }
    }
}

#[test]
fn orders_depend_on_seed_and_epoch_alone() {
    let scratch = dataset("");
    let table = Table::open(scratch.path().join("d/train")).unwrap();
    let rows = |order, seed, number| Epoch { order, seed, number }.rows(&table).unwrap();
    let orders: BTreeSet<Vec<usize>> =
        [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(seed, number)| rows(RowOrder::Random, seed, number)).into();
    assert_eq!(orders.len(), 4);
    // Written down: training runs that are repeated must see the same order.
    assert_eq!(rows(RowOrder::Random, 0, 0)[..6], [27, 8, 6, 1, 9, 28]);
    // Row groups have 8 rows; two are mixed at a time.
    let mixed = rows(RowOrder::Mixed { row_groups: 2 }, 0, 0);
    let groups = |rows: &[usize]| rows.iter().map(|row| row / 8).collect::<BTreeSet<_>>().len();
    assert_eq!((groups(&mixed[..16]), mixed.len()), (2, 36));
}

#[test]
fn a_run_goes_on_with_the_next_row_in_any_number_of_workers() {
    let scratch = dataset("");
    let table = Arc::new(Table::open(scratch.path().join("d/train")).unwrap());
    let epoch = Epoch { order: RowOrder::Random, seed: 1, number: 0 };
    let options = BatchOptions::new(4).epoch(epoch);
    let whole = batches(&table, &options);
    for (skip, workers) in [(0, 1), (3, 1), (3, 2), (5, 4), (9, 2), (20, 1)] {
        let parts: Vec<_> =
            (0..workers).map(|worker| batches(&table, &options.clone().skip(skip).worker((worker, workers)))).collect();
        let left = whole.len().saturating_sub(skip);
        let rest: Vec<_> = (0..left).map(|number| parts[number % workers][number / workers].clone()).collect();
        assert_eq!(rest, whole[whole.len() - left..]);
    }
}

#[test]
fn equal_shares_have_equally_many_rows() {
    let scratch = dataset("");
    let table = Arc::new(Table::open(scratch.path().join("d/train")).unwrap());
    let share = |rank, uneven| Share { rank, world_size: 5, uneven };
    let lengths = |rank, uneven, drop_last| {
        let options = BatchOptions::new(3).share(share(rank, uneven)).drop_last(drop_last);
        let read = batches(&table, &options);
        assert_eq!(read.len(), options.count(table.len()));
        read.iter().map(Vec::len).collect::<Vec<_>>()
    };
    for rank in 0..5 {
        assert_eq!(lengths(rank, Uneven::Drop, false), [3, 3, 1]);
        assert_eq!(lengths(rank, Uneven::Drop, true), [3, 3]);
        assert_eq!(lengths(rank, Uneven::Pad, false), [3, 3, 2]);
        assert_eq!(lengths(rank, Uneven::Pad, true), [3, 3]);
    }
    let epoch: Vec<usize> = (0..36).rev().collect();
    let rows = |uneven| (0..5).flat_map(|rank| share(rank, uneven).rows(&epoch)).collect::<Vec<_>>();
    assert_eq!(rows(Uneven::Keep), epoch);
    assert_eq!(rows(Uneven::Drop), epoch[..35]);
    assert_eq!(rows(Uneven::Pad), [&epoch, &epoch[..4]].concat());
}

#[test]
fn shares_of_few_rows_and_of_many_ranks_are_right() {
    let share = |rank, world_size, uneven| Share { rank, world_size, uneven };
    let rows = |uneven| (0..7).flat_map(|rank| share(rank, 7, uneven).rows(&[4, 2])).collect::<Vec<_>>();
    assert_eq!(rows(Uneven::Keep), [4, 2]);
    assert_eq!(rows(Uneven::Drop), Vec::<usize>::new());
    assert_eq!(rows(Uneven::Pad), [4, 2, 4, 2, 4, 2, 4]);
    for uneven in [Uneven::Keep, Uneven::Drop, Uneven::Pad] {
        assert!(share(3, 4, uneven).rows(&[]).is_empty());
        assert!(share(usize::MAX - 1, usize::MAX, uneven).count(1000) <= 1);
    }
}

#[test]
fn an_open_dataset_stays_what_it_was() {
    let scratch = dataset("");
    let before = Dataset::open(scratch.path().join("d")).unwrap();
    let tensors = all(before.split(Split::Train).unwrap());
    scratch.images(&["more/a"], 30);
    std::fs::rename(scratch.path().join("more/a"), scratch.path().join("more/c")).unwrap();
    scratch.run("append", "more --out d").exits(0);
    assert_eq!(all(before.split(Split::Train).unwrap()), tensors);
    let after = Dataset::open(scratch.path().join("d")).unwrap();
    let train = after.split(Split::Train).unwrap();
    assert_eq!((before.split(Split::Train).unwrap().len(), train.len()), (36, 63));
    assert_eq!(all(train)[..tensors.len()], tensors);
    assert!(before.split(Split::Validation).is_none());
}

#[test]
fn what_is_not_there_is_named() {
    let scratch = dataset("");
    let table = Table::open(scratch.path().join("d/train")).unwrap();
    let message = |outcome: Result<_, inlaid::FormatError>| outcome.map(|_: ()| ()).unwrap_err().to_string();
    assert_eq!(message(table.tensor(36).map(drop)), "row 36 is out of range for a table of length 36");
    assert!(message(table.column("colour").map(drop)).ends_with("train-00000.parquet` has no column `colour`"));
    assert!(
        message(Table::open(scratch.path().join("src")).map(drop)).ends_with("src` holds no Parquet or Arrow files")
    );
    assert!(message(Dataset::open(scratch.path().join("src")).map(drop)).ends_with("src` holds no dataset"));
    scratch.file("short/train.parquet", b"PAR1");
    let short = message(Table::open(scratch.path().join("short")).map(drop));
    assert!(short.contains("train.parquet` is damaged: "), "{short}");
}

/// Bytes of the tensor column are changed one by one, those of the dictionary, headers and levels
/// among them: the rows are then decoded in another way, or not at all.
#[test]
fn pages_that_only_look_verbatim_never_give_wrong_pixels() {
    for settings in ["", "--compression lz4"] {
        let scratch = dataset(settings);
        let file = std::fs::read(scratch.path().join("d/test/test-00000.parquet")).unwrap();
        let path = scratch.file("x.parquet", &file);
        let right = all(&Table::open(&path).unwrap());
        for at in 4..1900 {
            for bit in [0, 3, 7] {
                let mut damaged = file.clone();
                damaged[at] ^= 1 << bit;
                std::fs::write(&path, &damaged).unwrap();
                let read = Table::open(&path).and_then(|table| table.copy(&(0..table.len()).collect::<Vec<_>>()));
                if let Ok(read) = read {
                    // A changed pixel is a changed pixel; all others stay where they were.
                    let differ = read.iter().zip(&right).filter(|(a, b)| a != b).count();
                    assert_eq!(read.len(), right.len(), "{settings}: byte {at}, bit {bit}");
                    assert!(differ <= usize::from(settings.is_empty()), "{settings}: byte {at}, bit {bit}");
                }
            }
        }
    }
}

/// No damage makes a reader panic, or ask for more memory than there is. Pixels of Arrow files have no
/// checksums that a reader could look at.
#[test]
fn damaged_arrow_files_are_errors_or_have_their_rows() {
    for settings in ["--format arrow", "--format arrow --compression zstd", "--format arrow --compression lz4"] {
        let scratch = dataset(settings);
        let file = std::fs::read(scratch.path().join("d/test/test-00000.arrow")).unwrap();
        let path = scratch.file("x.arrow", &file);
        let rows = Table::open(&path).unwrap().len();
        for at in 0..file.len() {
            for bit in [0, 6, 7] {
                let mut damaged = file.clone();
                damaged[at] ^= 1 << bit;
                std::fs::write(&path, &damaged).unwrap();
                if let Ok(table) = Table::open(&path)
                    && table.len() == rows
                {
                    let _ = table.copy(&(0..rows).collect::<Vec<_>>());
                }
            }
        }
    }
}

#[test]
fn a_selection_is_a_table_of_these_rows() {
    let scratch = dataset("");
    let table = Arc::new(Table::open(scratch.path().join("d/train")).unwrap());
    let rows = [3, 4, 5, 35, 0, 0];
    let view = table.select(&rows).unwrap();
    assert_eq!(view.len(), 6);
    for (row, stored) in rows.into_iter().enumerate() {
        assert_eq!(view.tensor(row).unwrap(), table.tensor(stored).unwrap());
    }
    assert_eq!(view.run(0, 6).unwrap().1, 3, "rows that follow each other in the file are one run");
    let path = |table: &Table, row: usize| table.column("path").unwrap().as_string::<i32>().value(row).to_owned();
    assert_eq!(path(&view, 3), path(&table, 35));
    assert_ne!(view.fingerprint(), table.fingerprint());
    assert_ne!(view.fingerprint(), table.select(&rows[..5]).unwrap().fingerprint());
    assert_eq!(table.select(&[36]).unwrap_err().to_string(), "row 36 is out of range for a table of length 36");
    assert_eq!(view.tensor(6).unwrap_err().to_string(), "row 6 is out of range for a table of length 6");
}

#[test]
fn tables_follow_each_other() {
    let scratch = dataset("");
    let table = Table::open(scratch.path().join("d/train")).unwrap();
    let both = Table::concat(&[&table.select(&[7, 2]).unwrap(), &table]).unwrap();
    assert_eq!((both.len(), both.classes()), (38, table.classes()));
    assert_eq!(both.tensor(1).unwrap(), table.tensor(2).unwrap());
    assert_eq!(both.tensor(37).unwrap(), table.tensor(35).unwrap());
}

#[test]
fn parts_go_on_where_the_epoch_before_stopped() {
    let scratch = dataset("");
    let table = Arc::new(Table::open(scratch.path().join("d/train")).unwrap());
    let parts = [Part { rows: (0..10).collect(), count: 4 }, Part { rows: (10..36).collect(), count: 8 }];
    for order in [RowOrder::Stored, RowOrder::Random, RowOrder::Mixed { row_groups: 1 }] {
        let mut seen = [0; 36];
        for number in 0..65 {
            let epoch = Epoch { order, seed: 2, number };
            let options = BatchOptions::new(5).epoch(epoch).draw(Draw::Parts(parts.clone().into()));
            let rows: Vec<usize> = batches(&table, &options).into_iter().flatten().collect();
            assert_eq!((rows.len(), options.count(table.len())), (12, 3));
            assert_eq!(rows.iter().filter(|row| **row < 10).count(), 4);
            rows.into_iter().for_each(|row| seen[row] += 1);
        }
        // 260 draws of 10 rows, and 520 of 26.
        assert_eq!(seen[..10], [26; 10]);
        assert_eq!(seen[10..], [20; 26]);
    }
}

#[test]
fn weights_decide_how_often_a_row_is_drawn() {
    let scratch = dataset("");
    let table = Arc::new(Table::open(scratch.path().join("d/train")).unwrap());
    let weights: Vec<f64> = (0..36).map(|row| if row < 3 { row as f64 } else { 0.0 }).collect();
    for number in 0..20 {
        let epoch = Epoch { order: RowOrder::Random, seed: 0, number };
        let options = BatchOptions::new(36).epoch(epoch).draw(Draw::Weights(weights.clone().into()));
        let rows: Vec<usize> = batches(&table, &options).into_iter().flatten().collect();
        let drawn = |row: usize| rows.iter().filter(|other| **other == row).count();
        assert_eq!([drawn(0), drawn(1), drawn(2)], [0, 12, 24]);
    }
}
