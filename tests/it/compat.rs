//! Datasets written by an earlier release, or by this one before its format was released, can be read,
//! appended to and rolled back. `tests/fixtures/make.py` made them.

use std::fs;
use std::path::Path;

use crate::harness::{ReadRow, Scratch};

/// The last one came by an append.
const CLASSES: [&str; 3] = ["cat", "dog", "ant"];

fn copied(format: &str) -> Scratch {
    let s = Scratch::new();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1").join(format), &s.path().join("old"));
    s
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

fn is_read(format: &str) {
    let s = copied(format);
    let before = s.files("old");
    s.run("verify", "old").exits(0);
    let manifest = s.run("info", "old --json").exits(0).json();
    assert_eq!((&manifest["format_version"], &manifest["dataset_version"]), (&1.into(), &2.into()));
    assert_eq!(manifest["classes"], serde_json::json!(CLASSES));
    let rows = s.rows("old");
    assert_eq!(rows.len(), 18);
    for row in &rows {
        assert_eq!(row.path.split('/').next(), Some(CLASSES[row.label.unwrap() as usize]));
    }
    assert_eq!(s.rejects("old").len(), 2);
    assert_eq!(s.files("old"), before, "reading changes nothing");
}

fn is_added_to(format: &str) {
    let s = copied(format);
    let before = s.rows("old");
    s.images(&["src/dog", "src/zebra"], 4);
    assert_eq!(s.run("append", "src --out old").exits(0).stderr, "");
    let card = fs::read_to_string(s.path().join("old/README.md")).unwrap();
    assert_eq!(card.matches("# Images as tensors").count(), 1, "its section is found: {card}");
    assert!(
        card.contains("<!-- inlaid:begin ") && !card.contains("chunk(0)") && !card.contains("get_batch(0)"),
        "{card}"
    );
    s.run("verify", "old").exits(0);
    let after = s.rows("old");
    assert_eq!(after.len(), before.len() + 8);
    for split in ["train", "test"] {
        let of = |rows: &[ReadRow]| rows.iter().filter(|row| row.split == split).cloned().collect::<Vec<_>>();
        assert!(of(&after).starts_with(&of(&before)), "{split}");
    }
    assert_eq!(after.iter().filter(|row| row.label == Some(3)).count(), 4);
    s.run("compact", "old").exits(0);
    s.run("verify", "old").exits(0);
}

fn is_rolled_back(format: &str) {
    let s = copied(format);
    s.run("rollback", "old").exits(0);
    s.run("verify", "old").exits(0);
    assert_eq!(s.rows("old").len(), 12);
    assert_eq!(s.rejects("old").len(), 1);
}

macro_rules! formats {
    ($($format:ident)*) => {
        $(mod $format {
            #[test]
            fn dataset_of_version_1_is_read() {
                super::is_read(stringify!($format));
            }

            #[test]
            fn dataset_of_version_1_is_added_to_and_compacted() {
                super::is_added_to(stringify!($format));
            }

            #[test]
            fn dataset_of_version_1_is_rolled_back() {
                super::is_rolled_back(stringify!($format));
            }
        })*
    };
}

formats!(parquet arrow);
