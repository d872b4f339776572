//! Tables of encoded images: datasets with encoded storage, and what Hugging Face `datasets` and others write. The bytes
//! of every row are those of its file, however they are stored.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, DictionaryArray, Int32Array, Int64Array, LargeBinaryArray,
    RecordBatch, StringArray, StructArray,
};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use arrow_schema::{DataType, Field, Fields, Schema};
use inlaid::read::{BatchOptions, FileAccess};
use inlaid::{Dataset, FormatError, Split, Table};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};

use crate::harness::Scratch;

const ACCESS: [FileAccess; 2] = [FileAccess::Map, FileAccess::Read];

/// Bytes that begin like a JPEG, of a length of their own.
fn jpeg(number: usize) -> Vec<u8> {
    let body = (0..number * 37 % 900).map(|at| (at * (number + 3) % 251) as u8);
    b"\xff\xd8\xff\xe0".iter().copied().chain(number.to_le_bytes()).chain(body).collect()
}

/// Images, of which every fifth is missing, and every third is there twice.
fn images(rows: usize) -> Vec<Option<Vec<u8>>> {
    (0..rows).map(|row| (row % 5 != 3).then(|| jpeg(if row % 3 == 2 { row - 1 } else { row }))).collect()
}

/// Structs as `datasets` stores images; those that are missing have names alone.
fn structs(images: &[Option<Vec<u8>>]) -> ArrayRef {
    let names = (0..images.len()).map(|row| Some(format!("{row}.jpg")));
    let fields = [Field::new("bytes", DataType::Binary, true), Field::new("path", DataType::Utf8, true)];
    let parts: Vec<ArrayRef> = vec![
        Arc::new(images.iter().map(Option::as_deref).collect::<BinaryArray>()),
        Arc::new(StringArray::from_iter(names)),
    ];
    Arc::new(StructArray::new(fields.into_iter().collect::<Fields>(), parts, None))
}

/// Rows of these images, with a label.
fn batch(images: ArrayRef) -> RecordBatch {
    let labels: ArrayRef = Arc::new(Int64Array::from_iter_values(0..images.len() as i64));
    let features = r#"{"info": {"features": {"image": {"_type": "Image"}}}}"#;
    let metadata = HashMap::from([("huggingface".to_owned(), features.to_owned())]);
    let fields =
        vec![Field::new("image", images.data_type().clone(), true), Field::new("label", DataType::Int64, true)];
    RecordBatch::try_new(Arc::new(Schema::new_with_metadata(fields, metadata)), vec![images, labels]).unwrap()
}

fn write_parquet(path: &Path, batch: &RecordBatch, properties: WriterPropertiesBuilder) {
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties.build())).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// Properties of pages of a few rows, and row groups of 23.
fn small_pages() -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_data_page_size_limit(2000)
        .set_write_batch_size(4)
        .set_max_row_group_row_count(Some(23))
}

/// What writers do with pages, by name.
fn settings() -> Vec<(&'static str, WriterPropertiesBuilder)> {
    let zstd = Compression::ZSTD(ZstdLevel::default());
    let v2 = || small_pages().set_writer_version(WriterVersion::PARQUET_2_0);
    let plain = || small_pages().set_dictionary_enabled(false);
    vec![
        ("plain", plain()),
        ("dictionary", small_pages()),
        ("dictionary, then plain", small_pages().set_dictionary_page_size_limit(3000)),
        ("snappy", plain().set_compression(Compression::SNAPPY)),
        ("dictionary, snappy", small_pages().set_compression(Compression::SNAPPY)),
        ("v2", v2()),
        ("v2, zstd", v2().set_compression(zstd)),
        ("v2, delta", v2().set_dictionary_enabled(false)),
        ("v2, delta, zstd", v2().set_dictionary_enabled(false).set_compression(zstd)),
        ("one page", WriterProperties::builder().set_compression(zstd)),
    ]
}

/// Compares all rows with these images, backwards, forwards, and each in a table that is just open. Those that are
/// missing are files of `folder`.
fn check(path: &Path, images: &[Option<Vec<u8>>], has_names: bool, what: &str) {
    for access in ACCESS {
        let open = || Table::open_with(path, access).unwrap();
        let table = open();
        assert_eq!(table.len(), images.len(), "{what}");
        for row in (0..images.len()).rev().chain(0..images.len()) {
            for table in [&table, &open()] {
                match &images[row] {
                    Some(image) => assert_eq!(table.image_file(row).unwrap(), image[..], "{what}, row {row}"),
                    None if has_names => {
                        assert_eq!(table.image_file(row).unwrap(), format!("file {row}"), "{what}, row {row}");
                    }
                    None => {
                        let error = table.image_file(row).unwrap_err().to_string();
                        assert!(error.starts_with(&format!("row {row} of `")), "{error}");
                        assert!(error.ends_with("` has no usable image: it is null"), "{error}");
                    }
                }
            }
        }
    }
}

/// Writes the files that rows without bytes name.
fn named_files(s: &Scratch, images: &[Option<Vec<u8>>]) {
    for (row, _) in images.iter().enumerate().filter(|(_, image)| image.is_none()) {
        s.file(&format!("{row}.jpg"), format!("file {row}").as_bytes());
    }
}

#[test]
fn images_of_any_pages_are_found() {
    let s = Scratch::new();
    let images = images(60);
    named_files(&s, &images);
    let path = s.path().join("x.parquet");
    for (name, properties) in settings() {
        write_parquet(&path, &batch(structs(&images)), properties);
        check(&path, &images, true, name);
    }
}

#[test]
fn images_of_any_type_are_found() {
    let s = Scratch::new();
    let images = images(60);
    let all = || images.iter().map(Option::as_deref);
    let arrays: [(&str, ArrayRef); 4] = [
        ("binary", Arc::new(all().collect::<BinaryArray>())),
        ("large", Arc::new(all().collect::<LargeBinaryArray>())),
        ("views", Arc::new(all().collect::<BinaryViewArray>())),
        ("dictionary", {
            let keys = Int32Array::from_iter((0..60).map(|row| images[row as usize].as_ref().map(|_| row)));
            let values = BinaryArray::from_iter_values(images.iter().map(|image| image.as_deref().unwrap_or_default()));
            Arc::new(DictionaryArray::<Int32Type>::try_new(keys, Arc::new(values)).unwrap())
        }),
    ];
    for (name, array) in arrays {
        let rows = batch(array);
        for (pages, properties) in settings() {
            let path = s.path().join("x.parquet");
            write_parquet(&path, &rows, properties);
            check(&path, &images, false, &format!("{name}, {pages}"));
        }
        for compression in [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)] {
            let (file, stream) = write_arrow(&s, &rows, compression);
            check(&file, &images, false, &format!("{name}, file, {compression:?}"));
            check(&stream, &images, false, &format!("{name}, stream, {compression:?}"));
        }
    }
}

/// Writes an Arrow file and a stream, in three record batches each.
fn write_arrow(
    s: &Scratch,
    rows: &RecordBatch,
    compression: Option<CompressionType>,
) -> (std::path::PathBuf, std::path::PathBuf) {
    let (file, stream) = (s.path().join("x.arrow"), s.path().join("x.arrows"));
    let options = || IpcWriteOptions::default().try_with_compression(compression).unwrap();
    let parts: Vec<RecordBatch> = (0..3).map(|part| rows.slice(part * 20, 20)).collect();
    let open = |path| File::create(path).unwrap();
    let mut writer = FileWriter::try_new_with_options(open(&file), &rows.schema(), options()).unwrap();
    parts.iter().for_each(|part| writer.write(part).unwrap());
    writer.finish().unwrap();
    let mut writer = StreamWriter::try_new_with_options(open(&stream), &rows.schema(), options()).unwrap();
    parts.iter().for_each(|part| writer.write(part).unwrap());
    writer.finish().unwrap();
    (file, stream)
}

#[test]
fn arrow_files_of_datasets_are_tables_of_images() {
    let s = Scratch::new();
    let images = images(60);
    named_files(&s, &images);
    for compression in [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)] {
        let (file, stream) = write_arrow(&s, &batch(structs(&images)), compression);
        check(&file, &images, true, &format!("file, {compression:?}"));
        check(&stream, &images, true, &format!("stream, {compression:?}"));
    }
}

/// A dataset of 60 files in several shards, and the files by key.
fn dataset(settings: &str) -> (Scratch, BTreeMap<String, Vec<u8>>) {
    let s = Scratch::new();
    s.images(&["src/a", "src/b", "src/c"], 20);
    let shards = if settings.contains("--shard-bytes") { "" } else { "--shard-bytes 2000" };
    let sizes = format!("--split train=0.9,test=0.1 --row-group-bytes 700 {shards}");
    s.convert(&format!("src --out d --storage encoded {sizes} {settings}")).exits(0);
    let files = s.files("src").into_iter().collect();
    (s, files)
}

/// The images of a table by key.
fn by_key(table: &Table) -> BTreeMap<String, Vec<u8>> {
    let keys = table.column("path").unwrap();
    let keys = keys.as_string::<i32>();
    (0..table.len()).map(|row| (keys.value(row).to_owned(), table.image_file(row).unwrap().to_vec())).collect()
}

const STORED: [&str; 5] =
    ["", "--format arrow", "--compression zstd", "--compression lz4", "--format arrow --compression zstd"];

#[test]
fn datasets_with_encoded_storage_are_tables_of_images() {
    for settings in STORED {
        let (s, files) = dataset(settings);
        for access in ACCESS {
            let splits = Dataset::open_with(s.path().join("d"), access).unwrap().into_splits();
            let all: BTreeMap<_, _> = splits.values().flat_map(by_key).collect();
            assert_eq!(all, files, "{settings}");
            let table = &splits[&Split::Train];
            assert!(table.files().count() > 2, "{settings}");
            assert_eq!((table.tensor_column(), table.main_column()), (None, "image"));
            assert_eq!(table.image_column().unwrap().name, "image");
            assert_eq!((table.tensor_columns(), table.layout(), table.decodes()), (&[][..], None, false));
            assert_eq!(table.classes(), ["a", "b", "c"]);
            assert_eq!(table.column("image").unwrap().len(), table.len());
        }
    }
}

#[test]
fn mapped_images_are_slices_of_the_file() {
    for settings in ["", "--format arrow"] {
        let (s, _) = dataset(settings);
        let table = Table::open(s.path().join("d/train")).unwrap();
        for row in 0..table.len() {
            let (one, again) = (table.image_file(row).unwrap(), table.image_file(row).unwrap());
            assert_eq!(one.as_ptr(), again.as_ptr(), "{settings}, row {row}");
        }
    }
}

#[test]
fn labels_of_several_classes_are_no_tensors() {
    let s = Scratch::new();
    s.images(&["src"], 6);
    let lines: String = (0..6).map(|row| format!("{row:03}.png,{},1\n", row % 2)).collect();
    s.file("src/metadata.csv", format!("file_name,cat,dog\n{lines}").as_bytes());
    s.convert("src --out d --storage encoded --label-column cat,dog --split train=1").exits(0);
    let table = Table::open(s.path().join("d/train")).unwrap();
    assert_eq!((table.main_column(), table.tensor_columns()), ("image", &[][..]));
    assert_eq!(table.column("label").unwrap().len(), 6);
    assert_eq!(by_key(&table).len(), 6);
}

#[test]
fn many_threads_read_images_at_once() {
    for settings in ["", "--format arrow --compression lz4", "--compression zstd"] {
        let (s, _) = dataset(settings);
        let expected = by_key(&Table::open(s.path().join("d/train")).unwrap());
        for access in ACCESS {
            let table = Table::open_with(s.path().join("d/train"), access).unwrap();
            thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| assert_eq!(by_key(&table), expected, "{settings}"));
                }
            });
        }
    }
}

#[test]
fn views_and_joined_tables_have_the_images_of_their_rows() {
    let (s, _) = dataset("");
    let open = |split: &str| Table::open(s.path().join("d").join(split)).unwrap();
    let (train, test) = (open("train"), open("test"));
    let rows: Vec<usize> = (0..train.len()).rev().step_by(3).chain([2, 2]).collect();
    let view = train.select(&rows).unwrap();
    for (at, row) in rows.iter().enumerate() {
        assert_eq!(view.image_file(at).unwrap(), train.image_file(*row).unwrap());
    }
    assert_ne!(view.fingerprint(), train.fingerprint());
    let all = Table::concat(&[&test, &view]).unwrap();
    assert_eq!(all.len(), test.len() + view.len());
    assert_eq!(all.image_file(test.len()).unwrap(), train.image_file(rows[0]).unwrap());
    assert_eq!(all.image_file(test.len() - 1).unwrap(), test.image_file(test.len() - 1).unwrap());
    let error = view.image_file(view.len()).unwrap_err().to_string();
    assert_eq!(error, format!("row {0} is out of range for a table of length {0}", view.len()));
}

#[test]
fn images_and_tensors_are_not_joined() {
    let (s, _) = dataset("");
    s.convert("src --out t --size 4 --split train=1").exits(0);
    let open = |split: &str| Table::open(s.path().join(split)).unwrap();
    let (images, tensors) = (open("d/train"), open("t/train"));
    let error = Table::concat(&[&images, &tensors]).unwrap_err();
    assert_eq!(error.kind(), "not-joined");
    let text = error.to_string();
    assert!(
        text.contains("has tensors image [4, 4, 3] uint8, `") && text.ends_with("has encoded images image"),
        "{text}"
    );
    let paths: Vec<_> = images.files().chain(tensors.files()).map(Path::to_owned).collect();
    let text = Table::open_files(&paths).unwrap_err().to_string();
    assert!(text.contains("is damaged: its tensors differ from those of"), "{text}");
    let text = tensors.image_file(0).unwrap_err().to_string();
    assert!(text.ends_with("has no usable image: its table holds tensors"), "{text}");
}

#[test]
fn who_wants_tensors_of_images_is_told() {
    let (s, _) = dataset("");
    let table = Table::open(s.path().join("d/train")).unwrap();
    let errors = [
        table.tensor(0).err(),
        table.run(0, 2).err(),
        table.copy(&[0, 1]).err(),
        table.gather(&[0], &mut []).err(),
        table.batches(&BatchOptions::new(4)).err(),
    ];
    for error in errors.map(Option::unwrap) {
        assert_eq!(error.kind(), "encoded-images");
        let end = "train-00000.parquet` are encoded files, which are read with a size";
        assert!(error.to_string().ends_with(end), "{error}");
    }
    assert_eq!(table.tensors("image").unwrap_err().kind(), "no-column");
}

#[test]
fn record_batches_have_all_images() {
    for settings in STORED {
        let (s, files) = dataset(settings);
        let table = Table::open(s.path().join("d/train")).unwrap();
        let rows: Vec<usize> = (0..table.len()).rev().chain([1, 1, 7]).collect();
        for table in [table.clone(), table.select(&rows).unwrap(), table.select(&[]).unwrap()] {
            let batches: Vec<RecordBatch> = table.record_batches(None).unwrap().map(Result::unwrap).collect();
            let mut row = 0;
            for batch in &batches {
                let bytes = batch.column_by_name("image").unwrap().as_struct().column(0).as_binary::<i32>().clone();
                let keys = batch.column_by_name("path").unwrap().as_string::<i32>();
                for at in 0..batch.num_rows() {
                    assert_eq!(bytes.value(at), files[keys.value(at)], "{settings}");
                    assert_eq!(bytes.value(at), &table.image_file(row).unwrap()[..], "{settings}");
                    row += 1;
                }
            }
            assert_eq!(row, table.len(), "{settings}");
        }
        let batches = table.record_batches(Some(&["label".to_owned()])).unwrap().map(Result::unwrap);
        assert_eq!(batches.map(|batch| batch.num_rows()).sum::<usize>(), table.len());
    }
}

#[test]
fn record_batches_of_a_table_are_row_groups() {
    let s = Scratch::new();
    let path = s.path().join("x.parquet");
    write_parquet(&path, &batch(structs(&images(60))), small_pages());
    let rows = |table: &Table| -> Vec<usize> {
        table.record_batches(None).unwrap().map(|batch| batch.unwrap().num_rows()).collect()
    };
    let table = Table::open(&path).unwrap();
    assert_eq!(rows(&table), [23, 23, 14]);
    assert_eq!(rows(&table.select(&(0..60).rev().collect::<Vec<_>>()).unwrap()), [60]);
}

#[test]
fn a_snapshot_of_images_outlives_appends() {
    for settings in ["", "--format arrow", "--compression zstd"] {
        let (s, files) = dataset(&format!("{settings} --shard-bytes 1MiB"));
        for access in ACCESS {
            let table = Table::open_with(s.path().join("d/train"), access).unwrap();
            let before = by_key(&table);
            let lengths: Vec<_> = table.files().map(Path::to_owned).zip(table.lengths()).collect();
            s.more_images(&["src/a"], 20..23);
            s.run("append", "src --out d").exits(0);
            assert_eq!(by_key(&table), before, "{settings}");
            assert_eq!(by_key(&Table::open_lengths(&lengths, access).unwrap()), before, "{settings}");
            let all: BTreeMap<_, _> =
                Dataset::open(s.path().join("d")).unwrap().into_splits().values().flat_map(by_key).collect();
            assert!(all.len() > files.len() && files.iter().all(|(key, file)| all[key] == *file));
            s.run("rollback", "d").exits(0);
            (20..23).for_each(|number| fs::remove_file(s.path().join(format!("src/a/{number:03}.png"))).unwrap());
        }
    }
}

#[test]
fn bytes_that_are_no_images_are_no_table_of_images() {
    let s = Scratch::new();
    let write = |columns: Vec<(&str, ArrayRef)>| {
        let path = s.path().join("x.parquet");
        write_parquet(
            &path,
            &RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
                .unwrap(),
            small_pages(),
        );
        Table::open(&path)
    };
    let bytes = |first: &[u8]| -> ArrayRef { Arc::new(BinaryArray::from_iter_values((0..50).map(|_| first))) };
    let refused = |opened: Result<Table, FormatError>| assert_eq!(opened.unwrap_err().kind(), "no-tensors");
    refused(write(vec![("image", bytes(b"not an image"))]));
    refused(write(vec![("embedding", bytes(&[0; 64]))]));
    assert_eq!(write(vec![("x", bytes(&[0; 64])), ("y", bytes(&jpeg(3)))]).unwrap().main_column(), "y");
    assert_eq!(write(vec![("x", bytes(&jpeg(3))), ("image", bytes(&jpeg(4)))]).unwrap().main_column(), "image");
    let nulls: ArrayRef = Arc::new(BinaryArray::from_iter((0..50).map(|_| None::<&[u8]>)));
    assert_eq!(write(vec![("only", nulls)]).unwrap().main_column(), "only");
}

#[test]
fn a_file_that_is_named_and_not_there_is_an_error_of_its_row() {
    let s = Scratch::new();
    let path = s.path().join("x.parquet");
    write_parquet(&path, &batch(structs(&images(10))), small_pages());
    let table = Table::open(&path).unwrap().select(&[1, 3]).unwrap();
    let error = table.image_file(1).unwrap_err();
    assert_eq!((error.kind(), error.paths()), ("damaged", vec![&*path]));
    let begin = format!(
        "row 1 of `{}` has no usable image: can't read `{}`: ",
        path.display(),
        s.path().join("3.jpg").display()
    );
    assert!(error.to_string().starts_with(&begin), "{error}");
    s.file("3.jpg", b"here");
    assert_eq!(table.image_file(1).unwrap(), &b"here"[..]);
}

#[test]
fn damage_is_an_error_or_the_same_image() {
    let s = Scratch::new();
    let images = images(40);
    let path = s.path().join("x.parquet");
    let rows = batch(structs(&images));
    let mut whole: Vec<(String, Vec<u8>)> = Vec::new();
    for (name, properties) in settings() {
        write_parquet(&path, &rows, properties);
        whole.push((name.to_owned(), fs::read(&path).unwrap()));
    }
    for compression in [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)] {
        let (file, stream) = write_arrow(&s, &batch(structs(&self::images(60))), compression);
        whole.push((format!("file {compression:?}"), fs::read(file).unwrap()));
        whole.push((format!("stream {compression:?}"), fs::read(stream).unwrap()));
    }
    for (name, bytes) in whole {
        for step in 0..150 {
            let mut damaged = bytes.clone();
            let at = step * bytes.len() / 150;
            damaged[at] ^= [0x01, 0x80, 0xff][step % 3];
            if step % 10 == 0 {
                damaged.truncate(at);
            }
            fs::write(&path, &damaged).unwrap();
            for access in ACCESS {
                let Ok(table) = Table::open_with(&path, access) else { continue };
                for row in 0..table.len().min(60) {
                    if let Err(error) = table.image_file(row) {
                        assert!(error.to_string().starts_with(&format!("row {row} of `")), "{name}: {error}");
                    }
                }
                let _ = table.column("image");
                table.record_batches(None).into_iter().flatten().for_each(drop);
            }
        }
    }
}
