//! Files of other writers, repacked: the same rows with verbatim pages, or a message and nothing written.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, UInt8Type};
use arrow_array::{
    Array, ArrayRef, BinaryArray, DictionaryArray, FixedSizeBinaryArray, FixedSizeListArray, Int32Array,
    LargeListArray, ListArray, RecordBatch, StringArray, StructArray, UInt8Array,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_ipc::writer::{FileWriter, StreamWriter};
use arrow_schema::{DataType, Field, Schema};
use inlaid::{Progress, RepackSpec, Table};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::properties::{WriterProperties, WriterVersion};

use crate::harness::Scratch;

const ROWS: usize = 20;
const ELEMENTS: usize = 12;

fn pixels() -> Vec<u8> {
    (0..ROWS * ELEMENTS).map(|n| (n * 7 % 251) as u8).collect()
}

fn item(data_type: DataType) -> Arc<Field> {
    Arc::new(Field::new("item", data_type, true))
}

/// The pixels as fixed-size lists.
fn fixed() -> ArrayRef {
    let values = Arc::new(UInt8Array::from(pixels()));
    Arc::new(FixedSizeListArray::new(item(DataType::UInt8), ELEMENTS as i32, values, None))
}

fn offsets<O: arrow_array::OffsetSizeTrait>(length: usize, count: usize) -> OffsetBuffer<O> {
    OffsetBuffer::from_lengths(std::iter::repeat_n(length, count))
}

/// The pixels in the types that other writers use.
fn storages() -> Vec<(&'static str, ArrayRef)> {
    let values: ArrayRef = Arc::new(UInt8Array::from(pixels()));
    let rows = ListArray::new(item(DataType::UInt8), offsets(3, ROWS * 4), values.clone(), None);
    let nested = FixedSizeListArray::new(item(DataType::UInt8), 3, values.clone(), None);
    vec![
        ("fixed", fixed()),
        ("list", Arc::new(ListArray::new(item(DataType::UInt8), offsets(ELEMENTS, ROWS), values.clone(), None))),
        ("large", Arc::new(LargeListArray::new(item(DataType::UInt8), offsets(ELEMENTS, ROWS), values, None))),
        ("lists", Arc::new(ListArray::new(item(rows.data_type().clone()), offsets(4, ROWS), Arc::new(rows), None))),
        ("fixed-lists", Arc::new(FixedSizeListArray::new(item(nested.data_type().clone()), 4, Arc::new(nested), None))),
        ("bytes", Arc::new(FixedSizeBinaryArray::try_new(ELEMENTS as i32, pixels().into(), None).unwrap())),
        ("binary", Arc::new(BinaryArray::from_iter_values(pixels().chunks(ELEMENTS)))),
    ]
}

/// A table with the tensors between other columns.
fn table(tensors: ArrayRef) -> RecordBatch {
    let numbers: ArrayRef = Arc::new(Int32Array::from_iter((0..ROWS as i32).map(|n| (n % 3 > 0).then_some(n))));
    let texts: ArrayRef = Arc::new(StringArray::from_iter((0..ROWS).map(|n| (n != 5).then(|| format!("row {n}")))));
    let nested: ArrayRef = Arc::new(StructArray::from(vec![
        (Arc::new(Field::new("a", DataType::Int32, true)), numbers.clone()),
        (Arc::new(Field::new("b", DataType::Utf8, true)), texts.clone()),
    ]));
    let words: DictionaryArray<Int32Type> = (0..ROWS).map(|n| ["x", "y", "z"][n % 3]).collect();
    let columns = [("nested", nested), ("pixels", tensors), ("text", texts), ("word", Arc::new(words) as ArrayRef)];
    let fields = columns.iter().map(|(name, array)| {
        Field::new(*name, array.data_type().clone(), true)
            .with_metadata(HashMap::from([("of".to_owned(), (*name).to_owned())]))
    });
    let schema =
        Schema::new_with_metadata(fields.collect::<Vec<_>>(), HashMap::from([("note".to_owned(), "kept".to_owned())]));
    RecordBatch::try_new(Arc::new(schema), columns.into_iter().map(|(_, array)| array).collect()).unwrap()
}

fn write_parquet(path: &Path, batch: &RecordBatch, properties: WriterProperties) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

fn write_plain(scratch: &Scratch, name: &str, tensors: ArrayRef) {
    write_parquet(&scratch.path().join(name), &table(tensors), WriterProperties::default());
}

fn read(path: &Path) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap();
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    arrow_select::concat::concat_batches(&batches[0].schema(), &batches).unwrap()
}

fn all(table: &Table) -> Vec<u8> {
    table.copy(&(0..table.len()).collect::<Vec<_>>()).unwrap().to_vec()
}

/// Asserts that a repacked file has all rows of [`table`], and that its pages are verbatim.
#[track_caller]
fn is_repacked(path: &Path, shape: &[usize], compressed: bool) {
    let opened = Table::open(path).unwrap();
    assert_eq!(opened.tensor_column().unwrap().shape, shape);
    assert_eq!(all(&opened), pixels());
    let whole = fs::read(path).unwrap();
    // A compressed page may hold them too, as what can't be compressed.
    assert!(compressed || whole.windows(8 * ELEMENTS).any(|part| part == &pixels()[..8 * ELEMENTS]));
    let (found, expected) = (read(path), table(fixed()));
    assert_eq!(opened.schema().metadata()["note"], "kept");
    for (at, name) in ["nested", "pixels", "text", "word"].into_iter().enumerate() {
        assert_eq!(found.schema().field(at).name(), name);
        assert_eq!(found.schema().field(at).metadata()["of"], name);
        assert_eq!(found.column(at), expected.column(at), "{name}");
    }
}

#[test]
fn every_storage_keeps_its_rows() {
    for (name, tensors) in storages() {
        let scratch = Scratch::new();
        write_plain(&scratch, "in.parquet", tensors);
        let shape = match name {
            "lists" | "fixed-lists" => vec![4, 3],
            "bytes" | "binary" => vec![2, 2, 3],
            _ => vec![ELEMENTS],
        };
        let words = if shape.len() == 3 { "--shape 2x2x3" } else { "" };
        let ran = scratch.run("repack", &format!("in.parquet --out out {words} --json")).exits(0);
        is_repacked(&scratch.path().join("out/in.parquet"), &shape, false);
        let summary = ran.json();
        assert_eq!((&summary["rows"], &summary["column"]), (&ROWS.into(), &"pixels".into()), "{name}");
        assert_eq!(summary["shape"], serde_json::json!(shape));
    }
}

#[test]
fn every_encoding_is_read_and_every_compression_written() {
    let builder = || WriterProperties::builder().set_max_row_group_row_count(Some(6));
    for (properties, words) in [
        (builder().set_dictionary_enabled(false).build(), ""),
        (builder().set_compression(Compression::SNAPPY).build(), "--compression zstd"),
        (builder().set_writer_version(WriterVersion::PARQUET_2_0).build(), "--compression lz4"),
        (builder().build(), "--row-group-bytes 100"),
    ] {
        let scratch = Scratch::new();
        write_parquet(&scratch.path().join("in.parquet"), &table(fixed()), properties);
        scratch.run("repack", &format!("in.parquet --out out --shape 4,3 {words}")).exits(0);
        is_repacked(&scratch.path().join("out/in.parquet"), &[4, 3], words.contains("compression"));
    }
}

#[test]
fn arrow_files_and_streams_become_parquet() {
    let scratch = Scratch::new();
    let batch = table(fixed());
    let create = |name: &str| File::create(scratch.path().join(name)).unwrap();
    let mut file = FileWriter::try_new(create("a.arrow"), &batch.schema()).unwrap();
    let mut stream = StreamWriter::try_new(create("b.arrows"), &batch.schema()).unwrap();
    for rows in [0..7, 7..7, 7..20] {
        let part = batch.slice(rows.start, rows.len());
        file.write(&part).unwrap();
        stream.write(&part).unwrap();
    }
    file.finish().unwrap();
    stream.finish().unwrap();
    for name in ["a.arrow", "b.arrows"] {
        assert_eq!(all(&Table::open(scratch.path().join(name)).unwrap()), pixels());
    }
    let ran = scratch.run("repack", "a.arrow b.arrows --out out").exits(0);
    assert!(ran.stdout.starts_with("40 rows of `pixels` (12 uint8) in 2 files, "), "{}", ran.stdout);
    assert_eq!(ran.stderr, "");
    is_repacked(&scratch.path().join("out/a.parquet"), &[ELEMENTS], false);
    is_repacked(&scratch.path().join("out/b.parquet"), &[ELEMENTS], false);
}

#[test]
fn folders_keep_their_files_names() {
    let scratch = Scratch::new();
    for name in ["in/train/part-0.parquet", "in/train/part-1.parquet", "in/test/part-0.parquet"] {
        write_plain(&scratch, name, fixed());
    }
    scratch.file("in/_SUCCESS", b"");
    scratch.file("in/.hidden/x.parquet", b"");
    scratch.file("in/README.md", b"text");
    scratch.run("repack", "in --out a/new/out").exits(0);
    let names: Vec<String> = scratch.files("a/new").into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["out/test/part-0.parquet", "out/train/part-0.parquet", "out/train/part-1.parquet"]);
    let train = Table::open(scratch.path().join("a/new/out/train")).unwrap();
    assert_eq!((train.len(), all(&train)), (2 * ROWS, [pixels(), pixels()].concat()));
    // An empty folder is as good as none; what was repacked is repacked to the same bytes.
    fs::create_dir(scratch.path().join("again")).unwrap();
    scratch.run("repack", "a/new/out --out again").exits(0);
    assert_eq!(scratch.files("again"), scratch.files("a/new/out"));
}

#[test]
fn a_table_without_rows_stays_one() {
    let scratch = Scratch::new();
    write_plain(&scratch, "in/full.parquet", storages()[1].1.clone());
    let empty = table(storages()[1].1.clone()).slice(0, 0);
    write_parquet(&scratch.path().join("in/empty.parquet"), &empty, WriterProperties::default());
    scratch.run("repack", "in --out out").exits(0);
    assert_eq!(Table::open(scratch.path().join("out")).unwrap().len(), ROWS);
    scratch.run("repack", "in/empty.parquet --out none").fails(
        1,
        "error: can't repack `in/empty.parquet`: column `pixels` has variable-length lists and no rows to infer a length \
         from\nhint: give the shape with `--shape`, or leave the file out",
    );
    scratch.run("repack", "in/empty.parquet --out none --shape 2x2x3").exits(0);
    let none = Table::open(scratch.path().join("none")).unwrap();
    assert_eq!((none.len(), &none.tensor_column().unwrap().shape[..]), (0, &[2, 2, 3][..]));
}

#[test]
fn what_others_have_beside_the_folder_is_kept() {
    let scratch = Scratch::new();
    write_plain(&scratch, "in.parquet", fixed());
    scratch.file(".out.inlaid/thesis.txt", b"mine");
    let there = scratch.path().canonicalize().unwrap().join(".out.inlaid");
    let message = format!("error: `{}` is in the way and was not written by inlaid", there.display());
    let ran = scratch.run("repack", "in.parquet --out out");
    ran.fails(1, &format!("{message}\nhint: move that file elsewhere"));
    assert_eq!(scratch.files(".out.inlaid"), [("thesis.txt".to_owned(), b"mine".to_vec())]);
    assert!(!scratch.path().join("out").exists());
}

#[test]
#[cfg(unix)]
fn a_folder_that_is_there_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new();
    write_plain(&scratch, "in.parquet", fixed());
    let out = scratch.path().join("out");
    fs::create_dir(&out).unwrap();
    fs::set_permissions(&out, PermissionsExt::from_mode(0o2770)).unwrap();
    scratch.run("repack", "in.parquet --out out").exits(0);
    assert_eq!(out.metadata().unwrap().permissions().mode() & 0o7777, 0o2770);
}

#[test]
fn row_groups_and_pages_suit_the_tensors() {
    let scratch = Scratch::new();
    let rows = 30_000;
    let values = Arc::new(UInt8Array::from_iter_values((0..rows * 4).map(|n| (n % 256) as u8)));
    let list: ArrayRef = Arc::new(FixedSizeListArray::new(item(DataType::UInt8), 4, values, None));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|n| format!("{n:0100}"))));
    let batch = RecordBatch::try_from_iter([("t", list), ("text", texts)]).unwrap();
    write_parquet(&scratch.path().join("in.parquet"), &batch, WriterProperties::default());
    let ran = scratch.run("repack", "in.parquet --out out --row-group-bytes 1MiB --json").exits(0);
    // The texts of a row weigh 104 bytes: they end the row groups.
    assert_eq!(ran.json()["row_groups"], 3);
    let found = read(&scratch.path().join("out/in.parquet"));
    assert_eq!(found.column(1), batch.column(1));
    assert_eq!(found.column(0).as_fixed_size_list().values().as_primitive::<UInt8Type>().len(), rows * 4);
}

#[test]
fn says_what_is_wrong_with_a_source() {
    let scratch = Scratch::new();
    let values: ArrayRef = Arc::new(UInt8Array::from(pixels()));
    let ragged = OffsetBuffer::from_lengths([12, 12, 6, 18].into_iter().chain([12; 16]));
    write_plain(&scratch, "ragged", Arc::new(ListArray::new(item(DataType::UInt8), ragged, values.clone(), None)));
    let nulls = |at: usize, len: usize| Some(NullBuffer::from_iter((0..len).map(|n| n != at)));
    let list = |values: ArrayRef, nulls| {
        Arc::new(FixedSizeListArray::new(item(DataType::UInt8), 12, values, nulls)) as ArrayRef
    };
    write_plain(&scratch, "null", list(values.clone(), nulls(7, ROWS)));
    let holes = UInt8Array::new(pixels().into(), nulls(100, ROWS * ELEMENTS));
    write_plain(&scratch, "hole", list(Arc::new(holes), None));
    let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values(0..240));
    write_plain(&scratch, "int32", Arc::new(FixedSizeListArray::new(item(DataType::Int32), 12, numbers.clone(), None)));
    write_plain(&scratch, "bytes", storages()[5].1.clone());
    write_plain(&scratch, "fixed", fixed());
    let two = RecordBatch::try_from_iter([("a", fixed()), ("b", fixed())]).unwrap();
    write_parquet(&scratch.path().join("two"), &two, WriterProperties::default());
    let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values(0..240));
    let numbers: ArrayRef = Arc::new(FixedSizeListArray::new(item(DataType::Int32), 12, numbers, None));
    let mixed = RecordBatch::try_from_iter([("a", fixed()), ("int", numbers.clone()), ("b", fixed())]).unwrap();
    write_parquet(&scratch.path().join("mixed"), &mixed, WriterProperties::default());
    let one = RecordBatch::try_from_iter([("int", numbers), ("b", fixed())]).unwrap();
    write_parquet(&scratch.path().join("one"), &one, WriterProperties::default());
    scratch.file("text", b"no table");
    let whole = fs::read(scratch.path().join("fixed")).unwrap();
    scratch.file("cut", &whole[..whole.len() / 2]);
    let names = "`nested`, `pixels`, `text`, `word`";
    for (words, message) in [
        ("ragged", "can't repack `ragged`: row 2 of column `pixels` has length 6, but the first row has length 12\nhint: remove such rows from the file".to_owned()),
        ("null", "can't repack `null`: row 7 of column `pixels` is null\nhint: remove such rows from the file".to_owned()),
        ("hole", "can't repack `hole`: an element in row 8 of column `pixels` is null\nhint: remove such rows from the file".to_owned()),
        ("int32", "can't repack `int32`: column `pixels` has elements of type int32, but only uint8, uint16, float16 and float32 can be repacked\nhint: have the tool that wrote the file cast the column".to_owned()),
        ("bytes", format!("can't repack `bytes`: it has no column of tensors, only {names}\nhint: tensors are lists of numbers, or bytes with `--shape`; use `inlaid convert` for image files")),
        ("two", "can't repack `two`: any of its columns `a`, `b` could be the tensor column\nhint: choose one with `--column`".to_owned()),
        // A column that would be refused is not suggested.
        ("mixed", "can't repack `mixed`: any of its columns `a`, `b` could be the tensor column\nhint: choose one with `--column`".to_owned()),
        ("two --column c", "can't repack `two`: it has no column `c`, only `a`, `b`\nhint: name a column of lists of numbers, or of bytes with `--shape`".to_owned()),
        ("fixed --column text", "can't repack `fixed`: column `text` of type Utf8 holds no tensors\nhint: name a column of lists of numbers, or of bytes with `--shape`".to_owned()),
        ("fixed --shape 2x2x2", "can't repack `fixed`: shape 2x2x2 has 8 elements, but the tensors of column `pixels` have 12\nhint: give a matching shape, as in `--shape 224x224x3`".to_owned()),
        ("text", "can't repack `text`: it is neither a Parquet nor an Arrow file\nhint: have the tool that wrote the file write Parquet".to_owned()),
        ("cut", "can't repack `cut`: it is damaged: Parquet error: Invalid Parquet file. Corrupt footer\nhint: restore the file".to_owned()),
    ] {
        scratch.run("repack", &format!("{words} --out out")).fails(1, &format!("error: {message}"));
        assert!(!scratch.path().join("out").exists());
        assert!(scratch.path().read_dir().unwrap().all(|entry| !entry.unwrap().file_name().to_str().unwrap().starts_with('.')));
    }
    let ran = scratch.run("repack", "one --out only").exits(0);
    assert!(ran.stdout.starts_with("20 rows of `b` (12 uint8) in 1 file, "), "{}", ran.stdout);
    scratch.run("repack", "two --column b --out out").exits(0);
}

#[test]
fn says_what_is_wrong_with_the_folders() {
    let scratch = Scratch::new();
    write_plain(&scratch, "in/a.parquet", fixed());
    write_plain(&scratch, "other/a.arrow", fixed());
    scratch.file("full/file", b"");
    scratch.file("none/readme.md", b"");
    for (words, message) in [
        ("in --out full", "output folder `full` is not empty\nhint: choose a new folder for `--out`"),
        (
            "in --out in",
            "output folder `in` overlaps source `in`\nhint: choose a folder for `--out` outside the source",
        ),
        (
            "in/a.parquet --out in",
            "output folder `in` overlaps source `in/a.parquet`\nhint: choose a folder for `--out` outside the source",
        ),
        (
            "none --out out",
            "can't repack `none`: it holds no Parquet or Arrow files\nhint: files are found by extension: parquet, arrow, feather or ipc",
        ),
        (
            "in other --out out",
            "can't repack `other/a.arrow`: it would be written to the same file as `in/a.parquet`\nhint: repack them separately, each with its own `--out`",
        ),
        ("away --out out", "can't read `away`: No such file or directory (os error 2)"),
    ] {
        scratch.run("repack", words).fails(1, &format!("error: {message}"));
        assert!(!scratch.path().join("out").exists());
    }
    let values = Arc::new(UInt8Array::from(pixels()));
    write_plain(
        &scratch,
        "in/b.parquet",
        Arc::new(FixedSizeListArray::new(item(DataType::UInt8), 6, Arc::new(values.slice(0, 120)), None)),
    );
    scratch.run("repack", "in --out out").fails(
        1,
        "error: can't repack `in/b.parquet`: its tensors differ from those of `in/a.parquet`\n\
         hint: repack them separately, each with its own `--out`",
    );
    let ran = scratch.run("repack", "in --out out --shape 3x").exits(2);
    assert!(ran.stderr.contains("shape `3x` is not a list of dimensions such as 224x224x3, at least 1 each"));
}

#[test]
fn a_run_that_is_stopped_leaves_nothing() {
    let scratch = Scratch::new();
    write_plain(&scratch, "in.parquet", fixed());
    let progress = Progress::default();
    progress.stop();
    let (source, out) = (scratch.path().join("in.parquet"), scratch.path().join("out"));
    let stopped = inlaid::repack(&[source], &out, &RepackSpec::default(), &progress);
    assert_eq!(stopped.unwrap_err().to_string(), "interrupted, nothing was written");
    assert_eq!(scratch.files(".").len(), 1);
}

#[test]
#[cfg(all(feature = "failpoints", unix))]
fn what_a_killed_run_left_is_removed_by_any_other_beside_it() {
    let scratch = Scratch::new();
    write_plain(&scratch, "in/a.parquet", fixed());
    scratch.images(&["src/cat"], 3);
    scratch.convert("src --out beside/dataset --size 4 --split train=1").exits(0);
    let hidden = scratch.path().join("beside/.new.inlaid");
    let (mut step, mut left) = (0, 0);
    loop {
        step += 1;
        let mut command = scratch.command("repack", "in --out beside/new");
        if command.env("INLAID_FAILPOINT", format!("kill:{step}")).output().unwrap().status.success() {
            break;
        }
        let is_marked = hidden.join("staging-of-inlaid").exists();
        left += usize::from(is_marked);
        let (command, words) = [
            ("repack", "in --out beside/other"),
            ("append", "src --out beside/dataset"),
            ("rollback", "beside/dataset"),
            ("compact", "beside/dataset"),
            ("convert", "src --out beside/second --size 4 --split train=1 --overwrite"),
        ][step % 5];
        let ran = scratch.run(command, words);
        assert!(ran.code == 0 || command == "rollback", "{command}: {}", ran.stderr);
        // An empty folder without the mark could be anybody's.
        assert!(!hidden.exists() || !is_marked && fs::remove_dir(&hidden).is_ok(), "{command} after step {step}");
        for folder in ["beside/other", "beside/new"] {
            let _ = fs::remove_dir_all(scratch.path().join(folder));
        }
    }
    assert!(left > 10, "{left} of {step} steps leave a folder");
}

#[test]
fn hidden_folders_that_are_in_use_or_of_somebody_else_stay() {
    let scratch = Scratch::new();
    write_plain(&scratch, "in/a.parquet", fixed());
    scratch.file(".used.inlaid/staging-of-inlaid", b"");
    scratch.file(".used.inlaid/new/a.parquet", b"half");
    scratch.file(".other.inlaid/new/thesis.txt", b"mine");
    scratch.file("elsewhere/staging-of-inlaid", b"");
    scratch.file(".inlaid/staging-of-inlaid", b"");
    std::os::unix::fs::symlink("elsewhere", scratch.path().join(".link.inlaid")).unwrap();
    let before = scratch.files(".");
    let used = File::open(scratch.path().join(".used.inlaid")).unwrap();
    used.lock().unwrap();
    scratch.run("repack", "in --out out").exits(0);
    fs::remove_dir_all(scratch.path().join("out")).unwrap();
    assert_eq!(scratch.files("."), before);
    assert!(scratch.path().join(".link.inlaid").is_symlink());
    drop(used);
    fs::create_dir(scratch.path().join(".empty.inlaid")).unwrap();
    scratch.run("repack", "in --out out").exits(0);
    assert!(!scratch.path().join(".used.inlaid").exists() && !scratch.path().join(".empty.inlaid").exists());
    assert!(scratch.path().join(".other.inlaid").exists() && scratch.path().join("elsewhere").exists());
}

#[test]
#[cfg(all(feature = "failpoints", unix))]
fn killed_or_failed_at_any_step_it_is_done_or_leaves_no_folder() {
    let scratch = Scratch::new();
    write_plain(&scratch, "in/a.parquet", fixed());
    write_plain(&scratch, "in/b/c.parquet", fixed());
    scratch.run("repack", "in --out whole").exits(0);
    for kind in ["kill", "eio", "enospc"] {
        let (mut step, mut ended) = (0, false);
        while !ended {
            step += 1;
            let mut command = scratch.command("repack", "in --out out/new --row-group-bytes 100");
            let output = command.env("INLAID_FAILPOINT", format!("{kind}:{step}")).output().unwrap();
            ended = output.status.success();
            match scratch.path().join("out/new").exists() {
                true => assert_eq!(scratch.files("out/new").len(), 2, "{kind}:{step}"),
                false if kind == "kill" => drop(scratch.run("repack", "in --out out/new").exits(0)),
                false => assert!(!scratch.path().join("out").exists(), "{kind}:{step}"),
            };
            if scratch.path().join("out").exists() {
                // A kill may leave the mark, as the last thing that is removed.
                let is_new = |name: &String| kind != "kill" || name != ".new.inlaid/staging-of-inlaid";
                let left: Vec<_> = scratch.files("out").into_iter().map(|(name, _)| name).filter(is_new).collect();
                assert_eq!(left, ["new/a.parquet", "new/b/c.parquet"], "{kind}:{step}");
                fs::remove_dir_all(scratch.path().join("out")).unwrap();
            }
        }
        assert!(step > 20, "{kind}: {step} steps");
    }
}
