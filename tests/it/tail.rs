//! Which shards an append adds rows to, and which it begins.

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
    let before = s.row_groups(SHARD);
    append(&s, 5, 6);
    append(&s, 6, 16);
    assert_eq!(s.shards("out", "train"), ["train/train-00000.parquet"]);
    assert_eq!(row_groups(&s), [[5, 1, 8, 2]]);
    // Where they were, byte for byte.
    assert!(s.row_groups(SHARD).starts_with(&before));
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
    let before = s.row_groups(SHARD);
    append(&s, 32, 52);
    assert_eq!(row_groups(&s), [[8, 8, 8, 8, 8, 8, 4]]);
    assert!(s.row_groups(SHARD).starts_with(&before));
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
