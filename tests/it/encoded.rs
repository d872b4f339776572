//! Images stored as files: unchanged, or resized and re-encoded.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Cursor;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_ipc::reader::FileReader;
use image::{ImageFormat, ImageReader};
use inlaid::Table;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::harness::Scratch;

const SMALL: &str = "--split train=0.9,test=0.1 --row-group-bytes 300 --shard-bytes 1200";

/// A folder of 40 images.
fn source() -> Scratch {
    let s = Scratch::new();
    s.images(&["src/a", "src/b"], 20);
    s
}

/// The batches of a shard, a row group each.
fn batches(s: &Scratch, shard: &str) -> Vec<RecordBatch> {
    let open = || File::open(s.path().join("d").join(shard)).unwrap();
    if shard.ends_with("arrow") {
        return FileReader::try_new(open(), None).unwrap().map(Result::unwrap).collect();
    }
    let row_groups = ParquetRecordBatchReaderBuilder::try_new(open()).unwrap().metadata().num_row_groups();
    let read = |number| {
        let reader = ParquetRecordBatchReaderBuilder::try_new(open()).unwrap().with_row_groups(vec![number]);
        reader.build().unwrap().next().unwrap().unwrap()
    };
    (0..row_groups).map(read).collect()
}

/// The shards of a dataset in the order of their rows.
fn shards(s: &Scratch) -> Vec<String> {
    let there = ["train", "test"].into_iter().filter(|split| s.path().join("d").join(split).is_dir());
    there.flat_map(|split| s.shards("d", split)).collect()
}

/// By key, the name and the bytes of every stored image.
fn stored(s: &Scratch) -> BTreeMap<String, (String, Vec<u8>)> {
    let mut all = BTreeMap::new();
    for batch in shards(s).iter().flat_map(|shard| batches(s, shard)) {
        let images = batch.column_by_name("image").unwrap().as_struct();
        let files = images.column_by_name("bytes").unwrap().as_binary::<i32>();
        let names = images.column_by_name("path").unwrap().as_string::<i32>();
        let keys = batch.column_by_name("path").unwrap().as_string::<i32>();
        for row in 0..batch.num_rows() {
            let file = (names.value(row).to_owned(), files.value(row).to_vec());
            assert!(all.insert(keys.value(row).to_owned(), file).is_none());
        }
    }
    all
}

/// What is in the folder `src`.
fn found(s: &Scratch) -> BTreeMap<String, (String, Vec<u8>)> {
    let name = |key: &str| key.rsplit('/').next().unwrap().to_owned();
    s.files("src").into_iter().map(|(key, bytes)| (key.clone(), (name(&key), bytes))).collect()
}

#[test]
fn files_are_stored_byte_for_byte() {
    for settings in ["", "--format arrow", "--compression zstd", "--format arrow --compression lz4"] {
        let s = source();
        s.convert(&format!("src --out d --storage encoded {SMALL} {settings}")).exits(0);
        s.is_whole("d");
        assert_eq!(stored(&s), found(&s), "{settings}");
        let spec = &s.manifest("d")["spec"];
        assert_eq!(spec["storage"], "encoded");
        assert!(["size", "encoding", "quality"].iter().all(|name| spec.get(name).is_none()), "{spec}");
        assert!(shards(&s).len() > 4, "{:?}", shards(&s));
    }
}

#[test]
fn row_groups_end_where_their_bytes_end() {
    for format in ["parquet", "arrow"] {
        let s = source();
        s.file("src/a/large.png", &[fs::read(s.image("src/a/x.png")).unwrap(), vec![0; 5000]].concat());
        s.convert(&format!("src --out d --storage encoded --format {format} {SMALL}")).exits(0);
        let mut several = 0;
        for shard in shards(&s) {
            let groups: Vec<Vec<usize>> = batches(&s, &shard)
                .iter()
                .map(|batch| {
                    let images = batch.column_by_name("image").unwrap().as_struct();
                    let files = images.column_by_name("bytes").unwrap().as_binary::<i32>();
                    files.iter().map(|file| file.unwrap().len()).collect()
                })
                .collect();
            for pair in groups.windows(2) {
                // The first image of the next one would have been too much.
                assert!(pair[0].iter().sum::<usize>() + pair[1][0] > 300, "{groups:?}");
            }
            for group in &groups {
                assert!(group.len() == 1 || group.iter().sum::<usize>() <= 300, "{groups:?}");
                several += usize::from(group.len() > 1);
            }
        }
        assert!(several > 3);
    }
}

/// Writes a small image that is as long as this.
fn image_of(s: &Scratch, name: &str, bytes: usize) {
    let mut image = fs::read(s.image(name)).unwrap();
    image.resize(bytes, 0);
    s.file(name, &image);
}

fn rows_of_shards(s: &Scratch) -> Vec<u64> {
    let manifest = s.manifest("d");
    manifest["splits"]["train"]["shards"]
        .as_array()
        .unwrap()
        .iter()
        .map(|shard| shard["rows"].as_u64().unwrap())
        .collect()
}

#[test]
fn shards_end_where_the_bytes_of_their_files_end() {
    let s = Scratch::new();
    (0..4).for_each(|number| image_of(&s, &format!("src/a/{number}.png"), 50_000));
    s.images(&["src/b"], 40);
    let sizes = "--split train=1 --order path --shard-bytes 100000 --row-group-bytes 50000";
    s.convert(&format!("src --out d --storage encoded {sizes}")).exits(0);
    assert_eq!(rows_of_shards(&s), [2, 2, 40]);
    // Two of the shards are full, though of few rows.
    let before = s.dataset("d");
    s.run("compact", "d").exits(0);
    assert!(s.dataset("d") == before);

    image_of(&s, "src/b/x.png", 50_000);
    s.run("append", "src --out d").exits(0);
    assert_eq!(rows_of_shards(&s), [2, 2, 41]);
    image_of(&s, "src/b/y.png", 50_000);
    s.run("append", "src --out d").exits(0);
    assert_eq!(rows_of_shards(&s), [2, 2, 41, 1]);
    s.run("compact", "d").exits(0);
    assert_eq!(rows_of_shards(&s), [2, 2, 41, 1]);
    s.is_whole("d");
    assert_eq!(stored(&s), found(&s));
}

#[test]
fn files_without_an_extension_keep_their_names() {
    let s = Scratch::new();
    let image = fs::read(s.image("image.png")).unwrap();
    s.file("src/3f2a9c", &image);
    for (words, name) in [("", "3f2a9c"), ("--size 4", "3f2a9c.jpg"), ("--size 4 --encoding png", "3f2a9c.png")] {
        s.convert(&format!("src --out d --storage encoded --any-name --overwrite {words}")).exits(0);
        assert_eq!(stored(&s)["3f2a9c"].0, name);
    }
}

#[test]
fn files_that_are_too_long_fill_no_shard() {
    let s = source();
    File::create(s.path().join("src/a/long.png")).unwrap().set_len(3 << 30).unwrap();
    s.convert("src --out d --storage encoded --split train=1 --shard-bytes 1MiB").exits(3);
    assert_eq!(rows_of_shards(&s), [40]);
    assert_eq!(s.rejects("d")[0][..2], ["a/long.png", "decode"]);
}

#[test]
fn row_groups_that_are_only_compressed_stay() {
    for format in ["parquet", "arrow"] {
        let s = Scratch::new();
        for number in 0..12 {
            let path = s.file(&format!("src/a/{number}.bmp"), &[]);
            image::RgbImage::from_pixel(60, 50, image::Rgb([number; 3])).save(path).unwrap();
        }
        let settings = format!("--format {format} --compression zstd --row-group-bytes 40000 --split train=1");
        s.convert(&format!("src --out d --storage encoded {settings}")).exits(0);
        let before = s.dataset("d");
        s.run("compact", "d").exits(0);
        assert!(s.dataset("d") == before, "{format}");
    }
}

#[test]
fn files_that_pillow_does_not_know_are_told() {
    let s = source();
    let path = s.file("src/a/x.hdr", &[]);
    image::Rgb32FImage::from_pixel(3, 2, image::Rgb([0.5; 3])).save(path).unwrap();
    let told = "files stored unchanged that Pillow can't decode (pam, hdr, exr, ff): 1";
    assert!(s.convert("src --out d --storage encoded").exits(0).stderr.contains(told));
    assert!(!s.convert("src --out e --storage encoded --size 8").exits(0).stderr.contains("Pillow"));
}

#[test]
fn png_keeps_the_pixels_of_the_tensor() {
    for channels in ["rgb", "gray", "rgba"] {
        let s = source();
        let settings = format!("--size 16x15 --channels {channels} --filter bicubic {SMALL}");
        s.convert(&format!("src --out d --storage encoded --encoding png {settings}")).exits(0);
        s.convert(&format!("src --out t {settings}")).exits(0);
        s.is_whole("d");
        let images = stored(&s);
        for split in ["train", "test"] {
            let table = Table::open(s.path().join("t").join(split)).unwrap();
            let rows = s.rows("t").into_iter().filter(|row| row.split == split);
            for (row, at) in rows.zip(0..) {
                let (name, file) = &images[&row.path];
                assert_eq!(name, row.path.rsplit('/').next().unwrap());
                let image = ImageReader::with_format(Cursor::new(file), ImageFormat::Png).decode().unwrap();
                assert_eq!((image.width(), image.height()), (15, 16));
                assert_eq!(image.as_bytes(), &table.tensor(at).unwrap()[..], "{channels} {}", row.path);
            }
        }
    }
}

#[test]
fn jpeg_has_the_quality_that_the_manifest_tells() {
    let length = |settings: &str| {
        let s = source();
        s.convert(&format!("src --out d --storage encoded --size 64 {settings}")).exits(0);
        s.is_whole("d");
        let images = stored(&s);
        for (key, (name, file)) in &images {
            assert_eq!(*name, key.rsplit('/').next().unwrap().replace(".png", ".jpg"));
            let image = ImageReader::with_format(Cursor::new(file), ImageFormat::Jpeg).decode().unwrap();
            assert_eq!((image.width(), image.height()), (64, 64));
        }
        let spec = s.manifest("d")["spec"].clone();
        assert_eq!(spec["encoding"], "jpeg");
        (spec["quality"].as_u64().unwrap(), images.values().map(|(_, file)| file.len()).sum::<usize>())
    };
    let (usual, low) = (length(""), length("--quality 30"));
    assert_eq!((usual.0, low.0), (90, 30));
    assert!(usual.1 > low.1, "{usual:?} {low:?}");
    assert_eq!(length("--encoding jpeg --quality 90"), usual);
}

#[test]
fn threads_change_nothing() {
    for settings in ["", "--size 16 --encoding png", "--size 16 --format arrow"] {
        let s = source();
        for threads in [1, 2, 5] {
            let words = format!("src --out {threads} --storage encoded {SMALL} {settings} --threads {threads}");
            s.convert(&words).exits(0);
            assert_eq!(s.dataset(&threads.to_string()), s.dataset("1"), "{settings}");
        }
    }
}

#[test]
fn rows_are_added_merged_and_taken_back() {
    for settings in ["", "--format arrow", "--size 16 --quality 50"] {
        let s = source();
        let sizes = "--split train=0.9,test=0.1 --row-group-bytes 20000 --shard-bytes 40000";
        s.convert(&format!("src --out d --storage encoded {sizes} {settings}")).exits(0);
        let (before, files) = (stored(&s), s.files("d/train"));
        for number in 20..25 {
            s.more_images(&["src/a", "src/b"], number..number + 1);
            s.run("append", "src --out d").exits(0);
            s.is_whole("d");
        }
        let appended = stored(&s);
        assert_eq!(appended.len(), 50);
        assert!(before.iter().all(|(key, file)| appended[key] == *file));
        s.run("rollback", "d").exits(0);
        s.is_whole("d");
        assert_eq!(s.rows("d").len(), 48);
        s.run("append", "src --out d").exits(0);
        let row_groups = |s: &Scratch| shards(s).iter().map(|shard| batches(s, shard).len()).sum::<usize>();
        let scattered = row_groups(&s);
        let rows = s.rows("d");
        s.run("compact", "d").exits(0);
        s.is_whole("d");
        assert_eq!((s.rows("d"), stored(&s)), (rows, appended), "{settings}");
        assert!(row_groups(&s) < scattered, "{} {scattered}", row_groups(&s));
        assert_ne!(s.files("d/train"), files);
    }
}

#[test]
fn interrupted_conversion_goes_on() {
    let s = source();
    let words = format!("src --out d --storage encoded {SMALL}");
    s.convert(&words.replace("--out d", "--out whole")).exits(0);
    s.convert(&words).exits(0);
    let shards = s.shards("d", "train");
    // As after a kill: the manifest tells of the first shard alone.
    s.edit_manifest("d", |manifest| {
        let run = manifest["conversion"].clone();
        manifest["unfinished"] = serde_json::json!({ "run": run, "shards": 1 });
        let train = &mut manifest["splits"]["train"];
        let first = train["shards"][0].clone();
        (train["rows"], train["bytes"]) = (first["rows"].clone(), first["bytes"].clone());
        train["shards"] = serde_json::json!([first]);
        train.as_object_mut().unwrap().remove("statistics");
        manifest["splits"].as_object_mut().unwrap().remove("test");
    });
    for shard in &shards[1..] {
        fs::remove_file(s.path().join("d").join(shard)).unwrap();
    }
    fs::remove_dir_all(s.path().join("d/test")).unwrap();
    s.convert(&words).exits(0);
    assert_eq!(s.files("d/train"), s.files("whole/train"));
    assert_eq!(s.files("d/test"), s.files("whole/test"));
}

#[test]
fn images_that_do_not_decode_are_no_rows() {
    let s = source();
    let whole = fs::read(s.path().join("src/a/000.png")).unwrap();
    s.file("src/a/cut.png", &whole[..whole.len() / 2]);
    s.convert(&format!("src --out d --storage encoded {SMALL}")).exits(3);
    assert_eq!(s.rejects("d").into_iter().map(|[path, ..]| path).collect::<Vec<_>>(), ["a/cut.png"]);
    assert_eq!(stored(&s).len(), 40);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let s = source();
    let refused = |settings: &str, message: &str| s.convert(&format!("src --out d {settings}")).fails(2, message);
    refused(
        "--storage tensor",
        "error: tensors need a size\n\
         hint: add `--size 224`, or store the original files with `--storage encoded`",
    );
    refused(
        "--storage encoded --filter box",
        "error: `--filter` has no effect without `--size`, files are stored unchanged\n\
         hint: add `--size 224`, or leave out the option",
    );
    refused(
        "--storage encoded --quality 80",
        "error: `--quality` has no effect without `--size`, files are stored unchanged\n\
         hint: add `--size 224`, or leave out the option",
    );
    refused(
        "--size 8 --encoding png",
        "error: `--encoding` has no effect without `--storage encoded`\nhint: add `--storage encoded`, or leave out the option",
    );
    refused(
        "--size 8 --storage encoded --dtype f32",
        "error: `--dtype` has no effect with `--storage encoded`\nhint: use `--storage tensor` with a `--size`, or leave out the option",
    );
    refused(
        "--size 8 --storage encoded --layout chw",
        "error: `--layout` has no effect with `--storage encoded`\n\
         hint: use `--storage tensor` with a `--size`, or leave out the option",
    );
    refused(
        "--size 8 --storage encoded --mean 0.5",
        "error: `--mean` has no effect with `--storage encoded`\nhint: use `--storage tensor` with a `--size`, or leave out the option",
    );
    refused(
        "--storage encoded --jpeg-shrink",
        "error: `--jpeg-shrink` has no effect without `--size`, files are stored unchanged\n\
         hint: add `--size 224`, or leave out the option",
    );
    refused(
        "--storage encoded --max-file-bytes 4GiB",
        "error: files stored unchanged can be at most 2147418112 bytes long\nhint: choose a smaller `--max-file-bytes`",
    );
    refused(
        "--storage encoded --size 4x65501",
        "error: a JPEG can be at most 65500 pixels wide or high\nhint: choose a smaller `--size`, or `--encoding png`",
    );
    refused(
        "--size 8 --storage encoded --channels rgba",
        "error: JPEG has no alpha channel\nhint: choose another `--encoding`, or leave out `--quality` and `--channels rgba`",
    );
    refused(
        "--size 8 --storage encoded --encoding png --quality 80",
        "error: PNG has no quality setting\nhint: choose another `--encoding`, or leave out `--quality` and `--channels rgba`",
    );
    let ran = s.convert("src --out d --size 8 --storage encoded --quality 101").exits(2);
    assert!(ran.stderr.contains("quality `101` is not a whole number from 1 to 100"), "{}", ran.stderr);
    assert!(s.convert("src --out d").exits(2).stderr.contains("--size <SIZE>"));
}

#[test]
fn who_wants_tensors_is_told() {
    let s = source();
    s.convert("src --out d --storage encoded").exits(0);
    let error = Table::open(s.path().join("d/train")).unwrap().tensor(0).unwrap_err().to_string();
    assert!(error.ends_with("train-00000.parquet` are encoded files, which are read with a size"), "{error}");
    s.run("repack", "d/train --out r").fails(
        1,
        "error: can't repack `d/train/train-00000.parquet`: it has no column of tensors, only `image`, `label`, \
         `path`, `source_height`, `source_width`, `sha256`\n\
         hint: tensors are lists of numbers, or bytes with `--shape`; use `inlaid convert` for image files",
    );
}

#[test]
fn info_tells_what_the_images_are() {
    let s = source();
    s.convert("src --out d --storage encoded").exits(0);
    s.convert("src --out e --size 16x15 --storage encoded").exits(0);
    let info = |folder| s.run("info", folder).exits(0).stdout;
    let second_line = |text: &str| text.lines().nth(1).unwrap().to_owned();
    assert_eq!(second_line(&info("d")), "images: original files, storage encoded, format parquet, compression none");
    assert_eq!(
        second_line(&info("e")),
        "images: 16x15, rgb JPEG of quality 90, fit stretch, filter bilinear (antialiased), storage encoded, \
         format parquet, compression none"
    );
    assert!(!info("d").contains("standard deviation") && info("d").contains("source pixels"));
    assert!(info("e").contains("standard deviation"));
    let card = |folder: &str| fs::read_to_string(s.path().join(folder).join("README.md")).unwrap();
    assert!(card("d").contains("Every row is an image in the format of its file, its class"), "{}", card("d"));
    assert!(card("e").contains("Every row is an image of 16x15 (height, width) as JPEG of quality 90, its class"));
}
