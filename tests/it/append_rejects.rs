//! Inputs of an append that have changed since their rows were written, or can't be used.

use std::fs;

use inlaid::Dataset;

use crate::append::{SMALL, begins_with, dataset, keys};
use crate::harness::{ReadRow, Scratch};

#[test]
fn changed_image_is_listed_and_its_row_stays() {
    let s = dataset("");
    let (before, original) = (s.dataset("out"), fs::read(s.path().join("src/cat/003.png")).unwrap());
    let other = fs::read(s.path().join("src/dog/003.png")).unwrap();
    s.file("src/cat/003.png", &other);
    let ran = s.run("append", "src --out out").exits(3);
    assert!(ran.stdout.contains("1 rejected: 1 content-changed\n"), "{}", ran.stdout);
    let detail = "the file has changed since its row was written";
    assert_eq!(s.rejects("out"), [["cat/003.png", "discover", "content-changed", detail]]);
    let shards = |files: Vec<(String, Vec<u8>)>| {
        files.into_iter().filter(|(name, _)| name.ends_with(".parquet")).collect::<Vec<_>>()
    };
    assert_eq!(shards(s.dataset("out")), shards(before));
    s.is_whole("out");
    let listed = s.dataset("out");
    s.run("append", "src --out out").exits(3);
    assert_eq!(s.dataset("out"), listed);

    // What is as it was is no reject.
    s.file("src/cat/003.png", &original);
    s.run("append", "src --out out").exits(0);
    assert_eq!(s.rejects("out"), [[""; 4]; 0]);
    s.is_whole("out");
}

#[test]
fn changed_image_stops_the_run_on_request() {
    let s = dataset("");
    s.file("src/cat/003.png", &fs::read(s.path().join("src/dog/003.png")).unwrap());
    s.image("src/cat/new.png");
    let before = s.dataset("out");
    s.run("append", "src --out out --on-changed stop").fails(
        1,
        "error: `cat/003.png` has changed since its row was written\n\
         hint: leave out `--on-changed stop` to keep the row and list the file in `rejects.jsonl`",
    );
    assert_eq!(s.dataset("out"), before);
    s.run("append", "src --out out").exits(3);
    assert_eq!(s.rows("out").len(), 21);
}

#[test]
fn image_of_a_row_that_became_unusable_is_listed() {
    let s = dataset("");
    s.file("src/cat/003.png", b"");
    s.run("append", "src --out out").exits(3);
    assert_eq!(s.rejects("out"), [["cat/003.png", "decode", "empty", "the file is empty"]]);
    assert_eq!(s.rows("out").len(), 20);
    s.is_whole("out");
}

#[test]
fn unusable_image_stops_an_append_on_request() {
    let s = dataset("");
    s.more_images(&["src/cat"], 10..40);
    s.file("src/cat/broken.png", b"no image");
    let before = s.dataset("out");
    s.run("append", "src --out out --on-error stop --split-by").exits(2);
    s.run("append", "src --out out --on-error stop").fails(
        1,
        "error: `cat/broken.png` can't be used: the content is not a known image format\n\
         hint: leave out `--on-error stop` to skip such inputs and list them in `rejects.jsonl`",
    );
    s.run("append", "src --out out --max-errors 0").exits(1);
    begins_with(&s.rows("out"), &rows_of(&s, &before));
    s.run("append", "src --out out").exits(3);
    s.is_whole("out");
}

/// The rows that a dataset had when these were its files.
fn rows_of(s: &Scratch, files: &[(String, Vec<u8>)]) -> Vec<ReadRow> {
    for (name, bytes) in files {
        s.file(&format!("earlier/{name}"), bytes);
    }
    s.rows("earlier")
}

#[test]
fn repaired_image_becomes_a_row_and_its_line_goes() {
    let s = Scratch::new();
    s.images(&["src/cat"], 10);
    s.file("src/cat/a.png", b"no image");
    s.file("src/cat/b.png", b"");
    s.convert(&format!("src --out out {SMALL}")).exits(3);
    s.image("src/cat/a.png");
    s.run("append", "src --out out").exits(3);
    assert_eq!(s.rejects("out"), [["cat/b.png", "decode", "empty", "the file is empty"]]);
    assert!(keys(&s.rows("out")).contains(&"cat/a.png"));
    s.is_whole("out");
    s.image("src/cat/b.png");
    s.run("append", "src --out out").exits(0);
    assert!(!s.path().join("out/rejects.jsonl").exists());
    assert_eq!(s.rows("out").len(), 12);
    s.is_whole("out");
}

#[test]
fn rejects_of_other_runs_stay() {
    let s = Scratch::new();
    s.images(&["src/cat"], 10);
    s.file("src/cat/broken.png", b"no image");
    s.file("src/beside.png", b"");
    s.convert(&format!("src --out out {SMALL}")).exits(3);
    s.more_images(&["new/cat"], 10..12);
    s.file("new/cat/empty.png", b"");
    s.run("append", "new --out out").exits(3);
    let paths = |s: &Scratch| s.rejects("out").into_iter().map(|[path, ..]| path).collect::<Vec<_>>();
    assert_eq!(paths(&s), ["beside.png", "cat/broken.png", "cat/empty.png"]);
    // A file that is gone is not judged again.
    fs::remove_file(s.path().join("new/cat/empty.png")).unwrap();
    s.run("append", "new --out out").exits(0);
    assert_eq!(paths(&s), ["beside.png", "cat/broken.png", "cat/empty.png"]);
    s.is_whole("out");
}

#[test]
fn rows_that_are_there_count_as_inputs() {
    let s = Scratch::new();
    s.images(&["src/cat"], 98);
    s.file("src/cat/a.png", b"no image");
    s.file("src/cat/b.png", b"");
    let limit = "--max-errors 2%";
    s.convert(&format!("src --out out --size 4 --split train=1 {limit}")).exits(3);
    s.run("append", &format!("src --out out {limit}")).exits(3);
    s.file("src/cat/c.png", b"");
    s.run("append", &format!("src --out out {limit}")).exits(1);
}

#[test]
fn rejects_are_those_of_the_snapshot_that_is_open() {
    let s = Scratch::new();
    s.images(&["src/cat"], 3);
    s.file("src/cat/empty.png", b"");
    s.convert("src --out out --size 4 --split train=1").exits(3);
    let open = || Dataset::open(s.path().join("out")).unwrap();
    let paths = |dataset: &Dataset| dataset.rejects().read().unwrap().into_iter().map(|reject| reject.path).collect();
    let before = open();
    s.file("src/cat/broken.png", b"no image");
    s.run("append", "src --out out").exits(3);
    let (before, after): (Vec<String>, Vec<String>) = (paths(&before), paths(&open()));
    assert_eq!(
        (before, after),
        (vec!["cat/empty.png".to_owned()], vec!["cat/broken.png".to_owned(), "cat/empty.png".to_owned()])
    );

    let list = s.path().join("out/rejects.jsonl");
    fs::write(&list, fs::read_to_string(&list).unwrap().replace("broken", "other!")).unwrap();
    let message = |dataset: Dataset| dataset.rejects().read().unwrap_err().to_string();
    assert_eq!(message(open()), format!("`{}` is damaged: its checksum does not match", list.display()));
    fs::remove_file(&list).unwrap();
    let missing = open();
    assert_eq!(missing.rejects().len(), 2);
    assert_eq!(message(missing), format!("can't read `{}`", list.display()));
}

#[test]
fn rejects_of_a_snapshot_are_found_while_those_of_the_next_one_are_in_their_place() {
    let s = Scratch::new();
    s.images(&["src/cat"], 3);
    s.file("src/cat/empty.png", b"");
    s.convert("src --out out --size 4 --split train=1").exits(3);
    let (manifest, list) = (s.path().join("out/inlaid.json"), s.path().join("out/rejects.jsonl"));
    let (first, before) = (fs::read(&manifest).unwrap(), fs::read(&list).unwrap());
    s.file("src/cat/broken.png", b"no image");
    s.run("append", "src --out out").exits(3);
    assert_ne!(fs::read(&list).unwrap(), before);
    // The last step of a commit is to replace the manifest.
    fs::write(&manifest, first).unwrap();
    let rejects = Dataset::open(s.path().join("out")).unwrap().rejects().read().unwrap();
    assert_eq!(rejects.into_iter().map(|reject| reject.path).collect::<Vec<_>>(), ["cat/empty.png"]);
}
