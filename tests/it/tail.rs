//! Which shards an append extends, and which it begins.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::harness::Scratch;

/// Rows of 4 KiB, in row groups of 8 and shards of 256: a tail of at most 64 KiB takes any rows.
const ROWS: &str = "--size 64 --channels gray --row-group-bytes 32KiB --shard-bytes 1MiB --split train=1";

const SHARD: &str = "out/train/train-00000.parquet";

/// Rows of the row groups of every shard.
fn row_groups(s: &Scratch) -> Vec<Vec<usize>> {
    let shards = s.shards("out", "train").into_iter();
    shards.map(|shard| s.row_groups(&format!("out/{shard}")).into_iter().map(|(rows, _)| rows).collect()).collect()
}

/// A dataset in `out` of so many images in `src`, to which others are added.
fn dataset(rows: usize) -> Scratch {
    let s = Scratch::new();
    s.images(&["src/cat"], rows);
    s.convert(&format!("src --out out {ROWS}")).exits(0);
    s
}

fn append(s: &Scratch, from: usize, to: usize) {
    s.more_images(&["src/cat"], from..to);
    s.run("append", "src --out out").exits(0);
}

#[test]
fn small_tail_is_added_to_in_place() {
    let s = dataset(5);
    let bytes = || fs::read(s.path().join(SHARD)).unwrap();
    let mut before = bytes();
    for (from, to) in [(5, 6), (6, 16)] {
        append(&s, from, to);
        // Who has seen the length of the file before still finds that file: its end is where it was.
        assert!(bytes().starts_with(&before));
        before = bytes();
    }
    assert_eq!(s.shards("out", "train"), ["train/train-00000.parquet"]);
    assert_eq!(row_groups(&s), [[5, 1, 8, 2]]);
    s.is_whole("out");
}

#[test]
fn arrow_tail_is_added_to_in_place() {
    for options in ["", "--compression lz4", "--storage binary"] {
        let s = Scratch::new();
        s.images(&["src/cat"], 5);
        s.convert(&format!("src --out out {ROWS} --format arrow {options}")).exits(0);
        let shard = s.path().join("out/train/train-00000.arrow");
        let mut before = fs::read(&shard).unwrap();
        for (from, to) in [(5, 6), (6, 16)] {
            s.more_images(&["src/cat", &format!("src/more-{from}")], from..to);
            s.run("append", "src --out out").exits(0);
            let after = fs::read(&shard).unwrap();
            assert!(after.starts_with(&before), "{options}");
            before = after;
        }
        s.is_whole("out");
    }
}

/// Every append leaves the end that the file had; a file of many row groups has a long one.
#[test]
fn tail_of_many_row_groups_stays_and_a_shard_begins() {
    let s = Scratch::new();
    s.images(&["src/cat"], 1);
    s.convert("src --out out --size 1 --channels gray --split train=1").exits(0);
    for rows in 1..66 {
        append(&s, rows, rows + 1);
    }
    assert_eq!(row_groups(&s), [vec![1; 64], vec![1; 2]]);
    s.is_whole("out");
}

#[test]
fn large_tail_stays_and_a_shard_begins() {
    let s = dataset(32);
    let before = fs::read(s.path().join(SHARD)).unwrap();
    append(&s, 32, 42);
    assert_eq!(row_groups(&s), [vec![8, 8, 8, 8], vec![8, 2]]);
    assert_eq!(s.shards("out", "train"), ["train/train-00000.parquet", "train/train-00001.parquet"]);
    assert!(fs::read(s.path().join(SHARD)).unwrap() == before);
    s.is_whole("out");
}

#[test]
fn tail_of_at_most_twice_what_is_added_is_added_to() {
    let s = dataset(32);
    let before = fs::read(s.path().join(SHARD)).unwrap();
    append(&s, 32, 52);
    assert_eq!(row_groups(&s), [[8, 8, 8, 8, 8, 8, 4]]);
    assert!(fs::read(s.path().join(SHARD)).unwrap().starts_with(&before));
    s.is_whole("out");
}

#[test]
fn full_tail_takes_no_more_rows_than_a_shard_has() {
    let s = Scratch::new();
    s.images(&["src/cat"], 10);
    s.convert(&format!("src --out out {}", ROWS.replace("1MiB", "64KiB"))).exits(0);
    append(&s, 10, 40);
    assert_eq!(row_groups(&s), [vec![8, 2, 6], vec![8, 8], vec![8]]);
    append(&s, 40, 41);
    assert_eq!(row_groups(&s), [vec![8, 2, 6], vec![8, 8], vec![8, 1]]);
    s.is_whole("out");
}

#[test]
fn small_appends_leave_few_shards_and_move_no_row() {
    const SMALLEST: u64 = 2 * 32 * 1024;
    let s = Scratch::new();
    s.images(&["src/cat", "src/dog"], 10);
    s.convert(&format!("src --out out {}", ROWS.replace("train=1", "train=0.5,test=0.5"))).exits(0);
    let places = || {
        let mut places = BTreeMap::new();
        for shard in ["train", "test"].into_iter().flat_map(|split| s.shards("out", split)) {
            for row in s.rows_of_shard(&Path::new("out").join(&shard), "train") {
                assert_eq!(places.insert(row.path, shard.clone()), None, "a row is there twice");
            }
        }
        places
    };
    let (mut rows, mut before) = (10, places());
    for more in [1, 2, 1, 3, 8, 1, 1, 5, 13, 1, 2, 3, 1, 1, 7, 1, 1, 1, 2, 9, 1, 4, 1, 1] {
        s.more_images(&["src/cat", "src/dog"], rows..rows + more);
        rows += more;
        s.run("append", "src --out out").exits(0);
        let after = places();
        assert!(before.iter().all(|(path, shard)| after[path] == *shard), "a row is in another file");
        before = after;
        for split in ["train", "test"] {
            let shards = s.manifest("out")["splits"][split]["shards"].clone();
            let bytes: Vec<_> =
                shards.as_array().unwrap().iter().map(|shard| shard["bytes"].as_u64().unwrap()).collect();
            let (_, full) = bytes.split_last().unwrap();
            assert!(full.iter().all(|bytes| *bytes >= SMALLEST), "{split} has shards of {bytes:?} bytes");
        }
    }
    assert_eq!(before.len(), 2 * rows);
    s.is_whole("out");
}
