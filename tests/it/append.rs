//! What an append adds, and what it leaves alone.

use std::collections::BTreeMap;
use std::fs;

use crate::harness::{ReadRow, Scratch};

/// Row groups of 8 rows, shards of 16.
pub const SMALL: &str = "--size 4 --channels gray --row-group-bytes 128 --shard-bytes 256";

/// A dataset in `out` of 10 cats and 10 dogs in `src`.
pub fn dataset(options: &str) -> Scratch {
    let s = Scratch::new();
    s.images(&["src/cat", "src/dog"], 10);
    s.convert(&format!("src --out out {SMALL} {options}")).exits(0);
    s
}

fn of_split(rows: &[ReadRow], split: &str) -> Vec<ReadRow> {
    rows.iter().filter(|row| row.split == split).cloned().collect()
}

/// Asserts that every split begins with the rows that it had.
#[track_caller]
pub fn begins_with(after: &[ReadRow], before: &[ReadRow]) {
    for split in ["train", "validation", "test"] {
        let (after, before) = (of_split(after, split), of_split(before, split));
        assert!(after.starts_with(&before), "{split}: {after:?} does not begin with {before:?}");
    }
}

pub fn keys(rows: &[ReadRow]) -> Vec<&str> {
    let mut keys: Vec<_> = rows.iter().map(|row| row.path.as_str()).collect();
    keys.sort_unstable();
    keys
}

/// How many rows of each label are in train, validation and test.
fn counts(rows: &[ReadRow]) -> BTreeMap<Option<i64>, [usize; 3]> {
    let mut counts = BTreeMap::<_, [usize; 3]>::new();
    for row in rows {
        let split = ["train", "validation", "test"].iter().position(|split| *split == row.split).unwrap();
        counts.entry(row.label).or_default()[split] += 1;
    }
    counts
}

// What is added

#[test]
fn only_new_images_are_added() {
    let s = dataset("");
    let before = s.rows("out");
    s.more_images(&["src/cat"], 10..14).image("src/dog/a/b.png");
    let ran = s.run("append", "src --out out").exits(0);
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert!(lines[0].starts_with("train             20 rows "), "{}", ran.stdout);
    assert!(lines[0].ends_with(" in 2 files, 4 new"), "{}", ran.stdout);
    assert!(lines[1].ends_with(" in 2 files, 1 new"), "{}", ran.stdout);
    assert!(lines[2].ends_with(" in 1 file, 0 new"), "{}", ran.stdout);
    assert!(lines[3].starts_with("5 rows from 25 images, 2 classes, in "), "{}", ran.stdout);
    assert_eq!(lines[4..], ["20 images were already in the dataset"]);
    assert_eq!(ran.stderr, "");

    let after = s.rows("out");
    begins_with(&after, &before);
    let new: Vec<_> = keys(&after).into_iter().filter(|key| !keys(&before).contains(key)).collect();
    assert_eq!(new, ["cat/010.png", "cat/011.png", "cat/012.png", "cat/013.png", "dog/a/b.png"]);
    assert_eq!(after.len(), 25);
    assert_eq!(s.manifest("out")["dataset_version"], 2);
    s.is_whole("out");
}

#[test]
fn new_images_may_lie_in_other_folders() {
    let s = dataset("");
    s.more_images(&["one/cat"], 10..13).more_images(&["two/dog"], 10..12);
    s.run("append", "one two --out out").exits(0);
    assert_eq!(s.rows("out").len(), 25);
    s.is_whole("out");
}

#[test]
fn summary_counts_rows_that_were_there() {
    let s = dataset("");
    s.more_images(&["src/cat"], 10..14);
    s.file("src/cat/a.png", b"no image");
    let summary = s.run("append", "src --out out --json").exits(3).json();
    let counts = ["inputs", "rows", "unchanged", "rejects", "classes"].map(|name| summary[name].as_u64().unwrap());
    assert_eq!(counts, [25, 4, 20, 1, 2]);
    assert_eq!((&summary["committed"], &summary["dry_run"]), (&true.into(), &false.into()));
    let train = &summary["splits"]["train"];
    assert_eq!((&train["rows"], &train["added"], &train["shards"]), (&19.into(), &3.into(), &2.into()));
}

#[test]
fn new_classes_get_the_next_ids() {
    let s = dataset("");
    s.images(&["src/eel", "src/Fox", "src/ant"], 3).more_images(&["src/cat"], 10..12);
    s.run("append", "src --out out").exits(0);
    // In the order of their bytes among the new ones.
    assert_eq!(s.manifest("out")["classes"], serde_json::json!(["cat", "dog", "Fox", "ant", "eel"]));
    for row in s.rows("out") {
        let class = row.path.split('/').next().unwrap();
        let id = ["cat", "dog", "Fox", "ant", "eel"].iter().position(|name| *name == class);
        assert_eq!(row.label, id.map(|id| id as i64), "{row:?}");
    }
    s.images(&["src/bee"], 1).more_images(&["other/eel"], 3..7);
    s.run("append", "src --out out").exits(0);
    s.run("append", "other --out out").exits(0);
    assert_eq!(s.manifest("out")["classes"], serde_json::json!(["cat", "dog", "Fox", "ant", "eel", "bee"]));
    assert_eq!(s.rows("out").iter().filter(|row| row.label == Some(4)).count(), 7);
    s.is_whole("out");
}

#[test]
fn class_whose_images_are_rows_already_needs_no_image() {
    let s = dataset("");
    s.images(&["new/fox"], 2);
    s.run("append", "new --out out").exits(0);
    let labels: Vec<_> = s.rows("out").into_iter().filter(|row| row.path.starts_with("fox")).collect();
    assert_eq!(labels.iter().map(|row| row.label).collect::<Vec<_>>(), [Some(2), Some(2)]);
}

#[test]
fn flat_folders_have_no_labels() {
    let s = Scratch::new();
    s.images(&["src"], 10);
    s.convert(&format!("src --out out {SMALL}")).exits(0);
    s.more_images(&["src"], 10..20);
    s.run("append", "src --out out").exits(0);
    assert_eq!(counts(&s.rows("out")), BTreeMap::from([(None, [16, 2, 2])]));
    s.is_whole("out");
}

// Which split

#[test]
fn every_class_keeps_its_exact_shares() {
    let s = dataset("");
    let (mut cats, mut ants, mut before) = (10, 0, s.rows("out"));
    for (more_cats, more_ants) in [(1, 7), (1, 0), (2, 1), (5, 1), (7, 0), (13, 0), (1, 1), (10, 0)] {
        s.more_images(&["src/cat"], cats..cats + more_cats).more_images(&["src/ant"], ants..ants + more_ants);
        (cats, ants) = (cats + more_cats, ants + more_ants);
        s.run("append", "src --out out").exits(0);
        let after = s.rows("out");
        begins_with(&after, &before);
        for (label, splits) in counts(&after) {
            let all = splits.iter().sum::<usize>() as f64;
            for (count, share) in splits.into_iter().zip([0.8, 0.1, 0.1]) {
                let off = count as f64 - share * all;
                assert!(off.abs() < 1.0 - 1e-9, "label {label:?}: {count} of {all} rows is not {share}");
            }
        }
        before = after;
    }
    let expected = [(Some(0), [40, 5, 5]), (Some(1), [8, 1, 1]), (Some(2), [8, 1, 1])];
    assert_eq!(counts(&before), BTreeMap::from(expected));
    s.is_whole("out");
}

#[test]
fn shares_that_are_off_are_mended_as_far_as_new_rows_allow() {
    let s = Scratch::new();
    s.images(&["src/train/cat"], 20).images(&["src/test/cat"], 1);
    s.convert(&format!("src --out out {SMALL} --split-by folder")).exits(0);
    // The shares of a dataset are its own; only the rule that made it decides.
    s.edit_manifest("out", |manifest| manifest["spec"]["split_by"] = "label".into());
    s.more_images(&["src/train/cat"], 20..22);
    s.run("append", "src --out out").exits(0);
    assert_eq!(counts(&s.rows("out")), BTreeMap::from([(Some(0), [20, 2, 1])]));
}

#[test]
fn random_keeps_exact_shares_of_the_whole() {
    let s = dataset("--split-by random");
    for (class, range) in [("cat", 10..13), ("ant", 0..4), ("dog", 10..13)] {
        s.more_images(&[&format!("src/{class}")], range);
        s.run("append", "src --out out").exits(0);
    }
    let splits = counts(&s.rows("out")).into_values().reduce(|a, b| [a[0] + b[0], a[1] + b[1], a[2] + b[2]]);
    assert_eq!(splits, Some([24, 3, 3]));
    s.is_whole("out");
}

#[test]
fn rows_are_where_one_conversion_of_all_had_put_them() {
    for rule in ["path", "content"] {
        let s = dataset(&format!("--split-by {rule}"));
        let before = s.rows("out");
        for (class, range) in [("cat", 10..40), ("ant", 0..30), ("dog", 10..11)] {
            s.more_images(&[&format!("src/{class}")], range);
            s.run("append", "src --out out").exits(0);
        }
        s.convert(&format!("src --out at-once {SMALL} --split-by {rule}")).exits(0);
        let places = |dataset| {
            let rows = s.rows(dataset).into_iter();
            rows.map(|row| (row.path, row.split)).collect::<BTreeMap<_, _>>()
        };
        assert_eq!(places("out"), places("at-once"));
        begins_with(&s.rows("out"), &before);
        s.is_whole("out");
    }
}

#[test]
fn split_folders_decide_again() {
    let s = Scratch::new();
    s.images(&["src/train/cat", "src/valid/cat"], 3);
    s.convert(&format!("src --out out {SMALL}")).exits(0);
    s.images(&["new/valid/dog", "new/test/cat"], 2).more_images(&["new/valid/cat"], 3..4);
    let ran = s.run("append", "new --out out").exits(0);
    let notes = "note: the top folders of `new` are used as splits\nnote: class `dog` has images in validation only\n";
    assert_eq!(ran.stderr, notes);
    assert_eq!(counts(&s.rows("out")), BTreeMap::from([(Some(0), [3, 4, 2]), (Some(1), [0, 2, 0])]));
    s.is_whole("out");
}

// Nothing new

#[test]
fn same_append_twice_changes_no_byte() {
    for format in ["", "--format arrow", "--storage binary --compression zstd"] {
        let s = dataset(format);
        s.more_images(&["src/cat", "src/ant"], 10..20);
        s.run("append", "src --out out").exits(0);
        let before = s.dataset("out");
        let ran = s.run("append", "src --out out").exits(0);
        assert_eq!(s.dataset("out"), before);
        let end = "nothing to do, `out` is complete\n40 images were already in the dataset\n";
        assert!(ran.stdout.ends_with(end), "{}", ran.stdout);
        assert_eq!(ran.stderr, "");
        assert_eq!(s.run("append", "src --out out --json").exits(0).json()["committed"], false);
        assert_eq!(s.dataset("out"), before);
    }
}

#[test]
fn same_append_twice_changes_no_byte_beside_an_unusable_image() {
    let s = dataset("");
    s.image("src/cat/new.png");
    s.file("src/cat/broken.png", b"no image");
    let ran = s.run("append", "src --out out").exits(3);
    let end = "1 rejected: 1 unknown-format\nsee `out/rejects.jsonl` for the reason of each\n";
    assert!(ran.stdout.ends_with(end), "{}", ran.stdout);
    let before = s.dataset("out");
    // Still no row, and still told.
    let ran = s.run("append", "src --out out").exits(3);
    assert!(ran.stdout.contains("nothing to do, `out` is complete\n"), "{}", ran.stdout);
    assert_eq!(s.dataset("out"), before);
    let detail = "the content is not a known image format";
    assert_eq!(s.rejects("out"), [["cat/broken.png", "decode", "unknown-format", detail]]);
    s.is_whole("out");
}

#[test]
fn source_without_new_images_is_no_error() {
    let s = dataset("");
    for name in ["cat/003.png", "dog/004.png"] {
        s.file(&format!("old/{name}"), &fs::read(s.path().join("src").join(name)).unwrap());
    }
    s.file("notes/readme.txt", b"no image");
    fs::create_dir(s.path().join("empty")).unwrap();
    let before = s.dataset("out");
    for source in ["src", "old", "empty", "notes", "src empty", "empty src notes"] {
        s.run("append", &format!("{source} --out out")).exits(0);
        assert_eq!(s.dataset("out"), before, "after `{source}`");
    }
}

#[test]
fn dry_run_says_what_an_append_would_do() {
    let s = dataset("");
    s.more_images(&["src/cat"], 10..15).images(&["src/ant"], 5);
    s.file("src/beside.png", b"");
    let before = s.files("out");
    let ran = s.run("append", "src --out out --dry-run").exits(3);
    assert_eq!(s.files("out"), before);
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert!(lines[0].starts_with("train             24 rows "), "{}", ran.stdout);
    assert!(lines[0].ends_with(" in 2 files, 8 new"), "{}", ran.stdout);
    let end = [
        "would write 10 rows from 31 images, 3 classes, to `out`",
        "too small for exact fractions: class `ant`, 5 in all: 3 train, 1 validation, 1 test",
        "20 images were already in the dataset",
        "1 rejected: 1 no-class",
    ];
    assert_eq!(lines[3..], end);
    s.run("append", "src --out out").exits(3);
    let splits = |ran: &str| ran.lines().map(|line| line.chars().take(25).collect()).take(3).collect::<Vec<String>>();
    assert_eq!(splits(&s.run("append", "src --out out").exits(3).stdout), splits(&ran.stdout));
}

#[test]
fn row_groups_larger_than_their_shards_stay_so() {
    let s = dataset("");
    // As earlier releases stored it.
    s.edit_manifest("out", |manifest| manifest["spec"]["shard_bytes"] = 64.into());
    s.more_images(&["src/cat"], 10..30);
    s.run("append", "src --out out --dry-run").exits(0);
    s.run("append", "src --out out").exits(0);
    assert_eq!(s.rows("out").len(), 40);
    assert_eq!(s.run("info", "out").exits(0).stderr, "");
    let spec = &s.manifest("out")["spec"];
    assert_eq!((&spec["row_group_bytes"], &spec["shard_bytes"]), (&128.into(), &64.into()));
}

// What folders mean

#[test]
fn folders_must_mean_what_they_meant() {
    let s = dataset("");
    s.more_images(&["splits/train/cat"], 10..12).images(&["flat"], 2);
    let before = s.dataset("out");
    s.run("append", "splits --out out").fails(
        1,
        "error: `splits` holds split folders, but the dataset was made from class folders\n\
         hint: give the folder that holds the class folders, or say what its folders mean with `--folders classes`",
    );
    assert_eq!(s.dataset("out"), before);
    s.run("append", "flat --out out").exits(1);
    s.run("append", "splits --out out --folders splits").exits(1);
    assert_eq!(s.dataset("out"), before);
    // The hint.
    s.run("append", "splits/train --out out").exits(0);
    assert_eq!(s.rows("out").len(), 22);
    let ran = s.run("append", "splits --out out --folders classes").exits(0);
    let note = "note: class `train` is too small for exact fractions, so it fills train, then test, then validation\n";
    assert_eq!(ran.stderr, note);
    assert_eq!(s.manifest("out")["classes"], serde_json::json!(["cat", "dog", "train"]));
    s.is_whole("out");
}

#[test]
fn folders_without_meaning_stay_so_on_request() {
    let s = Scratch::new();
    s.images(&["src/a", "src/b"], 5);
    s.convert(&format!("src --out out {SMALL} --folders none")).exits(0);
    s.more_images(&["src/a"], 5..10);
    s.run("append", "src --out out").fails(
        1,
        "error: `src` holds class folders, but the dataset was made from images without folders\n\
         hint: give the folder that holds the images without folders, or say what its folders mean with `--folders none`",
    );
    s.run("append", "src --out out --folders none").exits(0);
    assert_eq!(counts(&s.rows("out")), BTreeMap::from([(None, [12, 2, 1])]));
}
