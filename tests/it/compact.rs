//! Compaction merges small shards.

use inlaid::{Dataset, Progress, Split};

use crate::harness::Scratch;

/// Row groups of 8 rows, shards of 16: every append begins a shard.
const SMALL: &str = "--size 4 --channels gray --row-group-bytes 128 --shard-bytes 256 --split train=1";

/// A dataset in `out`, made by a conversion of the first of these numbers of images and an append of
/// each other.
fn dataset(options: &str, rows: &[usize]) -> Scratch {
    let s = Scratch::new();
    let mut all = 0;
    for rows in rows {
        s.more_images(&["src/cat"], all..all + rows);
        match all {
            0 => s.convert(&format!("src --out out {SMALL} {options}")).exits(0),
            _ => s.run("append", "src --out out").exits(0),
        };
        all += rows;
    }
    s
}

fn rows_of_shards(s: &Scratch) -> Vec<(String, u64)> {
    let manifest = s.manifest("out");
    let shards = manifest["splits"]["train"]["shards"].as_array().unwrap().iter();
    let name = |file: &str| file.trim_start_matches("train/train-").to_owned();
    shards.map(|shard| (name(shard["file"].as_str().unwrap()), shard["rows"].as_u64().unwrap())).collect()
}

/// Rows of the row groups of every shard.
fn row_groups(s: &Scratch) -> Vec<Vec<usize>> {
    let shards = s.shards("out", "train").into_iter();
    shards.map(|shard| s.row_groups(&format!("out/{shard}")).into_iter().map(|(rows, _)| rows).collect()).collect()
}

/// The tensors of all rows, in order.
fn tensors(s: &Scratch) -> Vec<u8> {
    let dataset = Dataset::open(s.path().join("out")).unwrap();
    let train = dataset.split(Split::Train).unwrap();
    train.copy(&(0..train.len()).collect::<Vec<_>>()).unwrap().to_vec()
}

fn named(shards: &[(&str, u64)]) -> Vec<(String, u64)> {
    shards.iter().map(|(name, rows)| ((*name).to_owned(), *rows)).collect()
}

#[test]
fn small_neighbours_are_merged() {
    let s = dataset("", &[4, 2, 1, 16, 3, 4]);
    let shard = |number: usize| format!("out/train/train-{number:05}.parquet");
    let (rows, tensors, first) = (s.rows("out"), tensors(&s), s.row_groups(&shard(0)));

    let ran = s.run("compact", "out").exits(0);
    assert_eq!(ran.stdout, "snapshot 7: 30 rows in 3 files, before: 30 rows in 6 files: `out`\n");
    let expected = [("00000.parquet", 7), ("00003.parquet", 16), ("00004.parquet", 7)];
    assert_eq!(rows_of_shards(&s), named(&expected));
    assert_eq!((s.rows("out"), self::tensors(&s)), (rows.clone(), tensors));
    // Row groups of half of their rows and more are as they were; others have come together.
    assert_eq!(row_groups(&s), [vec![4, 3], vec![8, 8], vec![3, 4]]);
    assert!(s.row_groups(&shard(0)).starts_with(&first));
    s.is_whole("out");

    // Numbers go on behind the last.
    s.more_images(&["src/cat"], 30..32);
    s.run("append", "src --out out").exits(0);
    assert_eq!(rows_of_shards(&s)[3], ("00005.parquet".to_owned(), 2));
    assert!(s.rows("out").starts_with(&rows));
    s.is_whole("out");
    s.run("rollback", "out").exits(0);
    assert_eq!(rows_of_shards(&s), named(&expected));
    s.is_whole("out");
}

#[test]
fn small_row_groups_of_a_shard_are_merged() {
    for options in ["", "--storage binary", "--compression lz4", "--format arrow", "--format arrow --compression zstd"]
    {
        let s = dataset(options, &[2]);
        s.run("rollback", "out").exits(1);
        // One shard takes them all.
        for rows in 2..13 {
            s.more_images(&["src/cat"], rows..rows + 1);
            s.run("append", "src --out out").exits(0);
        }
        let before = (s.rows("out"), tensors(&s));
        s.run("compact", "out").exits(0);
        assert_eq!((s.rows("out"), tensors(&s)), before, "{options}");
        if !options.contains("arrow") {
            assert_eq!(row_groups(&s), [[8, 5]], "{options}");
        }
        s.is_whole("out");
        let compact = s.dataset("out");
        s.run("compact", "out").exits(0);
        assert!(s.dataset("out") == compact, "{options}");
    }
}

#[test]
fn shards_are_merged_as_far_as_they_fit_into_one() {
    let s = dataset("", &[7, 7, 7, 7, 7]);
    s.run("compact", "out").exits(0);
    assert_eq!(rows_of_shards(&s), named(&[("00000.parquet", 14), ("00002.parquet", 14), ("00004.parquet", 7)]));
    s.is_whole("out");
}

#[test]
fn other_formats_are_merged_too() {
    for (options, extension) in [
        ("--format arrow", "arrow"),
        ("--format arrow --compression zstd", "arrow"),
        ("--format arrow --storage binary", "arrow"),
        ("--storage binary", "parquet"),
        ("--compression zstd", "parquet"),
        ("--storage binary --compression lz4", "parquet"),
    ] {
        let s = dataset(options, &[4, 2, 1, 16, 3]);
        s.is_whole("out");
        let (rows, tensors) = (s.rows("out"), tensors(&s));
        s.run("compact", "out").exits(0);
        assert_eq!(self::tensors(&s), tensors, "{options}");
        let names = ["00000", "00003", "00004"].map(|number| format!("{number}.{extension}"));
        assert_eq!(rows_of_shards(&s), named(&[(&names[0], 7), (&names[1], 16), (&names[2], 3)]));
        assert_eq!(s.rows("out"), rows);
        s.is_whole("out");
        s.more_images(&["src/cat"], 26..40);
        s.run("append", "src --out out").exits(0);
        assert!(s.rows("out").starts_with(&rows));
        s.is_whole("out");
    }
}

#[test]
fn new_classes_are_named_in_merged_shards() {
    let s = dataset("", &[4]);
    s.images(&["src/ant"], 3);
    s.run("append", "src --out out").exits(0);
    s.run("compact", "out").exits(0);
    assert_eq!(rows_of_shards(&s), named(&[("00000.parquet", 7)]));
    assert_eq!(s.footer_value("out/train/train-00000.parquet", "inlaid.classes"), r#"["cat","ant"]"#);
    s.is_whole("out");
}

#[test]
fn what_is_compact_is_left_as_it_is() {
    let s = dataset("", &[40]);
    let before = s.dataset("out");
    let ran = s.run("compact", "out").exits(0);
    assert_eq!(ran.stdout, "snapshot 1: 40 rows in 3 files, before: 40 rows in 3 files: `out`\n");
    assert_eq!(s.dataset("out"), before);
}

#[test]
fn history_is_dropped() {
    let s = dataset("", &[16, 16]);
    let shards = s.files("out/train");
    s.run("compact", "out").exits(0);
    assert_eq!(s.files("out/train"), shards);
    s.run("rollback", "out").fails(
        1,
        "error: `out` has no earlier snapshot to roll back to\n\
         hint: only the last append can be rolled back, and not after `inlaid compact` or with `--no-history`",
    );
    s.is_whole("out");
}

#[test]
fn version_is_told_as_json() {
    let s = dataset("", &[4, 2]);
    let version = s.run("compact", "out --json").exits(0).json();
    let manifest = s.manifest("out");
    for name in ["dataset_version", "classes", "splits", "inputs", "rejects"] {
        assert_eq!(version[name], manifest[name]);
    }
    assert_eq!(version["dataset_version"], 3);
}

#[test]
fn damaged_shard_is_not_merged() {
    let s = dataset("", &[4, 2]);
    let shard = "out/train/train-00001.parquet";
    let mut bytes = std::fs::read(s.path().join(shard)).unwrap();
    bytes[1200] ^= 1;
    s.file(shard, &bytes);
    let before = s.dataset("out");
    s.run("compact", "out").fails(
        1,
        "error: `out/train/train-00001.parquet` is damaged: row group 0 does not match its checksum\n\
         hint: restore the file, or convert to a new folder",
    );
    assert_eq!(s.dataset("out"), before);
}

#[test]
fn conversion_that_made_it_has_still_nothing_to_do() {
    let s = dataset("", &[4]);
    s.more_images(&["new/cat"], 10..12);
    s.run("append", "new --out out").exits(0);
    s.run("compact", "out").exits(0);
    let before = s.dataset("out");
    let ran = s.convert(&format!("src --out out {SMALL}")).exits(0);
    assert!(ran.stdout.contains("nothing to do, `out` is complete\n"), "{}", ran.stdout);
    assert_eq!(s.dataset("out"), before);
}

#[test]
fn compaction_that_is_stopped_changes_nothing_and_one_that_is_not_counts_rows() {
    let s = dataset("", &[20, 4, 4]);
    let (before, out) = (s.dataset("out"), s.path().join("out"));
    let progress = Progress::default();
    progress.stop();
    let stopped = inlaid::compact_with(&out, &progress).unwrap_err();
    assert_eq!(stopped.to_string(), "interrupted, nothing was written");
    assert!(s.dataset("out") == before);
    let progress = Progress::default();
    inlaid::compact_with(&out, &progress).unwrap();
    assert_eq!((progress.done(), progress.total()), (28, 28));
    assert!(s.dataset("out") != before);
}
