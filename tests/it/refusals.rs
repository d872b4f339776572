//! Appends that are refused before anything is touched: every file is unchanged.

use std::fs;

use crate::append::{SMALL, dataset};
use crate::harness::Scratch;

#[test]
fn there_must_be_a_dataset() {
    let s = Scratch::new();
    s.images(&["src/cat"], 3);
    s.file("full/thesis.txt", b"mine");
    fs::create_dir(s.path().join("empty")).unwrap();
    for folder in ["missing", "full", "empty"] {
        let message = format!("error: `{folder}` holds no dataset\nhint: create it with `inlaid convert`");
        for words in ["", "--dry-run"] {
            s.run("append", &format!("src --out {folder} {words}")).fails(1, &message);
        }
        for command in ["verify", "info", "compact", "rollback"] {
            s.run(command, folder).fails(1, &message);
        }
    }
    assert!(!s.path().join("missing").exists());
    assert_eq!(s.files("full"), [("thesis.txt".into(), b"mine".to_vec())]);
    assert_eq!(s.files("empty"), []);
}

#[test]
fn dataset_in_a_source_is_refused() {
    let s = dataset("");
    s.run("append", ". --out out").fails(
        1,
        "error: output folder `out` overlaps source `.`\n\
         hint: choose a folder for `--out` outside the source",
    );
}

/// Asserts that an append of new images stops with this message and changes no file.
#[track_caller]
fn is_refused(s: &Scratch, message: &str) {
    s.more_images(&["src/cat"], 10..40);
    let before = s.dataset("out");
    let ran = s.run("append", "src --out out").exits(1);
    assert_eq!((&*ran.stdout, ran.stderr.trim_end()), ("", message));
    assert_eq!(s.dataset("out"), before);
}

/// The message about a damaged file.
fn damaged(file: &str, reason: &str) -> String {
    format!("error: `{file}` is damaged: {reason}\nhint: restore the file, or convert to a new folder")
}

const TAIL: &str = "out/train/train-00000.parquet";

#[test]
fn missing_shard_is_refused() {
    let s = dataset("");
    fs::remove_file(s.path().join(TAIL)).unwrap();
    is_refused(&s, &format!("error: can't read `{TAIL}`: No such file or directory (os error 2)"));
}

#[test]
fn shard_of_another_length_is_refused() {
    let s = dataset("");
    let mut bytes = fs::read(s.path().join(TAIL)).unwrap();
    let length = bytes.len();
    bytes.pop();
    s.file(TAIL, &bytes);
    is_refused(&s, &damaged(TAIL, &format!("it has {} bytes instead of {length}", length - 1)));
}

#[test]
fn shard_with_a_damaged_footer_is_refused() {
    let s = dataset("");
    let mut bytes = fs::read(s.path().join(TAIL)).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    s.file(TAIL, &bytes);
    is_refused(&s, &damaged(TAIL, "Parquet error: Invalid Parquet file. Corrupt footer"));
}

#[test]
fn tail_with_a_damaged_row_group_is_refused() {
    // Its tail is extended, not followed by a new shard.
    let s = Scratch::new();
    s.images(&["src/cat"], 10);
    s.convert("src --out out --size 4 --split train=1").exits(0);
    let mut bytes = fs::read(s.path().join(TAIL)).unwrap();
    bytes[1200] ^= 1;
    s.file(TAIL, &bytes);
    is_refused(&s, &damaged(TAIL, "row group 0 does not match its checksum"));
}

/// An append that believed a damaged key would add its image once more.
#[test]
fn damaged_key_is_not_believed() {
    let s = dataset("");
    let mut bytes = fs::read(s.path().join(TAIL)).unwrap();
    let end_of_row_group = 4 + s.row_groups(TAIL)[0].1.len();
    bytes[end_of_row_group - 1] ^= 1;
    s.file(TAIL, &bytes);
    is_refused(&s, &damaged(TAIL, "row group 0 does not match its checksum"));

    const ARROW: &str = "out/train/train-00000.arrow";
    let s = dataset("--format arrow");
    let mut bytes = fs::read(s.path().join(ARROW)).unwrap();
    let key = bytes.windows(4).position(|text| text == b"cat/").expect("a cat is in the first shard");
    bytes[key + 4] ^= 1;
    s.file(ARROW, &bytes);
    is_refused(&s, &damaged(ARROW, "row group 0 does not match its checksum"));
}

#[test]
fn dataset_of_another_format_version_is_refused() {
    let s = dataset("");
    s.edit_manifest("out", |manifest| manifest["format_version"] = 3.into());
    is_refused(
        &s,
        "error: `out/inlaid.json` has format version 3, but this release reads versions 1 to 2\n\
         hint: use the release of inlaid that wrote the dataset",
    );
}

#[test]
fn damaged_manifest_is_refused() {
    let s = dataset("");
    s.edit_manifest("out", |manifest| drop(manifest.as_object_mut().unwrap().remove("splits")));
    let before = s.dataset("out");
    for command in ["append src --out", "verify", "info", "compact", "rollback"] {
        let (command, words) = command.split_once(' ').unwrap_or((command, ""));
        let ran = s.run(command, &format!("{words} out")).exits(1);
        assert!(
            ran.stderr.starts_with("error: `out/inlaid.json` is damaged: missing field `splits`"),
            "{}",
            ran.stderr
        );
        assert_eq!(s.dataset("out"), before);
    }
}

#[test]
fn file_of_somebody_else_is_refused() {
    for file in ["train/notes.txt", "train/train-00001.parquet", "test/train-00000.parquet"] {
        let s = dataset("");
        let other = fs::read(s.path().join("out/test/test-00000.parquet")).unwrap();
        s.file(&format!("out/{file}"), &other);
        let message = format!("error: `out/{file}` is in the way and was not written by inlaid");
        is_refused(&s, &format!("{message}\nhint: move that file elsewhere"));
    }
}

#[test]
fn file_in_the_place_of_a_folder_is_refused() {
    let s = Scratch::new();
    s.images(&["src/train/cat"], 3);
    s.convert(&format!("src --out out {SMALL}")).exits(0);
    s.images(&["src/test/cat"], 3).more_images(&["src/train/cat"], 3..9);
    s.file("out/test", b"mine");
    let before = s.dataset("out");
    s.run("append", "src --out out")
        .fails(1, "error: `out/test` is in the way and was not written by inlaid\nhint: move that file elsewhere");
    assert_eq!(s.dataset("out"), before);
    fs::remove_file(s.path().join("out/test")).unwrap();
    s.run("append", "src --out out").exits(0);
    s.is_whole("out");
}

/// Somebody else's dataset may name any file: none outside of it is touched.
#[test]
fn files_outside_of_the_dataset_are_nobodys_shards() {
    let other = "src --out out --size 4 --split train=1 --seed 7 --overwrite";
    let victim = |s: &Scratch| s.file("thesis.parquet", b"mine");
    for file in ["../thesis.parquet", "train/../../thesis.parquet", "thesis.parquet", "test/thesis.parquet"] {
        let s = dataset("");
        let thesis = victim(&s);
        s.edit_manifest("out", |manifest| manifest["splits"]["train"]["shards"][0]["file"] = file.into());
        let message = damaged("out/inlaid.json", &format!("it names `{file}`, which is not a file of a split"));
        is_refused(&s, &message);
        s.convert(other).fails(1, &message);
        assert_eq!(fs::read(thesis).unwrap(), b"mine");
    }
    for journal in [
        r#"{"renames": [], "removals": ["../thesis.parquet"]}"#,
        r#"{"renames": [["inlaid.json", "../thesis.parquet"]], "removals": []}"#,
    ] {
        let s = dataset("");
        let thesis = victim(&s);
        s.file("out/.inlaid/journal.json", journal.as_bytes());
        let reason = "it names `../thesis.parquet`, which is not in this folder";
        s.convert(other).fails(1, &damaged("out/.inlaid/journal.json", reason));
        assert_eq!(fs::read(thesis).unwrap(), b"mine");
    }
    let absolute = dataset("");
    let thesis = victim(&absolute);
    let journal = format!(r#"{{"renames": [], "removals": ["{}"]}}"#, thesis.display());
    absolute.file("out/.inlaid/journal.json", journal.as_bytes());
    absolute.convert(other).exits(1);
    assert_eq!(fs::read(thesis).unwrap(), b"mine");
}
