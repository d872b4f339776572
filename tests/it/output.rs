//! What happens to the output folder.

use std::fs;

use crate::harness::Scratch;

const CONVERT: &str = "src --out out --size 4 --split train=1";

fn source() -> Scratch {
    let s = Scratch::new();
    s.images(&["src/cat"], 3);
    s
}

#[test]
fn full_folder_is_refused() {
    let s = source();
    s.file("out/thesis.txt", b"mine");
    s.convert(CONVERT).fails(
        1,
        "error: output folder `out` is neither empty nor an inlaid dataset\nhint: choose a new folder for `--out`",
    );
    s.convert(&format!("{CONVERT} --overwrite")).exits(1);
    assert_eq!(s.files("out"), [("thesis.txt".into(), b"mine".to_vec())]);
}

#[test]
fn dataset_is_replaced_only_on_request() {
    let s = source();
    s.convert(CONVERT).exits(0);
    let before = s.dataset("out");
    s.convert(&format!("{CONVERT} --seed 1")).fails(
        1,
        "error: output folder `out` already holds a dataset\n\
         hint: add to it with `inlaid append`, replace it with `--overwrite`, or choose a new folder for `--out`",
    );
    assert_eq!(s.dataset("out"), before);
    s.file("out/notes.txt", b"mine");
    s.images(&["src/dog"], 2);
    s.convert("src --out out --size 4 --split test=1 --overwrite").exits(0);
    assert_eq!(s.rows("out").iter().filter(|row| row.split == "test").count(), 5);
    assert!(!s.path().join("out/train").exists());
    assert_eq!(fs::read(s.path().join("out/notes.txt")).unwrap(), b"mine");
}

#[test]
fn dataset_of_the_same_command_is_left_as_it_is() {
    let s = source();
    s.convert(CONVERT).exits(0);
    let before = s.dataset("out");
    let ran = s.convert(CONVERT).exits(0);
    assert!(
        ran.stdout.ends_with("nothing to do, `out` is complete\n3 images were already in the dataset\n"),
        "{}",
        ran.stdout
    );
    assert_eq!((s.dataset("out"), ran.stderr), (before, String::new()));
}

#[test]
fn foreign_shard_is_not_mixed_in_nor_replaced() {
    let s = source();
    s.convert(CONVERT).exits(0);
    s.file("out/train/other.parquet", b"theirs");
    let before = s.files("out");
    s.convert(&format!("{CONVERT} --overwrite")).fails(
        1,
        "error: `out/train/other.parquet` is in the way and was not written by inlaid\nhint: move that file elsewhere",
    );
    assert_eq!(s.files("out"), before);
}

#[test]
fn failed_run_leaves_nothing() {
    let s = source();
    s.file("src/cat/broken.png", b"no image");
    s.convert("src --out new/er/out --size 4 --split train=1 --on-error stop").fails(
        1,
        "error: `cat/broken.png` can't be used: the content is not a known image format\n\
         hint: leave out `--on-error stop` to skip such inputs and list them in `rejects.jsonl`",
    );
    assert!(!s.path().join("new").exists());
}

#[test]
fn failed_run_leaves_an_empty_folder_empty() {
    let s = Scratch::new();
    s.file("src/cat/a.png", b"no image");
    fs::create_dir(s.path().join("out")).unwrap();
    s.convert(CONVERT).exits(1);
    assert_eq!(fs::read_dir(s.path().join("out")).unwrap().count(), 0);
}

#[test]
fn failed_run_leaves_the_dataset_that_was_there() {
    let s = source();
    s.convert(CONVERT).exits(0);
    let before = s.dataset("out");
    s.file("src/cat/broken.png", b"no image");
    s.convert(&format!("{CONVERT} --overwrite --on-error stop")).exits(1);
    assert_eq!(s.dataset("out"), before);
}

#[test]
fn dry_run_writes_nothing() {
    let s = source();
    let ran = s.convert("src --out out --size 4 --split train=1 --dry-run").exits(0);
    assert_eq!(
        ran.stdout,
        "train              3 rows       144 B in 1 file\nwould write 3 rows from 3 images, 1 class, to `out`\n"
    );
    assert!(!s.path().join("out").exists());
}

#[test]
fn output_inside_a_source_is_refused() {
    let s = source();
    s.convert("src --out src/out --size 4").fails(
        1,
        "error: output folder `src/out` overlaps source `src`\n\
         hint: choose a folder for `--out` outside the source",
    );
    assert!(!s.path().join("src/out").exists());
}

#[test]
fn damaged_manifest_is_refused() {
    let s = source();
    s.convert(CONVERT).exits(0);
    s.file("out/inlaid.json", b"{");
    let before = s.files("out");
    let ran = s.convert(&format!("{CONVERT} --overwrite")).exits(1);
    assert!(ran.stderr.starts_with("error: `out/inlaid.json` is damaged: "), "{}", ran.stderr);
    assert_eq!(s.files("out"), before);
}

#[test]
fn manifest_of_a_later_release_is_refused() {
    let s = source();
    s.convert(CONVERT).exits(0);
    s.file("out/inlaid.json", b"{\"format_version\": 99}");
    s.convert(&format!("{CONVERT} --overwrite")).fails(
        1,
        "error: `out/inlaid.json` has format version 99, but this release reads versions 1 to 2\n\
         hint: use the release of inlaid that wrote the dataset",
    );
}

#[test]
fn what_a_crash_left_is_dropped() {
    let s = source();
    s.file("out/.inlaid/staging-abc/train/train-00000.parquet", b"half");
    s.file("out/.inlaid/lock", b"process 1 on host gone\n");
    s.convert(CONVERT).exits(0);
    assert!(!s.path().join("out/.inlaid/staging-abc").exists());
    assert_eq!(s.rows("out").len(), 3);
}

#[test]
fn commit_that_a_crash_interrupted_is_completed() {
    let s = source();
    s.convert(CONVERT).exits(0);
    let whole = s.dataset("out");
    // As if the process had died after the first of its renames: the manifest is still staged.
    fs::create_dir_all(s.path().join("out/.inlaid/staging-abc")).unwrap();
    for name in ["README.md", "inlaid.json"] {
        fs::rename(s.path().join("out").join(name), s.path().join("out/.inlaid/staging-abc").join(name)).unwrap();
    }
    let journal = r#"{"renames": [
        [".inlaid/staging-abc/train/train-00000.parquet", "train/train-00000.parquet"],
        [".inlaid/staging-abc/README.md", "README.md"],
        [".inlaid/staging-abc/inlaid.json", "inlaid.json"]], "removals": []}"#;
    s.file("out/.inlaid/journal.json", journal.as_bytes());
    // The next writer completes it, sees the dataset that it would have made, and leaves it.
    s.convert(CONVERT).exits(0);
    assert_eq!(s.dataset("out"), whole);
}

#[test]
fn second_writer_is_told_who_the_first_is() {
    let s = source();
    let lock = s.file("out/.inlaid/lock", b"process 7 on host here\n");
    let lock = fs::File::options().write(true).open(lock).unwrap();
    lock.lock().unwrap();
    s.convert(CONVERT).fails(1, "error: `out` is being written by process 7 on host here\nhint: wait for it to finish");
    drop(lock);
    s.convert(CONVERT).exits(0);
}

#[test]
fn folders_in_the_place_of_files_stop_a_commit_before_it_is_made() {
    let s = Scratch::new();
    s.images(&["src/a", "src/b"], 10).more_images(&["more/a"], 20..25);
    s.file("src/a/broken.png", b"no image");
    s.convert("src --out out --size 4").exits(3);
    for name in [".inlaid/rejects-before.jsonl", "rejects.jsonl"] {
        let path = s.path().join("out").join(name);
        let there = fs::read(&path).ok();
        let _ = fs::remove_file(&path);
        fs::create_dir(&path).unwrap();
        let before = s.dataset("out");
        let ran = s.run("append", "more --out out").exits(1);
        assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains(&format!("`out/{name}`")), "{}", ran.stderr);
        assert_eq!(s.dataset("out"), before);
        fs::remove_dir(&path).unwrap();
        there.iter().for_each(|bytes| fs::write(&path, bytes).unwrap());
    }
    s.file("out/.inlaid/staging-file", b"a file in the place of a folder");
    s.run("append", "more --out out").exits(0);
    assert!(!s.path().join("out/.inlaid/staging-file").exists());
    s.run("verify", "out").exits(0);
}
