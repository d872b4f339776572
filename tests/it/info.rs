//! What is reported about a dataset without reading its rows.

use inlaid::ByteSize;

use crate::harness::Scratch;

fn size(s: &Scratch, split: &str) -> String {
    ByteSize(s.manifest("out")["splits"][split]["bytes"].as_u64().unwrap()).to_string()
}

#[test]
fn dataset_is_told_in_words() {
    let s = Scratch::new();
    s.images(&["src/cat", "src/guinea pig"], 10);
    s.convert("src --out out --size 4x6 --row-group-bytes 600 --filter lanczos3 --fit pad --seed 7").exits(0);
    let ran = s.run("info", "out").exits(0);
    let [train, validation, test] = ["train", "validation", "test"].map(|split| size(&s, split));
    let (told, statistics) = ran.stdout.split_once("\nelements").unwrap();
    assert_eq!(statistics.matches("train").count(), 3, "{statistics}");
    assert_eq!(
        told,
        format!(
            "`out`: snapshot 1, format 2, written by inlaid {}
tensors: 4x6, rgb u8 hwc, fit pad, filter lanczos3 (antialiased), storage tensor, format parquet, compression none
splits: train=0.8,validation=0.1,test=0.1 by label, order shuffled, seed 7

split           rows       bytes   files  row groups
train             16 {train:>11}       1           2
validation         2 {validation:>11}       1           1
test               2 {test:>11}       1           1

label  class           train validation       test
    0  cat                 8          1          1
    1  guinea pig          8          1          1
",
            env!("CARGO_PKG_VERSION")
        )
    );
    assert_eq!(ran.stderr, "");
}

#[test]
fn rejects_and_the_version_before_are_told() {
    let s = Scratch::new();
    s.images(&["src/cat"], 3);
    s.file("src/cat/broken.png", b"no image");
    s.convert("src --out out --size 4 --split train=1").exits(3);
    let ran = s.run("info", "out").exits(0);
    assert!(ran.stdout.ends_with("\n1 input was rejected, see `rejects.jsonl`\n"), "{}", ran.stdout);
    s.more_images(&["src/cat"], 3..5);
    s.file("src/cat/empty.png", b"");
    s.run("append", "src --out out").exits(3);
    let ran = s.run("info", "out").exits(0);
    assert!(ran.stdout.starts_with("`out`: snapshot 2, format 2, "), "{}", ran.stdout);
    let end = "\n2 inputs were rejected, see `rejects.jsonl`\n\
               \n`inlaid rollback` returns to snapshot 1 with 3 rows\n";
    assert!(ran.stdout.ends_with(end), "{}", ran.stdout);
}

#[test]
fn dataset_without_labels_says_so() {
    let s = Scratch::new();
    s.images(&["src"], 3);
    s.convert("src --out out --size 4 --split train=1").exits(0);
    let ran = s.run("info", "out").exits(0);
    assert!(ran.stdout.contains("\nno labels\n\nelements"), "{}", ran.stdout);
}

#[test]
fn statistics_are_told() {
    let s = Scratch::new();
    s.images(&["src/cat"], 3);
    s.convert("src --out out --size 4x5 --split train=1").exits(0);
    let ran = s.run("info", "out").exits(0);
    // Red is one value in each image, green 0, 40, ... 160 across, blue 0, 60, 120, 180 down.
    let statistics = "
elements  mean and standard deviation by channel
train     118.3333   60.3453    80.0000   56.5685    90.0000   67.0820
cat       118.3333   60.3453    80.0000   56.5685    90.0000   67.0820

source pixels             train
16 or more                    3

source width/height       train
1.189 or more                 3
";
    assert!(ran.stdout.ends_with(statistics), "{}", ran.stdout);
}

#[test]
fn statistics_that_are_not_finite_are_read() {
    let s = Scratch::new();
    s.images(&["src/cat"], 3);
    s.convert("src --out out --size 4x5 --split train=1").exits(0);
    s.edit_manifest("out", |manifest| manifest["splits"]["train"]["statistics"]["std"][1] = serde_json::Value::Null);
    let ran = s.run("info", "out").exits(0);
    assert!(ran.stdout.contains(" 80.0000       NaN "), "{}", ran.stdout);
    // Nor do other commands wait for a manifest that is the same as this one.
    assert_eq!(inlaid::Dataset::open(s.path().join("out")).unwrap().split(inlaid::Split::Train).unwrap().len(), 3);
    s.is_whole("out");
    let before = s.dataset("out");
    s.run("append", "src --out out").exits(0);
    assert_eq!(s.dataset("out"), before);
}

#[test]
fn statistics_of_another_release_are_not_told() {
    let s = Scratch::new();
    s.images(&["src/cat"], 3);
    s.convert("src --out out --size 4x5 --split train=1").exits(0);
    s.edit_manifest("out", |manifest| {
        manifest["splits"]["train"].as_object_mut().unwrap().remove("statistics");
    });
    let ran = s.run("info", "out").exits(0);
    assert!(!ran.stdout.contains("elements"), "{}", ran.stdout);
    s.more_images(&["src/cat"], 3..5);
    s.run("append", "src --out out").exits(0);
    assert_eq!(s.manifest("out")["splits"]["train"].get("statistics"), None);
}

#[test]
fn json_is_the_manifest() {
    let s = Scratch::new();
    s.images(&["src/cat"], 3);
    s.convert("src --out out --size 4 --split train=1").exits(0);
    s.more_images(&["src/cat"], 3..5);
    s.run("append", "src --out out").exits(0);
    let before = s.files("out");
    assert_eq!(s.run("info", "out --json").exits(0).json(), s.manifest("out"));
    assert_eq!(s.files("out"), before);
}
