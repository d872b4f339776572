//! Appends that are undone.

use std::fs;

use inlaid::Progress;

use crate::harness::Scratch;

/// Rows of 16 bytes, in shards of 16, so that appends begin shards; and in one shard, that they add to.
const SETTINGS: [&str; 5] = [
    "--size 4 --channels gray --row-group-bytes 128 --shard-bytes 256",
    "--size 4 --channels gray",
    "--size 4 --storage binary --compression zstd",
    "--size 4 --format arrow",
    "--size 4 --format arrow --compression lz4",
];

/// A dataset in `out` of 10 images and a reject.
fn dataset(settings: &str) -> Scratch {
    let s = Scratch::new();
    s.images(&["src/cat"], 10);
    s.file("src/cat/broken.png", b"no image");
    s.convert(&format!("src --out out {settings}")).exits(3);
    s
}

#[test]
fn every_byte_is_what_it_was() {
    for settings in SETTINGS {
        let s = dataset(settings);
        let before = s.dataset("out");
        s.more_images(&["src/cat", "src/dog"], 10..15).image("src/cat/broken.png");
        s.file("src/cat/empty.png", b"");
        s.run("append", "src --out out").exits(3);
        let appended = s.dataset("out");
        s.run("rollback", "out").exits(0);
        assert!(s.dataset("out") == before, "{settings}");
        s.is_whole("out");
        // As if it had never been.
        s.run("append", "src --out out").exits(3);
        assert!(s.dataset("out") == appended, "{settings}");
    }
}

#[test]
fn only_the_last_append_is_taken_back() {
    for settings in SETTINGS {
        let s = dataset(settings);
        s.more_images(&["src/cat"], 10..13);
        s.run("append", "src --out out").exits(3);
        let (before, rows) = (s.dataset("out"), s.rows("out"));
        s.more_images(&["src/cat", "src/bee"], 13..17);
        s.run("append", "src --out out").exits(3);
        s.run("rollback", "out").exits(0);
        assert_eq!(s.rows("out"), rows);
        // But for what the first append could have been taken back with.
        let shards = |files: &[(String, Vec<u8>)]| {
            files.iter().filter(|(name, _)| name.contains("-000")).cloned().collect::<Vec<_>>()
        };
        assert!(shards(&s.dataset("out")) == shards(&before), "{settings}");
        assert_eq!(s.manifest("out")["classes"], serde_json::json!(["cat"]));
        s.is_whole("out");
        s.run("rollback", "out").fails(1, NO_HISTORY);
    }
}

const NO_HISTORY: &str = "error: `out` has no earlier snapshot to roll back to\n\
                          hint: only the last append can be rolled back, and not after `inlaid compact` or with `--no-history`";

#[test]
fn there_must_be_an_append() {
    let s = dataset("--size 4");
    let before = s.dataset("out");
    s.run("rollback", "out").fails(1, NO_HISTORY);
    assert_eq!(s.dataset("out"), before);
}

#[test]
fn append_may_keep_no_history() {
    let s = dataset("--size 4");
    s.more_images(&["src/cat"], 10..12);
    s.run("append", "src --out out --no-history").exits(3);
    assert_eq!(s.manifest("out").get("previous"), None);
    let before = s.dataset("out");
    s.run("rollback", "out").fails(1, NO_HISTORY);
    assert_eq!(s.dataset("out"), before);
    s.is_whole("out");
    // Neither does one that follows an append which did.
    for (words, range) in [("", 12..14), ("--no-history", 14..15)] {
        s.more_images(&["src/cat"], range);
        s.run("append", &format!("src --out out {words}")).exits(3);
    }
    s.run("rollback", "out").fails(1, NO_HISTORY);
    s.is_whole("out");
}

#[test]
fn change_of_rejects_alone_is_taken_back() {
    let s = dataset("--size 4");
    let before = s.dataset("out");
    s.file("src/cat/broken.png", b"");
    s.run("append", "src --out out").exits(3);
    assert_eq!(s.rejects("out"), [["cat/broken.png", "decode", "empty", "the file is empty"]]);
    s.run("rollback", "out").exits(0);
    assert!(s.dataset("out") == before);
}

#[test]
fn both_versions_are_told() {
    let s = dataset("--size 4");
    let manifest = s.manifest("out");
    for words in ["", "--json"] {
        s.more_images(&["src/cat"], 10..12);
        s.run("append", "src --out out").exits(3);
        let ran = s.run("rollback", &format!("out {words}")).exits(0);
        match words {
            "" => assert_eq!(ran.stdout, "snapshot 1: 10 rows in 3 files, before: 12 rows in 3 files: `out`\n"),
            _ => {
                let version = ran.json();
                for name in ["dataset_version", "classes", "splits", "inputs", "rejects"] {
                    assert_eq!(version[name], manifest[name]);
                }
            }
        }
        assert_eq!(ran.stderr, "");
    }
}

#[test]
fn damaged_dataset_is_not_rolled_back() {
    let s = dataset("--size 4");
    s.more_images(&["src/cat"], 10..12);
    s.run("append", "src --out out").exits(3);
    let shard = "out/train/train-00000.parquet";
    let mut bytes = fs::read(s.path().join(shard)).unwrap();
    bytes[1200] ^= 1;
    s.file(shard, &bytes);
    let before = s.dataset("out");
    s.run("rollback", "out").fails(
        1,
        "error: `out/train/train-00000.parquet` is damaged: row group 0 does not match its checksum\n\
         hint: restore the file, or convert to a new folder",
    );
    assert_eq!(s.dataset("out"), before);
}

#[test]
fn rollback_that_is_stopped_changes_nothing_and_one_that_is_not_counts_rows() {
    for settings in &SETTINGS[1..] {
        let s = dataset(settings);
        s.more_images(&["src/cat", "src/dog"], 10..15);
        s.run("append", "src --out out").exits(3);
        let (before, out) = (s.dataset("out"), s.path().join("out"));
        let progress = Progress::default();
        progress.stop();
        let stopped = inlaid::rollback_with(&out, &progress).unwrap_err();
        assert_eq!(stopped.to_string(), "interrupted, nothing was written");
        assert!(s.dataset("out") == before, "{settings}");
        let progress = Progress::default();
        inlaid::rollback_with(&out, &progress).unwrap();
        assert_eq!((progress.done(), progress.total()), (10, 10));
    }
}
