//! What folders are taken for, and what is said where that may not be what the user meant.

use crate::harness::{Ran, Scratch};

const OUT: &str = "--out out --size 4";

/// A folder with an image in each of these folders.
fn source(folders: &[&str]) -> Scratch {
    let s = Scratch::new();
    s.images(folders, 1);
    s
}

#[track_caller]
fn notes(ran: Ran, expected: &[&str]) {
    let ran = ran.exits(0);
    let notes: Vec<_> = ran.stderr.lines().collect();
    assert_eq!(notes, expected);
}

const CLASSES_ALL_THE_SAME: &str = "for a new dataset, `--folders classes` takes the top folders as classes";

#[test]
fn split_folders_below_the_top_are_not_mixed() {
    let refused = "error: `src/images` holds split folders, so it is not taken for a class\n\
                   hint: give `src/images`; for a new dataset, `--folders classes` takes the top folders as classes";
    for folders in [
        &["src/images/train/cat", "src/images/val/cat"][..],
        &["src/images/train", "src/images/test"],
        &["src/images/train/cat"],
        // Images beside split folders, and a folder beside the one that holds them.
        &["src/images", "src/images/train/cat", "src/images/val/cat"],
        &["src/images/train/cat", "src/images/val/cat", "src/figures"],
        &["src", "src/images/train/cat", "src/images/val/cat"],
    ] {
        let s = source(folders);
        s.convert(&format!("src {OUT}")).fails(1, refused);
        s.convert(&format!("src {OUT} --dry-run")).fails(1, refused);
        assert!(!s.path().join("out").exists());
    }
}

#[test]
fn split_folders_far_below_the_top_are_found() {
    let s = source(&["src/archive/data v2/train/cat", "src/archive/data v2/val/cat"]);
    let hint = format!("hint: give `src/archive/data v2`; {CLASSES_ALL_THE_SAME}");
    let message = "error: `src/archive/data v2` holds split folders, so it is not taken for a class";
    s.convert(&format!("src {OUT}")).fails(1, &format!("{message}\n{hint}"));
}

#[test]
fn split_folders_in_every_class_folder_are_not_mixed() {
    let s = source(&["src/a/train", "src/a/val", "src/b/train"]);
    let hint = "hint: put split folders above class folders, or give each of these folders as a source";
    let message = "error: `src/a`, `src/b` hold split folders, so they are not taken for classes";
    s.convert(&format!("src {OUT}")).fails(1, &format!("{message}\n{hint}; {CLASSES_ALL_THE_SAME}"));
    s.images(&["src/c/train", "src/d/train", "src/e/train", "src/f/train"], 1);
    let message = "error: `src/a`, `src/b`, `src/c`, `src/d`, `src/e` and 1 more hold split folders, so they are not \
                   taken for classes";
    s.convert(&format!("src {OUT}")).fails(1, &format!("{message}\n{hint}; {CLASSES_ALL_THE_SAME}"));
}

#[test]
fn folder_that_holds_split_folders_is_a_class_on_request() {
    let s = source(&["src/images/train/cat", "src/images/val/cat"]);
    notes(s.convert(&format!("src {OUT} --split train=1 --folders classes")), &[]);
    assert_eq!(s.manifest("out")["classes"], serde_json::json!(["images"]));
    notes(s.run("append", "src --out out --folders classes"), &[]);
}

#[test]
fn word_for_a_split_in_one_class_is_no_split() {
    let s = source(&["src/vehicles/train", "src/vehicles/car", "src/animals"]);
    s.convert(&format!("src {OUT} --split train=1")).exits(0);
    let s = source(&["src/vehicles/train", "src/animals"]);
    s.convert(&format!("src {OUT} --split train=1")).exits(0);
}

#[test]
fn append_of_a_folder_too_high_is_refused() {
    let s = source(&["src/train/cat", "src/val/cat", "new/images/train/dog", "new/images/val/dog"]);
    s.convert(&format!("src {OUT}")).exits(0);
    let message = "error: `new/images` holds split folders, so it is not taken for a class";
    let hint = format!("hint: give `new/images`; {CLASSES_ALL_THE_SAME}");
    s.run("append", "new --out out").fails(1, &format!("{message}\n{hint}"));
}

#[test]
fn folders_in_class_folders_are_told() {
    let s = source(&["src/cat", "src/cat/old"]);
    let one = "note: folder `cat/old` lies in a class folder, so it is not a class of its own";
    notes(s.convert(&format!("src {OUT} --split train=1")), &[one]);
    s.images(&["src/dog/a", "src/dog/b", "src/dog/c/deeper", "src/dog/d", "src/eel/e"], 1);
    let all = "note: 6 folders lie in class folders, so they are not classes of their own: `cat/old`, `dog/a`, \
               `dog/b`, `dog/c`, `dog/d` and 1 more";
    notes(s.convert("src --out more --size 4 --split train=1"), &[all]);
    // An append speaks of new classes alone.
    let new = "note: 5 folders lie in class folders, so they are not classes of their own: `dog/a`, `dog/b`, `dog/c`, \
               `dog/d`, `eel/e`";
    notes(s.run("append", "src --out out"), &[new]);
    notes(s.run("append", "src --out out"), &[]);
    notes(s.convert("src --out asked --size 4 --split train=1 --folders classes"), &[]);
}

#[test]
fn folder_that_holds_the_class_folders_is_told() {
    let s = source(&["src/animals/cat", "src/animals/dog"]);
    let note =
        "note: 2 folders lie in class folders, so they are not classes of their own: `animals/cat`, `animals/dog`";
    let ran = s.convert(&format!("src {OUT} --split train=1 --json")).exits(0);
    assert_eq!(ran.json()["notices"], serde_json::json!([note.strip_prefix("note: ").unwrap()]));
    assert_eq!(ran.stderr, format!("{note}\nhint: give `src/animals` to make them classes\n"));
    notes(s.convert("src/animals --out other --size 4 --split train=1"), &[]);
}

#[test]
fn folders_in_classes_of_split_folders_are_told() {
    let s = source(&["src/train/animals/cat", "src/train/animals/dog", "src/val/animals/cat"]);
    let note = "note: 3 folders lie in class folders, so they are not classes of their own: `train/animals/cat`, \
                `train/animals/dog`, `val/animals/cat`";
    notes(s.convert(&format!("src {OUT}")), &["note: the top folders of `src` are used as splits", note]);
}

#[test]
fn classes_in_some_splits_only_are_told() {
    let s = source(&["src/train/cat", "src/val/cat", "src/test/cat"]);
    let splits = "note: the top folders of `src` are used as splits";
    notes(s.convert(&format!("src {OUT}")), &[splits]);
    s.images(&["src/train/bee", "src/val/dog", "src/test/unknown", "src/val/eel", "src/test/eel", "src/train/fox"], 1);
    s.images(&["src/val/fox", "src/train/a", "src/train/b", "src/train/c", "src/train/d", "src/train/e"], 1);
    let told = [
        splits,
        "note: 6 classes have images in train only: `a`, `b`, `bee`, `c`, `d` and 1 more",
        "note: class `dog` has images in validation only",
        "note: class `eel` has images in validation and test only",
        "note: class `unknown` has images in test only",
    ];
    notes(s.convert(&format!("src {OUT} --overwrite --dry-run")), &told);
    // Where all images are divided anew, it does not matter.
    notes(s.convert("src --out again --size 4 --split-by random"), &[]);
    // An append tells them once.
    notes(s.run("append", "src --out out"), &told);
    s.more_images(&["new/train/bee", "new/train/gnu"], 1..2);
    let new = ["note: the top folders of `new` are used as splits", "note: class `gnu` has images in train only"];
    notes(s.run("append", "new --out out"), &new);
}

#[test]
fn folders_that_decide_no_split_are_not_told() {
    let s = Scratch::new();
    s.images(&["src/train/cat", "src/val/cat"], 20);
    for rule in ["label", "random"] {
        notes(s.convert(&format!("src --out {rule} --size 4 --split-by {rule}")), &[]);
    }
    s.more_images(&["new/train/cat"], 20..40);
    notes(s.run("append", "new --out random"), &[]);
}

#[test]
fn class_folders_given_one_by_one_are_told() {
    const ALL_TRAIN: &str = "--size 4 --split train=1";
    let s = Scratch::new();
    s.more_images(&["photos/ant"], 0..2).more_images(&["photos/bee"], 2..4).more_images(&["more/cat"], 4..6);
    std::fs::create_dir(s.path().join("photos/empty")).unwrap();
    let note = "note: 2 folders are sources of their own, so their names are not classes";
    let all = "photos/ant photos/bee photos/empty";
    notes(s.convert(&format!("{all} --out out {ALL_TRAIN}")), &[note, "hint: give `photos` to make them classes"]);
    let hint = "hint: give the folder that holds them to make them classes";
    notes(s.convert(&format!("photos/ant more/cat --out other {ALL_TRAIN}")), &[note, hint]);
    notes(s.convert(&format!("photos/ant photos/bee --out flat {ALL_TRAIN} --folders none")), &[]);
    notes(s.convert(&format!("photos/ant --out one {ALL_TRAIN}")), &[]);
    notes(s.convert(&format!("photos/ant photos/empty --out filled {ALL_TRAIN}")), &[]);
    notes(s.run("append", "photos/ant photos/bee more/cat --out out"), &[]);
}

#[test]
fn only_split_is_no_remark() {
    let s = source(&["src/train/cat", "src/train/dog"]);
    notes(s.convert(&format!("src {OUT}")), &["note: the top folders of `src` are used as splits"]);
}

#[test]
fn empty_folders_are_told_together() {
    let s = source(&["src/cat"]);
    let empty = |folder: &str| std::fs::create_dir_all(s.path().join(folder)).unwrap();
    empty("src/ant");
    notes(
        s.convert(&format!("src {OUT} --split train=1")),
        &["note: folder `src/ant` has no images, so it is not a class"],
    );
    ["b", "c", "d", "e", "f", "g"].iter().for_each(|name| empty(&format!("src/{name}")));
    let many = "note: 7 folders have no images, so they are not classes: `src/ant`, `src/b`, `src/c`, `src/d`, `src/e` \
                and 2 more";
    notes(s.convert("src --out more --size 4 --split train=1"), &[many]);
    // A folder of a class that the dataset has.
    s.images(&["new/dog"], 1);
    empty("new/cat");
    notes(s.run("append", "new --out out"), &[]);
}

#[test]
fn empty_class_folders_in_split_folders_are_told() {
    let s = source(&["src/train/cat", "src/val/cat", "src/train/dog", "src/val/dog"]);
    let empty = |folder: &str| std::fs::create_dir_all(s.path().join(folder)).unwrap();
    empty("src/train/ant");
    let splits = "note: the top folders of `src` are used as splits";
    notes(s.convert(&format!("src {OUT}")), &[splits, "note: folder `src/train/ant` has no images"]);
    empty("src/val/ant/deeper");
    empty("src/test/cat");
    let more = "note: 3 folders have no images: `src/test`, `src/train/ant`, `src/val/ant`";
    notes(s.convert("src --out more --size 4"), &[splits, more]);
}

#[test]
fn folder_of_rejects_is_not_empty() {
    let s = source(&["src/cat"]);
    let image = std::os::unix::fs::symlink("nowhere", s.path().join("src/gone.png"));
    image.unwrap();
    std::fs::create_dir(s.path().join("src/dog")).unwrap();
    std::os::unix::fs::symlink("nowhere", s.path().join("src/dog/1.png")).unwrap();
    let ran = s.convert(&format!("src {OUT} --split train=1")).exits(3);
    assert_eq!(ran.stderr, "");
}
