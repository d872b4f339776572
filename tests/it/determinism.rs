//! The same input gives the same bytes.

use std::fs;

use crate::harness::Scratch;

fn same_bytes(first: &[(String, Vec<u8>)], second: &[(String, Vec<u8>)]) {
    let names = |files: &[(String, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(first), names(second));
    for ((name, a), (_, b)) in first.iter().zip(second) {
        assert!(a == b, "`{name}` differs");
    }
}

/// Several shards and row groups in every split, and some rejects.
const SMALL_SHARDS: &str = "--size 8 --row-group-bytes 2000 --shard-bytes 6000";

fn source(s: &Scratch) {
    s.images(&["src/cat", "src/dog"], 60);
    for number in 0..7 {
        s.file(&format!("src/cat/broken-{number}.png"), b"\x89PNG\r\n\x1a\nand no more");
    }
}

#[test]
fn number_of_threads_changes_nothing() {
    for format in ["--storage tensor", "--storage binary --compression zstd", "--format arrow"] {
        let s = Scratch::new();
        source(&s);
        s.convert(&format!("src --out one --threads 1 {SMALL_SHARDS} {format}")).exits(3);
        for threads in [2, 3, 8] {
            s.convert(&format!("src --out more --overwrite --threads {threads} {SMALL_SHARDS} {format}")).exits(3);
            let (mut one, mut more) = (s.dataset("one"), s.dataset("more"));
            // The manifest counts the versions of the folder, and has a checksum of itself.
            for (name, bytes) in one.iter_mut().chain(&mut more) {
                if name == "inlaid.json" {
                    let text = String::from_utf8(bytes.clone()).unwrap();
                    let is_same =
                        |line: &&str| !line.starts_with("  \"dataset_version") && !line.starts_with("  \"checksum");
                    *bytes = text.lines().filter(is_same).collect::<String>().into_bytes();
                }
            }
            assert!(one.len() >= 10, "too few files to tell: {}", one.len());
            same_bytes(&one, &more);
        }
    }
}

#[test]
fn order_of_the_listing_changes_nothing() {
    let s = Scratch::new();
    source(&s);
    // The same files made in another order, in folders that were made in another order.
    let mut files = s.files("src");
    files.reverse();
    for (name, bytes) in files {
        s.file(&format!("again/{name}"), &bytes);
    }
    s.convert(&format!("src --out one {SMALL_SHARDS}")).exits(3);
    s.convert(&format!("again --out two {SMALL_SHARDS}")).exits(3);
    same_bytes(&s.dataset("one"), &s.dataset("two"));
}

#[test]
fn inputs_are_rows_and_rejects() {
    let s = Scratch::new();
    source(&s);
    let ran = s.convert(&format!("src --out out {SMALL_SHARDS} --json")).exits(3);
    let summary = ran.json();
    assert_eq!((&summary["inputs"], &summary["rows"], &summary["rejects"]), (&127.into(), &120.into(), &7.into()));
    assert_eq!((s.rows("out").len(), s.rejects("out").len()), (120, 7));
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(s.path().join("out/inlaid.json")).unwrap()).unwrap();
    assert_eq!((&manifest["inputs"], &manifest["rejects"]), (&127.into(), &7.into()));
}
